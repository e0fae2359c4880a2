package ops

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// segment is one range of the sum over k in a product: the element at which it begins in a and in
// b. A convolution has one for each tap that sees the image.
type segment struct {
	a, b int
}

const (
	tileAdd  = 1 << iota // add to c; else start from the bias
	tileReLU             // epilogue: c = max(0, c)
)

// prefetch is the panel of B that the next call multiplies by. The kernel prefetches it while it
// computes. It is packed and as deep as this one. Or, if the kernel packsNext, it has row stride
// stride, and the kernel packs it too.
type prefetch struct {
	from   []float32
	stride int
	to     []float32 // nil if from is packed
}

// panelWidth returns the number of columns of a packed panel of B: the width NR of l's register
// tile.
func (l Level) panelWidth() int {
	if l == NEON || l == AVX2 {
		return 16
	}
	return 64
}

// forColumns returns the level for products of n columns: AVX2 where the 64 columns of an AVX-512
// panel would be half empty, as its microkernel is at least half as fast.
func (l Level) forColumns(n int) Level {
	if l.Float() == AVX512 && 2*AVX2.wholePanels(n) <= AVX512.wholePanels(n) {
		return AVX2
	}
	return l
}

// panel is the microkernel over a whole panel: it computes rows rows and panelWidth columns of
//
//	c = (c if flags&tileAdd, else bias, else 0) + Σ over segs of a·b
//
// with a[s.a + i*rs + p*cs] and b[s.b + p*ldb + j], p < k. One of rs and cs is 1. k and the number
// of segments are positive. bias may be nil and next empty.
func (l Level) panel(c []float32, ldc, rows int, a []float32, rs, cs int, b []float32, ldb int,
	segs []segment, k int, bias []float32, flags int, next prefetch) {
	if rows == 0 {
		return
	}
	// The kernels do not check lengths: touch the last element of each operand here.
	width := l.panelWidth()
	_ = c[(rows-1)*ldc+width-1]
	for _, s := range segs {
		_ = a[s.a+(rows-1)*rs+(k-1)*cs]
		_ = b[s.b+(k-1)*ldb+width-1]
	}
	if bias != nil {
		_ = bias[width-1]
	}
	if l == Generic {
		panelGeneric(c, ldc, rows, a, rs, cs, b, ldb, segs, k, bias, flags)
		return
	}
	l.panelTiles(c, ldc, rows, a, rs, cs, b, ldb, segs, k, bias, flags, next)
}

// panelGeneric is gonum's matrix product, a block of at most 64 rows at a time: at that size gonum
// computes in the calling goroutine and allocates nothing. It skips products with a zero of a, so a
// NaN or an infinity of b that meets only zeros is lost.
func panelGeneric(c []float32, ldc, rows int, a []float32, rs, cs int, b []float32, ldb int,
	segs []segment, k int, bias []float32, flags int) {
	width := Generic.panelWidth()
	trans, lda := blas.NoTrans, rs
	if cs != 1 || rs < k {
		trans, lda = blas.Trans, cs
	}
	for i := 0; i < rows; i += 64 {
		m := min(64, rows-i)
		if flags&tileAdd == 0 {
			for r := range m {
				row := c[(i+r)*ldc:][:width]
				clear(row)
				copy(row, bias)
			}
		}
		for _, s := range segs {
			gonum.Implementation{}.Sgemm(trans, blas.NoTrans, m, width, k,
				1, a[s.a+i*rs:], lda, b[s.b:], ldb, 1, c[i*ldc:], ldc)
		}
		if flags&tileReLU != 0 {
			for r := range m {
				row := c[(i+r)*ldc:][:width]
				for j, v := range row {
					row[j] = max(0, v)
				}
			}
		}
	}
}
