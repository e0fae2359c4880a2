package ops

import "math"

// Matrix is a matrix in a slice: element (i, j) is Data[i*RowStride + j*ColStride], and
// one of the strides is 1. The transposed matrix has them exchanged.
type Matrix struct {
	Data                 []float32
	RowStride, ColStride int
}

// gemmDepth rows of B are packed at a time, for a block of the matrix product.
const gemmDepth = 512

// gemmBlocks returns the other sizes of blocks for a product of m rows and n columns:
//
//	rows     of A are multiplied at a time
//	columns  of B are packed at a time
//	stride   rows of A at most so far apart are read where they stand, others are first copied to one place: rows a power of
//	         two apart share few lines of a cache. Copying pays if many rows meet many columns.
//
// A part of a product has no larger blocks than all of it, so that it fits in the same scratch.
func (l Level) gemmBlocks(m, n int) (rows, columns, stride int) {
	switch {
	case n <= l.panelWidth(): // A is read only once
		return 96, 1024, math.MaxInt
	case cacheL2 < 2<<20: // does not hold such rows beside B
		return 96, 4096, 0
	case l == AVX2 && m > 132 && n > 128: // the panel has two thirds of the first-level cache, six rows 4 KiB apart do not fit beside it
		return 264, 2048, 512
	}
	return 132, 1024, 4096 // B stays in the second-level cache too, and a batch of 128 is one block of rows
}

// Product says what c = a·b does besides.
type Product struct {
	add  bool      // add to what c holds; Bias is not used then
	Bias []float32 // of n elements, added to each row; nil for none
	ReLU bool      // then c = max(0, c)
}

// part is what depth steps of the sum over k from p0 on do besides.
func (p Product) part(p0, depth, k int) Product {
	return Product{p.add || p0 > 0, p.Bias, p.ReLU && p0+depth == k}
}

// bias returns the bias of columns from j on, or nil.
func (p Product) bias(j int) []float32 {
	if p.Bias == nil {
		return nil
	}
	return p.Bias[j:]
}

// flags returns what panel takes.
func (p Product) flags() (flags int) {
	if p.add {
		flags |= tileAdd
	}
	if p.ReLU {
		flags |= tileReLU
	}
	return flags
}

// PackedMatrixSize returns the number of floats of a packed matrix of k rows and n columns.
func (l Level) PackedMatrixSize(k, n int) int { return l.packedSize(k, n) }

// PackMatrix packs columns from j on of b, a matrix of k rows, for GemmPacked. j is
// a multiple of GroupColumns.
func (l Level) PackMatrix(packed []float32, b Matrix, k, j, columns int) {
	l.packPanels(packed[j*k:], k*l.panelWidth(), b.Data[j*b.ColStride:], b.RowStride, b.ColStride, k, columns)
}

// GemmScratch returns the number of floats that Gemm needs, and more than GemmPacked does.
func (l Level) GemmScratch(m, n, k int) int {
	rows, columns, _ := l.gemmBlocks(m, math.MaxInt)
	rows = min(m, rows)
	return l.packedSize(min(k, gemmDepth), min(n, columns)) + rows*min(k, gemmDepth) + (rows+1)*l.panelWidth()
}

// Gemm computes c = a·b and what p asks for, with a of m rows and k columns, b of k rows and n
// columns, and c of m rows ldc apart. Each element is the sum over k in order, whatever
// the other sizes are.
func (l Level) Gemm(c []float32, ldc int, a, b Matrix, m, n, k int, p Product, scratch []float32) {
	_, most, _ := l.gemmBlocks(m, n)
	packed := scratch[:l.packedSize(min(k, gemmDepth), min(n, most))]
	scratch = scratch[len(packed):]
	for j := 0; j < n; j += most {
		columns := min(most, n-j)
		for p0 := 0; p0 < k; p0 += gemmDepth {
			depth := min(gemmDepth, k-p0)
			part := p.part(p0, depth, k)
			part.Bias = p.bias(j)
			l.gemmBlock(c[j:], ldc, a.from(0, p0), b.from(p0, j), packed, m, columns, depth, part, scratch)
		}
	}
}

// gemmBlock is Gemm with a b of one block. While the first rows of a are multiplied by a panel, the next one is packed, if they
// are enough rows.
func (l Level) gemmBlock(c []float32, ldc int, a, b Matrix, packed []float32, m, n, k int, p Product, scratch []float32) {
	width := l.panelWidth()
	rows, _, stride := l.gemmBlocks(m, n)
	rows = min(m, rows)
	if b.ColStride != 1 || !l.packsNext(rows, k) {
		l.packPanels(packed, k*width, b.Data, b.RowStride, b.ColStride, k, n)
		l.GemmPacked(c, ldc, a, packed, m, n, k, p, scratch)
		return
	}
	var start [1]segment
	apart := width * k // panels
	ring := len(packed)
	if rows == m {
		ring = 2 * apart // is all that is needed at a time, and stays in the second-level cache
	}
	block := l.rowsOf(a, scratch, rows, k, stride)
	for j := 0; j < n; j += width {
		columns, panel := min(width, n-j), packed[j*k%ring:]
		if j == 0 || columns < width {
			l.packPanels(panel, apart, b.Data[j:], b.RowStride, 1, k, columns)
		}
		next := prefetch{}
		if j+2*width <= n {
			next = prefetch{b.Data[j+width:], b.RowStride, packed[(j+width)*k%ring:]}
		}
		l.windowPanel(window{c[j:], ldc, rows, columns}, block.Data, block.RowStride, block.ColStride, panel,
			start[:], k, p.bias(j), p.flags(), next, scratch[rows*k:])
	}
	if rows < m {
		l.GemmPacked(c[rows*ldc:], ldc, a.from(rows, 0), packed, m-rows, n, k, p, scratch)
	}
}

// GemmPacked is Gemm with the columns of b packed by PackMatrix.
func (l Level) GemmPacked(c []float32, ldc int, a Matrix, packed []float32, m, n, k int, p Product, scratch []float32) {
	width := l.panelWidth()
	most, _, stride := l.gemmBlocks(m, n)
	var start [1]segment
	for p0 := 0; p0 < k; p0 += gemmDepth {
		depth := min(gemmDepth, k-p0)
		part := p.part(p0, depth, k)
		for i := 0; i < m; i += most {
			rows := min(most, m-i)
			block := l.rowsOf(a.from(i, p0), scratch, rows, depth, stride)
			edge := scratch[rows*depth:]
			for j := 0; j < n; j += width {
				out := window{c[i*ldc+j:], ldc, rows, min(width, n-j)}
				next := prefetch{from: packed[min(nextPanel(j, width, n, p0, depth, k), len(packed)):]}
				l.windowPanel(out, block.Data, block.RowStride, block.ColStride, packed[j*k+p0*width:], start[:], depth, part.bias(j), part.flags(), next, edge)
			}
		}
	}
}

// nextPanel returns where the panel begins that a product of n columns multiplies after that of width columns from j on and depth rows from p0 on, of k.
// After the last one it is that of the columns after the n, which are the next job's.
func nextPanel(j, width, n, p0, depth, k int) int {
	switch {
	case j+width < n:
		return (j+width)*k + p0*width
	case p0+depth < k:
		return (p0 + depth) * width
	}
	return (j + width) * k
}

// from returns m without the rows before i and the columns before j.
func (m Matrix) from(i, j int) Matrix {
	return Matrix{m.Data[i*m.RowStride+j*m.ColStride:], m.RowStride, m.ColStride}
}

// rowsOf returns rows rows and columns columns of a for a product to read: where they stand, if they are at most stride apart, or
// copied to dst without gaps.
func (l Level) rowsOf(a Matrix, dst []float32, rows, columns, stride int) Matrix {
	if a.ColStride != 1 {
		for c := range columns {
			copy(dst[c*rows:][:rows], a.Data[c*a.ColStride:])
		}
		return Matrix{dst, 1, rows}
	}
	if a.RowStride <= stride {
		return a
	}
	l.packRows(dst, 0, columns, a.Data, a.RowStride, rows, columns)
	return Matrix{dst, columns, 1}
}

// window is a part of C: rows rows of columns columns.
type window struct {
	c             []float32
	ldc           int
	rows, columns int
}

// windowPanel is panel for a C of any number of columns up to a panel's width. Where it has
// fewer, the panel is computed in scratch, of (rows + 1)·width floats. bias may be nil, and
// longer than the window.
func (l Level) windowPanel(out window, a []float32, rs, cs int, b []float32, segs []segment, k int, bias []float32, flags int, next prefetch, scratch []float32) {
	width := l.panelWidth()
	if out.columns == width {
		l.panel(out.c, out.ldc, out.rows, a, rs, cs, b, width, segs, k, bias, flags, next)
		return
	}
	tmp := scratch[:out.rows*width]
	wide := scratch[out.rows*width:][:width]
	clear(wide)
	if bias != nil {
		copy(wide, bias[:out.columns])
	}
	if flags&tileAdd != 0 {
		for i := range out.rows {
			copy(tmp[i*width:], out.c[i*out.ldc:][:out.columns])
		}
	}
	l.panel(tmp, width, out.rows, a, rs, cs, b, width, segs, k, wide, flags, next)
	for i := range out.rows {
		copy(out.c[i*out.ldc:][:out.columns], tmp[i*width:])
	}
}
