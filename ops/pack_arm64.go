//go:build !noasm

package ops

//go:noescape
func packNEON(dst *float32, stride int, src *float32, rs, k, panels, pieces int)

// packRowsWide packs whole panels of the first rows, if 16 divides width. It returns the number of
// rows and columns that it packed.
func (l Level) packRowsWide(dst []float32, stride, width int, b []float32, rs, k, n int) (rows, columns int) {
	rows, columns = k&^3, n/width*width
	if l == Generic || rows == 0 || columns == 0 || width%16 != 0 {
		return 0, 0
	}
	_, _ = dst[(columns/width-1)*stride+rows*width-1], b[(rows-1)*rs+columns-1]
	packNEON(&dst[0], stride, &b[0], rs, rows, columns/width, width/16)
	return rows, columns
}

//go:noescape
func transposeNEON(dst *float32, ldd int, src *float32, lds, m, n int)

// transposeWide transposes whole tiles of 4 by 4. It returns the number of rows and columns that it
// transposed.
func (l Level) transposeWide(dst []float32, ldd int, src []float32, lds, m, n int) (rows, columns int) {
	rows, columns = m&^3, n&^3
	if l == Generic || rows == 0 || columns == 0 {
		return 0, 0
	}
	_, _ = dst[(columns-1)*ldd+rows-1], src[(rows-1)*lds+columns-1]
	transposeNEON(&dst[0], ldd, &src[0], lds, rows, columns)
	return rows, columns
}
