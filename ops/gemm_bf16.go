package ops

// Blocks of the product: so many rows of A and so deep, copied to one place as GemmPacked does, stay
// in the second-level cache beside a panel of B. Rows of the copy are a tile's row longer than that: a power of two apart
// they would share few lines of the first-level cache.
const (
	gemmRowsBF16  = 128
	gemmDepthBF16 = 1024
	gemmGapBF16   = depthBF16
)

// GemmScratchBF16 returns the number of floats that GemmBF16 and GemmPackedRows need.
func (l Level) GemmScratchBF16(m, k int) int {
	return min(m, gemmRowsBF16)*((min(k, gemmDepthBF16)+gemmGapBF16)/2+panelBF16) + l.scratchBF16()
}

// GemmBF16 computes c = a·b with a of m rows lda apart and k columns, the n columns
// of b packed by PackMatrixBF16, and c of m rows ldc apart. k is a multiple of 32: fill up the rows
// of a with zeros to PadBF16 of what it is, as b is.
func (l Level) GemmBF16(c []float32, ldc int, a []BF16, lda int, packed []BF16, m, n, k int, scratch []float32) {
	load := func(to []BF16, apart, i, rows, p, depth int) {
		for r := range rows {
			copy(to[r*apart:][:depth], a[(i+r)*lda+p:])
		}
	}
	l.gemmBF16(c, ldc, load, packed, m, n, k, scratch)
}

// GemmPackedRows is c = a·b with the rows from i0 on of an a that is packed too, and has aRows rows in all; b has as many as a has
// columns, filled up to PadBF16(k). i0 is even.
func (l Level) GemmPackedRows(c []float32, ldc int, a []BF16, aRows, i0 int, packed []BF16, m, n, k int, scratch []float32) {
	load := func(to []BF16, apart, i, rows, p, depth int) {
		for j := 0; j < depth; j += panelBF16 {
			l.separatePairs(to[j:], apart, a[(p+j)*PadBF16(aRows)+(i0+i)*panelBF16:], rows, min(panelBF16, depth-j))
		}
	}
	l.gemmBF16(c, ldc, load, packed, m, n, PadBF16(k), scratch)
}

// gemmBF16 is the product with an a of which load gives so many rows from i on, each from column p on and so deep.
func (l Level) gemmBF16(c []float32, ldc int, load func(to []BF16, apart, i, rows, p, depth int), packed []BF16, m, n, k int, scratch []float32) {
	var start [1]segment
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
			load(block, apart, i, rows, p0, depth)
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
