package ops

// The block of A that a product takes at a time: it stays in L2 beside a panel of B.
const (
	gemmRowsBF16  = 128
	gemmDepthBF16 = 1024
)

// strideBF16 returns the stride that rows of k elements of an a for gemmBF16 should have:
// padBF16(k) and a row of a tile more, as rows whose stride is a power of two share few sets of L1.
func strideBF16(k int) int { return padBF16(k) + depthBF16 }

// gemmScratchBF16 returns the number of floats that gemmBF16 and gemmPackedRows need.
func (l Level) gemmScratchBF16(m, k int) int {
	return min(m, gemmRowsBF16)*(strideBF16(min(k, gemmDepthBF16))/2+panelBF16) + l.scratchBF16()
}

// gemmBF16 computes c = a·b with a of m rows with stride lda and k columns, the n columns of b
// packed by packMatrixBF16, and c of m rows with stride ldc. k is a multiple of 32: the rows of a
// are padded with zeros, as b is. While it reads a panel of b it prefetches the next, after the
// last that of the columns after the n.
func (l Level) gemmBF16(c []float32, ldc int, a []BF16, lda int, packed []BF16, m, n, k int, scratch []float32) {
	for p0 := 0; p0 < k; p0 += gemmDepthBF16 {
		depth := min(gemmDepthBF16, k-p0)
		next := func(j int) prefetchBF16 {
			at := nextPanel(j, panelBF16, n, p0, depth, k)
			return prefetchBF16{packed[min(at, len(packed)):], panelBF16 * depth / 8}
		}
		for i := 0; i < m; i += gemmRowsBF16 {
			l.gemmBlockBF16(c[i*ldc:], ldc, a[i*lda+p0:], lda, packed, min(gemmRowsBF16, m-i), n, k, p0, depth, next, scratch)
		}
	}
}

// gemmPackedRows computes c = a·b with m rows, from i0 on, of an a that is packed too and has aRows
// rows; b has as many rows as a has columns, padded to padBF16(k). i0 is even. While it reads a
// block of a it prefetches the next, after the last that of the rows after the m.
func (l Level) gemmPackedRows(c []float32, ldc int, a []BF16, aRows, i0 int, packed []BF16, m, n, k int, scratch []float32) {
	k = padBF16(k)
	panel := padBF16(aRows) * panelBF16 // of a
	at := func(i, p int) int { return p/panelBF16*panel + (i0+i)*panelBF16 }
	for p0 := 0; p0 < k; p0 += gemmDepthBF16 {
		depth := min(gemmDepthBF16, k-p0)
		lda := strideBF16(depth)
		for i := 0; i < m; i += gemmRowsBF16 {
			rows := min(gemmRowsBF16, m-i)
			block := AsBF16(scratch)[:rows*lda]
			for j := 0; j < depth; j += panelBF16 {
				l.separatePairs(block[j:], lda, a[at(i, p0+j):], rows, min(panelBF16, depth-j))
			}
			next := func(j int) prefetchBF16 {
				if j*8 >= depth {
					return prefetchBF16{} // the whole block is prefetched
				}
				to := at(i+rows, p0)
				switch {
				case i+rows == m && p0+depth < k:
					to = at(0, p0+depth)
				case i+rows == m:
					to = at(m, 0)
				}
				return prefetchBF16{a[min(to+j/panelBF16*8*panel, len(a)):], panel}
			}
			l.gemmBlockBF16(c[i*ldc:], ldc, block, lda, packed, rows, n, k, p0, depth, next, scratch[rows*lda/2:])
		}
	}
}

// gemmBlockBF16 multiplies a block of a by depth rows of all panels of b from p0 on. While it reads
// panel j it prefetches next(j).
func (l Level) gemmBlockBF16(c []float32, ldc int, a []BF16, lda int, packed []BF16, rows, n, k, p0, depth int,
	next func(j int) prefetchBF16, scratch []float32) {

	var start [1]segment
	flags := 0
	if p0 > 0 {
		flags = tileAdd
	}
	edge, scratch := scratch[:rows*panelBF16], scratch[rows*panelBF16:]
	for j := 0; j < n; j += panelBF16 {
		panel := packed[j*k+p0*panelBF16:]
		columns := min(panelBF16, n-j)
		if columns == panelBF16 {
			l.panelBF16(c[j:], ldc, rows, a, lda, panel, start[:], depth, flags, next(j), scratch)
			continue
		}
		for r := range rows {
			copy(edge[r*panelBF16:], c[r*ldc+j:][:columns])
		}
		l.panelBF16(edge, panelBF16, rows, a, lda, panel, start[:], depth, flags, next(j), scratch)
		for r := range rows {
			copy(c[r*ldc+j:][:columns], edge[r*panelBF16:])
		}
	}
}
