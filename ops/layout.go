package ops

const errLength = "ops: slice has the wrong length"

// SwapAxes exchanges the first two axes of an array of blocks of n elements,
//
//	dst[j][i] = src[i][j] for i < rows and from <= j < to, of cols columns j.
//
// With N images of P pixels of C channels, SwapAxes(dst, src, N, P, C, 0, P) converts NHWC to HWNC,
// and SwapAxes(dst, src, P, N, C, 0, N) converts it back. dst and src must not overlap.
func SwapAxes[T float32 | BF16](dst, src []T, rows, cols, n, from, to int) {
	if len(src) != rows*cols*n || len(dst) != len(src) {
		panic(errLength)
	}
	for i := range rows {
		if n == 3 { // a copy of three colors takes longer than moving them
			at := (from*rows + i) * 3
			for s := src[(i*cols+from)*3 : (i*cols+to)*3]; len(s) >= 3; s = s[3:] {
				*(*[3]T)(dst[at:]) = [3]T(s)
				at += rows * 3
			}
			continue
		}
		for j := from; j < to; j++ {
			copy(dst[(j*rows+i)*n:][:n], src[(i*cols+j)*n:])
		}
	}
}
