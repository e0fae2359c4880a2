package ops

import "gonum.org/v1/gonum/blas/gonum"

// Packed matrices: B as panels of panelWidth columns. A panel is k contiguous rows, so a product
// reads it sequentially. Columns beyond the matrix are zero.

// packedSize returns the number of floats of a packed matrix of k rows and n columns.
func (l Level) packedSize(k, n int) int { return l.wholePanels(n) * k }

// wholePanels returns the number of columns rounded up to whole panels.
func (l Level) wholePanels(columns int) int {
	return divUp(columns, l.panelWidth()) * l.panelWidth()
}

// packPanels packs b, of k rows and n columns with element (p, j) at p*rs + j*cs. One of the
// strides is 1. Panel i goes to dst[i*stride:].
func (l Level) packPanels(dst []float32, stride int, b []float32, rs, cs, k, n int) {
	width := l.panelWidth()
	if last := n % width; last > 0 {
		clear(dst[n/width*stride:][:k*width])
	}
	if cs == 1 {
		l.packRows(dst, stride, width, b, rs, k, n)
		return
	}
	for j := 0; j < n; j += width {
		l.transpose(dst[j/width*stride:], width, b[j*cs:], cs, min(width, n-j), k)
	}
}

// packRows is packPanels for contiguous rows of b and panels of width columns, without the zeros.
// It reads b sequentially.
func (l Level) packRows(dst []float32, stride, width int, b []float32, rs, k, n int) {
	rows, columns := l.packRowsWide(dst, stride, width, b, rs, k, n)
	for p := range k {
		j := 0
		if p < rows {
			j = columns
		}
		row := b[p*rs : p*rs+n]
		for ; j < n; j += width {
			copy(dst[j/width*stride+p*width:][:width], row[j:])
		}
	}
}

// transpose sets dst[j*ldd+i] = src[i*lds+j] for m rows i and n columns j of src.
func (l Level) transpose(dst []float32, ldd int, src []float32, lds, m, n int) {
	rows, columns := l.transposeWide(dst, ldd, src, lds, m, n)
	for i := range m {
		row := src[i*lds : i*lds+n]
		j := 0
		if i < rows {
			j = columns
		}
		for ; j < n; j++ {
			dst[j*ldd+i] = row[j]
		}
	}
}

// Add adds x to y.
func Add(y, x []float32) {
	gonum.Implementation{}.Saxpy(len(y), 1, x, 1, y, 1)
}
