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
		for j := from; j < to; j++ {
			copy(dst[(j*rows+i)*n:][:n], src[(i*cols+j)*n:])
		}
	}
}
