package ops

import (
	"math"

	"github.com/lamina-go/lamina/tensor"
)

// Matrix is a matrix in a slice: element (i, j) is Data[i*RowStride + j*ColStride], and
// one of the strides is 1. The transposed matrix has the strides exchanged.
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
//	stride   rows of A with at most this stride are read in place, others are copied first:
//	         rows whose stride is a power of two share few sets of a cache. Copying pays if many
//	         rows are multiplied by many columns.
//
// The blocks of some columns of a product are no larger than those of all, so the same scratch
// does.
func (l Level) gemmBlocks(m, n int) (rows, columns, stride int) {
	switch {
	case n <= l.panelWidth(): // A is read only once
		return 96, 1024, math.MaxInt
	case cacheL2 < 2<<20: // does not hold such rows beside B
		return 96, 4096, 0
	case l == AVX2 && m > 132 && n > 128: // the panel fills two thirds of L1, six rows of 4 KiB don't fit beside it
		return 264, 2048, 512
	}
	return 132, 1024, 4096 // B stays in L2 too, and a batch of 128 is one block of rows
}

// Epilogue is what a product c = a·b does besides.
type Epilogue struct {
	add  bool      // add to what c holds; Bias is not used then
	Bias []float32 // of n elements, added to each row; nil for none
	ReLU bool      // then c = max(0, c)
	// Function, any but max(0, c), is applied to c then: to each block while it is in the cache.
	Function tensor.Function
}

// slice returns the epilogue of depth steps of the sum over k, from p0 on.
func (e Epilogue) slice(p0, depth, k int) Epilogue {
	e.add = e.add || p0 > 0
	if p0+depth < k {
		e.ReLU, e.Function = false, tensor.Function{}
	}
	return e
}

// from returns the epilogue of the columns from j on.
func (e Epilogue) from(j int) Epilogue {
	e.Bias = e.bias(j)
	return e
}

// bias returns the bias of the columns from j on, or nil.
func (e Epilogue) bias(j int) []float32 {
	if e.Bias == nil {
		return nil
	}
	return e.Bias[j:]
}

// flags returns the flags for panel.
func (e Epilogue) flags() (flags int) {
	if e.add {
		flags |= tileAdd
	}
	if e.ReLU {
		flags |= tileReLU
	}
	return flags
}

// packMatrix packs columns from j on of b, a matrix of k rows, for gemmPacked. j is a multiple of
// columnBlock.
func (l Level) packMatrix(packed []float32, b Matrix, k, j, columns int) {
	l.packPanels(packed[j*k:], k*l.panelWidth(), b.Data[j*b.ColStride:], b.RowStride, b.ColStride, k, columns)
}

// GemmScratch returns the number of floats that Gemm needs, which is more than gemmPacked does.
func (l Level) GemmScratch(m, n, k int) int {
	rows, columns, _ := l.gemmBlocks(m, math.MaxInt)
	rows = min(m, rows)
	return l.packedSize(min(k, gemmDepth), min(n, columns)) + rows*min(k, gemmDepth) + (rows+1)*l.panelWidth()
}

// Gemm computes c = a·b and the epilogue, with a of m rows and k columns, b of k rows and n
// columns, and c of m rows with stride ldc. Each element is the sum over k in order, whatever the
// other sizes are.
func (l Level) Gemm(c []float32, ldc int, a, b Matrix, m, n, k int, e Epilogue, scratch []float32) {
	_, most, _ := l.gemmBlocks(m, n)
	packed := scratch[:l.packedSize(min(k, gemmDepth), min(n, most))]
	scratch = scratch[len(packed):]
	for j := 0; j < n; j += most {
		columns := min(most, n-j)
		for p0 := 0; p0 < k; p0 += gemmDepth {
			depth := min(gemmDepth, k-p0)
			l.gemmBlock(c[j:], ldc, a.from(0, p0), b.from(p0, j), packed,
				m, columns, depth, e.from(j).slice(p0, depth, k), scratch)
		}
	}
}

// gemmBlock is Gemm with a b of one block. While the first rows of a are multiplied by a panel, the
// next panel is packed, if there are enough rows.
func (l Level) gemmBlock(c []float32, ldc int, a, b Matrix, packed []float32, m, n, k int, e Epilogue, scratch []float32) {
	width := l.panelWidth()
	rows, _, stride := l.gemmBlocks(m, n)
	rows = min(m, rows)
	if b.ColStride != 1 || !l.packsNext(rows, k) {
		l.packPanels(packed, k*width, b.Data, b.RowStride, b.ColStride, k, n)
		l.gemmPacked(c, ldc, a, packed, m, n, k, e, scratch)
		return
	}
	var start [1]segment
	panelSize := width * k
	ring := len(packed)
	if rows == m {
		ring = 2 * panelSize // all that is needed at a time, and it stays in L2
	}
	block := l.rowsOf(a, scratch, rows, k, stride)
	for j := 0; j < n; j += width {
		columns, panel := min(width, n-j), packed[j*k%ring:]
		if j == 0 || columns < width {
			l.packPanels(panel, panelSize, b.Data[j:], b.RowStride, 1, k, columns)
		}
		next := prefetch{}
		if j+2*width <= n {
			next = prefetch{b.Data[j+width:], b.RowStride, packed[(j+width)*k%ring:]}
		}
		l.panelOf(blockC{c[j:], ldc, rows, columns}, block.Data, block.RowStride, block.ColStride, panel,
			start[:], k, e.bias(j), e.flags(), next, scratch[rows*k:])
	}
	l.finish(blockC{c, ldc, rows, n}, e.Function)
	if rows < m {
		l.gemmPacked(c[rows*ldc:], ldc, a.from(rows, 0), packed, m-rows, n, k, e, scratch)
	}
}

// gemmPacked is Gemm with the columns of b packed by packMatrix.
func (l Level) gemmPacked(c []float32, ldc int, a Matrix, packed []float32, m, n, k int, e Epilogue, scratch []float32) {
	width := l.panelWidth()
	most, _, stride := l.gemmBlocks(m, n)
	var start [1]segment
	for p0 := 0; p0 < k; p0 += gemmDepth {
		depth := min(gemmDepth, k-p0)
		e := e.slice(p0, depth, k)
		for i := 0; i < m; i += most {
			rows := min(most, m-i)
			block := l.rowsOf(a.from(i, p0), scratch, rows, depth, stride)
			edge := scratch[rows*depth:]
			for j := 0; j < n; j += width {
				out := blockC{c[i*ldc+j:], ldc, rows, min(width, n-j)}
				next := prefetch{from: packed[min(nextPanel(j, width, n, p0, depth, k), len(packed)):]}
				l.panelOf(out, block.Data, block.RowStride, block.ColStride, packed[j*k+p0*width:],
					start[:], depth, e.bias(j), e.flags(), next, edge)
			}
			l.finish(blockC{c[i*ldc:], ldc, rows, n}, e.Function)
		}
	}
}

// nextPanel returns where the panel begins that a product of n columns reads after the panel of
// width columns from j on and depth rows from p0 on, of k. After the last panel this is the one of
// the columns after the n, which the next job reads.
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

// rowsOf returns some rows and columns of a for a product to read: in place, if the rows have at
// most the given stride, or copied to dst without gaps.
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

// blockC is a block of C.
type blockC struct {
	c             []float32
	ldc           int
	rows, columns int
}

// finish applies f to a block of C.
func (l Level) finish(out blockC, f tensor.Function) {
	if f.Kind == tensor.Identity {
		return
	}
	if out.columns == out.ldc { // one long row
		out.rows, out.columns = 1, out.rows*out.columns
	}
	for i := range out.rows {
		row := out.c[i*out.ldc:][:out.columns]
		l.Function(row, row, f)
	}
}

// panelOf is panel for a C of at most a panel's width. If C is narrower, the panel is computed in
// scratch, of (rows + 1)·width floats. bias may be nil, and longer than C is wide.
func (l Level) panelOf(out blockC, a []float32, rs, cs int, b []float32, segs []segment, k int, bias []float32,
	flags int, next prefetch, scratch []float32) {

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
