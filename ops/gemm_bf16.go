package ops

// Blocks of the product: so many rows of A and so deep, copied to one place as GemmPacked does, stay
// in the second-level cache beside a panel of B.
const (
	gemmRowsBF16  = 128
	gemmDepthBF16 = 1024
)

// GemmScratchBF16 returns the number of floats that GemmBF16 needs.
func (l Level) GemmScratchBF16(m, k int) int {
	return min(m, gemmRowsBF16)*(min(k, gemmDepthBF16)/2+panelBF16) + l.scratchBF16()
}

// GemmBF16 computes c = a·b, or adds it to c, with a of m rows lda apart and k columns, the n columns
// of b packed by PackMatrixBF16, and c of m rows ldc apart. k is a multiple of 32: fill up the rows
// of a with zeros to PadBF16 of what it is, as b is.
func (l Level) GemmBF16(c []float32, ldc int, a []BF16, lda int, packed []BF16, m, n, k int, add bool, scratch []float32) {
	var start [1]Segment
	for p0 := 0; p0 < k; p0 += gemmDepthBF16 {
		depth := min(gemmDepthBF16, k-p0)
		flags := 0
		if add || p0 > 0 {
			flags = tileAdd
		}
		for i := 0; i < m; i += gemmRowsBF16 {
			rows := min(gemmRowsBF16, m-i)
			block := AsBF16(scratch)[:rows*depth]
			edge := scratch[rows*depth/2:][:rows*panelBF16]
			rest := scratch[rows*(depth/2+panelBF16):]
			for r := range rows {
				copy(block[r*depth:][:depth], a[(i+r)*lda+p0:])
			}
			for j := 0; j < n; j += panelBF16 {
				panel := packed[j*k+p0*panelBF16:]
				columns := min(panelBF16, n-j)
				if columns == panelBF16 {
					l.panelBF16(c[i*ldc+j:], ldc, rows, block, depth, panel, start[:], depth, flags, rest)
					continue
				}
				for r := range rows {
					copy(edge[r*panelBF16:], c[(i+r)*ldc+j:][:columns])
				}
				l.panelBF16(edge, panelBF16, rows, block, depth, panel, start[:], depth, flags, rest)
				for r := range rows {
					copy(c[(i+r)*ldc+j:][:columns], edge[r*panelBF16:])
				}
			}
		}
	}
}
