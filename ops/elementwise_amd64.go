//go:build !noasm

package ops

// The kernels compute a multiple of 8 elements: see elementwise_amd64.s.

//go:noescape
func sumAVX2(y, a, b *float32, n int)

//go:noescape
func sumReLUAVX2(y, a, b *float32, n int)

//go:noescape
func sumReLUGradAVX2(d, dy, a, b *float32, n int)

//go:noescape
func generalReLUAVX2(y, x *float32, n int, r generalReLU)

//go:noescape
func generalReLUGradAVX2(dx, dy, x *float32, n int, r generalReLU)

//go:noescape
func adamWAVX2(w, m, v, dw *float32, n int, c adamWCoefficients) (squares float64)

func (l Level) sumWide(y, a, b []float32) int {
	n := l.whole(len(y))
	for i := 0; i < n; i += chunkSize {
		sumAVX2(&y[i], &a[i], &b[i], min(chunkSize, n-i))
	}
	return n
}

func (l Level) sumReLUWide(y, a, b []float32) int {
	n := l.whole(len(y))
	for i := 0; i < n; i += chunkSize {
		sumReLUAVX2(&y[i], &a[i], &b[i], min(chunkSize, n-i))
	}
	return n
}

func (l Level) sumReLUGradWide(d, dy, a, b []float32) int {
	n := l.whole(len(d))
	for i := 0; i < n; i += chunkSize {
		sumReLUGradAVX2(&d[i], &dy[i], &a[i], &b[i], min(chunkSize, n-i))
	}
	return n
}

func (l Level) generalReLUWide(y, x []float32, r generalReLU) int {
	n := l.whole(len(x))
	for i := 0; i < n; i += chunkSize {
		generalReLUAVX2(&y[i], &x[i], min(chunkSize, n-i), r)
	}
	return n
}

func (l Level) generalReLUGradWide(dx, dy, x []float32, r generalReLU) int {
	n := l.whole(len(x))
	for i := 0; i < n; i += chunkSize {
		generalReLUGradAVX2(&dx[i], &dy[i], &x[i], min(chunkSize, n-i), r)
	}
	return n
}

func (l Level) adamWWide(w, m, v, g []float32, c adamWCoefficients) (n int, squares float64) {
	n = l.whole(len(w))
	for i := 0; i < n; i += chunkSize {
		squares += adamWAVX2(&w[i], &m[i], &v[i], &g[i], min(chunkSize, n-i), c)
	}
	return n, squares
}
