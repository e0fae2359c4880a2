package ops

// Matrix is a matrix in a slice: element (i, j) is Data[i*RowStride + j*ColStride], and
// one of the strides is 1. The transposed matrix has them exchanged.
type Matrix struct {
	Data                 []float32
	RowStride, ColStride int
}

// Blocks of the matrix product: gemmDepth rows of B and gemmColumns of its columns are
// packed at a time, and gemmRows rows of A are multiplied by them.
const (
	gemmDepth = 512
	gemmRows  = 96
)

var gemmColumns, gemmStride = gemmBlocks(cacheL2)

// gemmBlocks returns what depends on the size of the second-level cache, in which the rows of A
// are to stay. Those at most stride apart are read where they stand. Others are copied to one place:
// a power of two apart they share few lines of the cache. A cache of 2 MiB has enough of them, and with nothing
// to copy for each block of B, the block can be of a size that stays in it too.
func gemmBlocks(cache int) (columns, stride int) {
	if cache < 2<<20 {
		return 4096, 0
	}
	return 1024, 4096
}

// Product says what c = a·b does besides.
type Product struct {
	Add  bool      // add to what c holds; Bias is not used then
	Bias []float32 // of n elements, added to each row; nil for none
	ReLU bool      // then c = max(0, c)
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
	rows := min(m, gemmRows)
	return l.packedSize(min(k, gemmDepth), min(n, gemmColumns)) + rows*min(k, gemmDepth) + (rows+1)*l.panelWidth()
}

// Gemm computes c = a·b and what p asks for, with a of m rows and k columns, b of k rows and n
// columns, and c of m rows ldc apart. Each element is the sum over k in order, whatever
// the other sizes are.
func (l Level) Gemm(c []float32, ldc int, a, b Matrix, m, n, k int, p Product, scratch []float32) {
	packed := scratch[:l.packedSize(min(k, gemmDepth), min(n, gemmColumns))]
	scratch = scratch[len(packed):]
	for j := 0; j < n; j += gemmColumns {
		columns := min(gemmColumns, n-j)
		for p0 := 0; p0 < k; p0 += gemmDepth {
			depth := min(gemmDepth, k-p0)
			l.packPanels(packed, depth*l.panelWidth(), b.Data[p0*b.RowStride+j*b.ColStride:], b.RowStride, b.ColStride, depth, columns)
			part := Product{Add: p.Add || p0 > 0, ReLU: p.ReLU && p0+depth == k}
			if p.Bias != nil {
				part.Bias = p.Bias[j:]
			}
			l.GemmPacked(c[j:], ldc, Matrix{a.Data[p0*a.ColStride:], a.RowStride, a.ColStride}, packed, m, columns, depth, part, scratch)
		}
	}
}

// GemmPacked is Gemm with the columns of b packed by PackMatrix.
func (l Level) GemmPacked(c []float32, ldc int, a Matrix, packed []float32, m, n, k int, p Product, scratch []float32) {
	width := l.panelWidth()
	var start [1]Segment
	for p0 := 0; p0 < k; p0 += gemmDepth {
		depth := min(gemmDepth, k-p0)
		flags := 0
		if p.Add || p0 > 0 {
			flags |= tileAdd
		}
		if p.ReLU && p0+depth == k {
			flags |= tileReLU
		}
		for i := 0; i < m; i += gemmRows {
			rows := min(gemmRows, m-i)
			block := a.block(scratch, i, p0, rows, depth)
			edge := scratch[rows*depth:]
			for j := 0; j < n; j += width {
				out := window{c[i*ldc+j:], ldc, rows, min(width, n-j)}
				var bias []float32
				if p.Bias != nil {
					bias = p.Bias[j:]
				}
				var ahead []float32 // the next panel: this one came to the second-level cache with the last
				if j+width < n {
					ahead = packed[(j+width)*k+p0*width:]
				}
				l.windowPanel(out, block.Data, block.RowStride, block.ColStride, packed[j*k+p0*width:], start[:], depth, bias, flags, ahead, edge)
			}
		}
	}
}

// block returns rows from i on and columns from j on of m for a product to read: where they stand, or
// copied to dst without gaps.
func (m Matrix) block(dst []float32, i, j, rows, columns int) Matrix {
	src := m.Data[i*m.RowStride+j*m.ColStride:]
	if m.ColStride == 1 && m.RowStride <= gemmStride {
		return Matrix{src, m.RowStride, 1}
	}
	if m.ColStride == 1 {
		for r := range rows {
			copy(dst[r*columns:][:columns], src[r*m.RowStride:])
		}
		return Matrix{dst, columns, 1}
	}
	for c := range columns {
		copy(dst[c*rows:][:rows], src[c*m.ColStride:])
	}
	return Matrix{dst, 1, rows}
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
func (l Level) windowPanel(out window, a []float32, rs, cs int, b []float32, segs []Segment, k int, bias []float32, flags int, ahead, scratch []float32) {
	width := l.panelWidth()
	if out.columns == width {
		l.panel(out.c, out.ldc, out.rows, a, rs, cs, b, width, segs, k, bias, flags, ahead)
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
	l.panel(tmp, width, out.rows, a, rs, cs, b, width, segs, k, wide, flags, ahead)
	for i := range out.rows {
		copy(out.c[i*out.ldc:][:out.columns], tmp[i*width:])
	}
}
