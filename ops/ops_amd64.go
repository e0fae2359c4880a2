//go:build !noasm

package ops

// The kernels compute a multiple of 8 elements. The methods call them for chunks and return how
// many elements are done. The .s files have each loop in Go.

//go:noescape
func reluAVX2(y, x *float32, n int)

//go:noescape
func reluGradAVX2(dx, dy, x *float32, n int)

//go:noescape
func maxPoolAVX2(y, x0, x1, x2, x3 *float32, n int)

//go:noescape
func maxPoolBF16AVX2(y, x0, x1, x2, x3 *BF16, n int)

//go:noescape
func maxPoolGradAVX2(dx0, dy, x0, x1, x2, x3 *float32, n int)

//go:noescape
func dropoutAVX2(y, x *float32, keep *byte, n int, scale float32)

//go:noescape
func dropoutMaskAVX2(keep *byte, counter *[4]uint32, key *[2]uint32, n int, threshold uint32)

//go:noescape
func sgdAVX2(w, v, dw *float32, n int, c sgdCoefficients) (squares float64)

//go:noescape
func sumSquaresAVX2(x *float32, n int) (sum float64)

// whole returns how many of n elements fill whole vectors, none below AVX2.
func (l Level) whole(n int) int {
	if l < AVX2 {
		return 0
	}
	return n &^ 7
}

func (l Level) reluWide(y, x []float32) int {
	n := l.whole(len(x))
	for i := 0; i < n; i += chunkSize {
		reluAVX2(&y[i], &x[i], min(chunkSize, n-i))
	}
	return n
}

func (l Level) reluGradWide(dx, dy, x []float32) int {
	n := l.whole(len(x))
	for i := 0; i < n; i += chunkSize {
		reluGradAVX2(&dx[i], &dy[i], &x[i], min(chunkSize, n-i))
	}
	return n
}

func (l Level) maxPoolWide(y []float32, x *[4][]float32) int {
	n := l.whole(len(y))
	for i := 0; i < n; i += chunkSize {
		maxPoolAVX2(&y[i], &x[0][i], &x[1][i], &x[2][i], &x[3][i], min(chunkSize, n-i))
	}
	return n
}

// maxPoolBF16Wide computes a multiple of 16 elements.
func (l Level) maxPoolBF16Wide(y []BF16, x *[4][]BF16) int {
	n := l.whole(len(y)) &^ 15
	for i := 0; i < n; i += chunkSize {
		maxPoolBF16AVX2(&y[i], &x[0][i], &x[1][i], &x[2][i], &x[3][i], min(chunkSize, n-i))
	}
	return n
}

func (l Level) maxPoolGradWide(dx *[4][]float32, dy []float32, x *[4][]float32) int {
	n := l.whole(len(dy))
	for i := 0; i < n; i += chunkSize {
		maxPoolGradAVX2(&dx[0][i], &dy[i], &x[0][i], &x[1][i], &x[2][i], &x[3][i], min(chunkSize, n-i))
	}
	return n
}

func (l Level) dropoutWide(y, x []float32, keep []byte, scale float32) int {
	n := l.whole(len(x))
	for i := 0; i < n; i += chunkSize {
		dropoutAVX2(&y[i], &x[i], &keep[i/8], min(chunkSize, n-i), scale)
	}
	return n
}

// dropoutMaskWide computes a multiple of 4 bytes.
func (l Level) dropoutMaskWide(keep []byte, block uint32, seed uint64, layer uint32, step uint64,
	threshold uint32) int {
	if l < AVX2 {
		return 0
	}
	n := len(keep) &^ 3
	key := [2]uint32{uint32(seed), uint32(seed >> 32)}
	for i := 0; i < n; i += chunkSize / 8 {
		counter := [4]uint32{block + uint32(2*i), layer, uint32(step), uint32(step >> 32)}
		dropoutMaskAVX2(&keep[i], &counter, &key, min(chunkSize/8, n-i)/4, threshold)
	}
	return n
}

func (l Level) sgdWide(w, v, g []float32, c sgdCoefficients) (n int, squares float64) {
	n = l.whole(len(w))
	for i := 0; i < n; i += chunkSize {
		squares += sgdAVX2(&w[i], &v[i], &g[i], min(chunkSize, n-i), c)
	}
	return n, squares
}

func (l Level) sumSquaresWide(x []float32) (n int, sum float64) {
	n = l.whole(len(x))
	for i := 0; i < n; i += chunkSize {
		sum += sumSquaresAVX2(&x[i], min(chunkSize, n-i))
	}
	return n, sum
}
