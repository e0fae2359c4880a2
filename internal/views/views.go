// Package views moves and mirrors images.
package views

// Translate sets dst, an image of shape (h, w, c) like src, to
//
//	dst[y, x] = src[y+ty, x+tx]
//
// where pixels outside of src are those that a mirror at the border shows: row −1 is row 1. Shifts
// are shorter than the image. Then flip mirrors dst left to right.
func Translate(dst, src []float32, h, w, c, tx, ty int, flip bool) {
	for y := range h {
		row, from := dst[y*w*c:][:w*c], src[reflect(y+ty, h)*w*c:][:w*c]
		inside, end := max(0, -tx), min(w, w-tx)
		copy(row[inside*c:end*c], from[(inside+tx)*c:])
		for x := range inside {
			copy(row[x*c:][:c], from[reflect(x+tx, w)*c:])
		}
		for x := end; x < w; x++ {
			copy(row[x*c:][:c], from[reflect(x+tx, w)*c:])
		}
		if flip {
			Mirror(row, c)
		}
	}
}

// reflect returns the index from 0 to n − 1 that a mirror at the border shows at i.
func reflect(i, n int) int {
	if i < 0 {
		i = -i
	}
	if i >= n {
		i = 2*(n-1) - i
	}
	return i
}

// Mirror reverses a row of pixels of c channels.
func Mirror(row []float32, c int) {
	for i, j := 0, len(row)-c; i < j; i, j = i+c, j-c {
		for k := range c {
			row[i+k], row[j+k] = row[j+k], row[i+k]
		}
	}
}
