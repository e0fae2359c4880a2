package ops

// Matrix is a matrix in a slice: element (i, j) is Data[i*RowStride + j*ColStride], and
// one of the strides is 1. The transposed matrix has them exchanged.
type Matrix struct {
	Data                 []float32
	RowStride, ColStride int
}

// Blocks of the matrix product: gemmDepth rows of B and gemmColumns of its columns are
// packed at a time; gemmRows rows of A against them stay in the second-level cache.
const (
	gemmDepth   = 512
	gemmColumns = 1024
	gemmRows    = 192
)

// Product says what c = a·b does besides.
type Product struct {
	Bias []float32 // of n elements, added to each row; nil for none
	ReLU bool      // then c = max(0, c)
}

// GemmScratch returns the number of floats that Gemm needs for its packed panels.
func (l Level) GemmScratch(m, n, k int) int {
	w := l.PanelWidth()
	return l.packedSize(min(k, gemmDepth), min(n, gemmColumns)) + (min(m, gemmRows)+1)*w
}

// Gemm computes c = a·b and what p asks for, with a of m rows and k columns, b of k rows and n
// columns, and c of m rows ldc apart. Each element is the sum over k in order, in runs of
// gemmDepth, whatever the other sizes are.
func (l Level) Gemm(c []float32, ldc int, a, b Matrix, m, n, k int, p Product, scratch []float32) {
	width := l.PanelWidth()
	packed := scratch[:l.packedSize(min(k, gemmDepth), min(n, gemmColumns))]
	rest := scratch[len(packed):]
	for j0 := 0; j0 < n; j0 += gemmColumns {
		columns := min(gemmColumns, n-j0)
		for p0 := 0; p0 < k; p0 += gemmDepth {
			depth := min(gemmDepth, k-p0)
			l.packPanels(packed, depth*width, b.Data[p0*b.RowStride+j0*b.ColStride:], b.RowStride, b.ColStride, depth, columns)
			flags := 0
			if p0 > 0 {
				flags |= tileAdd
			}
			if p.ReLU && p0+depth == k {
				flags |= tileReLU
			}
			for i0 := 0; i0 < m; i0 += gemmRows {
				rows := min(gemmRows, m-i0)
				segs := [1]Segment{{A: i0*a.RowStride + p0*a.ColStride}}
				for j := 0; j < columns; j += width {
					out := window{c[i0*ldc+j0+j:], ldc, rows, min(width, columns-j)}
					var bias []float32
					if p.Bias != nil {
						bias = p.Bias[j0+j:]
					}
					l.windowPanel(out, a.Data, a.RowStride, a.ColStride, packed[j*depth:], segs[:], depth, bias, flags, rest)
				}
			}
		}
	}
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
func (l Level) windowPanel(out window, a []float32, rs, cs int, b []float32, segs []Segment, k int, bias []float32, flags int, scratch []float32) {
	width := l.PanelWidth()
	if out.columns == width {
		l.panel(out.c, out.ldc, out.rows, a, rs, cs, b, segs, k, bias, flags)
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
	l.panel(tmp, width, out.rows, a, rs, cs, b, segs, k, wide, flags)
	for i := range out.rows {
		copy(out.c[i*out.ldc:][:out.columns], tmp[i*width:])
	}
}
