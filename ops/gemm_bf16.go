package ops

// Blocks of the product: so many rows of A and so deep, copied to one place as GemmPacked does, stay
// in the second-level cache beside a panel of B. Rows of the copy are a tile's row longer than that: a power of two apart
// they would share few lines of the first-level cache.
const (
	gemmRowsBF16  = 128
	gemmDepthBF16 = 1024
	gemmGapBF16   = depthBF16
)

// GemmScratchBF16 returns the number of floats that GemmBF16 and GemmRounded need.
func (l Level) GemmScratchBF16(m, k int) int {
	return min(m, gemmRowsBF16)*((min(k, gemmDepthBF16)+gemmGapBF16)/2+panelBF16) + l.scratchBF16()
}

// GemmBF16 computes c = a·b with a of m rows lda apart and k columns, the n columns
// of b packed by PackMatrixBF16, and c of m rows ldc apart. k is a multiple of 32: fill up the rows
// of a with zeros to PadBF16 of what it is, as b is.
func (l Level) GemmBF16(c []float32, ldc int, a []BF16, lda int, packed []BF16, m, n, k int, scratch []float32) {
	l.gemmBF16(c, ldc, func(to []BF16, i, p int) { copy(to, a[i*lda+p:]) }, packed, m, n, k, scratch)
}

// GemmRounded is c = a·b with a of float32, which it rounds, and of depth columns; b has PadBF16(depth) rows.
func (l Level) GemmRounded(c []float32, ldc int, a []float32, lda int, packed []BF16, m, n, depth int, scratch []float32) {
	load := func(to []BF16, i, p int) {
		columns := min(len(to), depth-p)
		l.RoundBF16(to[:columns], a[i*lda+p:][:columns])
		clear(to[columns:])
	}
	l.gemmBF16(c, ldc, load, packed, m, n, PadBF16(depth), scratch)
}

// gemmBF16 is the product with an a of which load gives part of row i, from column p on.
func (l Level) gemmBF16(c []float32, ldc int, load func(to []BF16, i, p int), packed []BF16, m, n, k int, scratch []float32) {
	var start [1]Segment
	for p0 := 0; p0 < k; p0 += gemmDepthBF16 {
		depth := min(gemmDepthBF16, k-p0)
		apart := depth + gemmGapBF16
		flags := 0
		if p0 > 0 {
			flags = tileAdd
		}
		for i := 0; i < m; i += gemmRowsBF16 {
			rows := min(gemmRowsBF16, m-i)
			block := AsBF16(scratch)[:rows*apart]
			edge := scratch[rows*apart/2:][:rows*panelBF16]
			rest := scratch[rows*(apart/2+panelBF16):]
			for r := range rows {
				load(block[r*apart:][:depth], i+r, p0)
			}
			for j := 0; j < n; j += panelBF16 {
				panel := packed[j*k+p0*panelBF16:]
				columns := min(panelBF16, n-j)
				if columns == panelBF16 {
					l.panelBF16(c[i*ldc+j:], ldc, rows, block, apart, panel, start[:], depth, flags, rest)
					continue
				}
				for r := range rows {
					copy(edge[r*panelBF16:], c[(i+r)*ldc+j:][:columns])
				}
				l.panelBF16(edge, panelBF16, rows, block, apart, panel, start[:], depth, flags, rest)
				for r := range rows {
					copy(c[(i+r)*ldc+j:][:columns], edge[r*panelBF16:])
				}
			}
		}
	}
}
