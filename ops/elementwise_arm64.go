//go:build !noasm

package ops

// The kernels compute a multiple of 8 elements: see elementwise_arm64.s.

//go:noescape
func sumNEON(y, a, b *float32, n int)

//go:noescape
func sumReLUNEON(y, a, b *float32, n int)

//go:noescape
func sumReLUGradNEON(d, dy, a, b *float32, n int)

//go:noescape
func generalReLUNEON(y, x *float32, n int, r generalReLU)

//go:noescape
func generalReLUGradNEON(dx, dy, x *float32, n int, r generalReLU)

//go:noescape
func adamWNEON(w, m, v, dw *float32, n int, c adamWCoefficients) (squares float64)

func (l Level) sumWide(y, a, b []float32) int {
	return l.eachElements(len(y), func(i, n int) { sumNEON(&y[i], &a[i], &b[i], n) })
}

func (l Level) sumReLUWide(y, a, b []float32) int {
	return l.eachElements(len(y), func(i, n int) { sumReLUNEON(&y[i], &a[i], &b[i], n) })
}

func (l Level) sumReLUGradWide(d, dy, a, b []float32) int {
	return l.eachElements(len(d), func(i, n int) { sumReLUGradNEON(&d[i], &dy[i], &a[i], &b[i], n) })
}

func (l Level) generalReLUWide(y, x []float32, r generalReLU) int {
	return l.eachElements(len(x), func(i, n int) { generalReLUNEON(&y[i], &x[i], n, r) })
}

func (l Level) generalReLUGradWide(dx, dy, x []float32, r generalReLU) int {
	return l.eachElements(len(x), func(i, n int) { generalReLUGradNEON(&dx[i], &dy[i], &x[i], n, r) })
}

func (l Level) adamWWide(w, m, v, g []float32, c adamWCoefficients) (n int, squares float64) {
	n = l.eachElements(len(w), func(i, n int) { squares += adamWNEON(&w[i], &m[i], &v[i], &g[i], n, c) })
	return n, squares
}
