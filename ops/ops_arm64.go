//go:build !noasm

package ops

// The kernels compute a multiple of 8 elements. The methods call them for chunks and return how
// many elements are done. The .s files name the loops in Go.

//go:noescape
func reluNEON(y, x *float32, n int)

//go:noescape
func reluGradNEON(dx, dy, x *float32, n int)

//go:noescape
func maxPoolNEON(y, x0, x1, x2, x3 *float32, n int)

//go:noescape
func maxPoolGradNEON(dx0, dy, x0, x1, x2, x3 *float32, n int)

//go:noescape
func dropoutNEON(y, x *float32, keep *byte, n int, scale float32)

//go:noescape
func dropoutMaskNEON(keep *byte, counter *[4]uint32, key *[2]uint32, n int, threshold uint32)

//go:noescape
func sgdNEON(w, v, dw *float32, n int, c sgdCoefficients) (squares float64)

//go:noescape
func sumSquaresNEON(x *float32, n int) (sum float64)

// chunkSize is about how many elements of each slice one call of a kernel takes. Assembly cannot be
// preempted, and a longer call would delay the garbage collector.
const chunkSize = 1 << 16

// eachElements calls f for chunks of n elements that are whole vectors, and returns how many these
// are, none at the generic level.
func (l Level) eachElements(n int, f func(i, n int)) int {
	if l == Generic {
		return 0
	}
	n &^= 7
	for i := 0; i < n; i += chunkSize {
		f(i, min(chunkSize, n-i))
	}
	return n
}

func (l Level) reluWide(y, x []float32) int {
	return l.eachElements(len(x), func(i, n int) { reluNEON(&y[i], &x[i], n) })
}

func (l Level) reluGradWide(dx, dy, x []float32) int {
	return l.eachElements(len(x), func(i, n int) { reluGradNEON(&dx[i], &dy[i], &x[i], n) })
}

func (l Level) maxPoolWide(y []float32, x *[4][]float32) int {
	return l.eachElements(len(y), func(i, n int) {
		maxPoolNEON(&y[i], &x[0][i], &x[1][i], &x[2][i], &x[3][i], n)
	})
}

// maxPoolBF16Wide computes nothing: bf16 is computed in Go.
func (Level) maxPoolBF16Wide(_ []BF16, _ *[4][]BF16) int { return 0 }

func (l Level) maxPoolGradWide(dx *[4][]float32, dy []float32, x *[4][]float32) int {
	return l.eachElements(len(dy), func(i, n int) {
		maxPoolGradNEON(&dx[0][i], &dy[i], &x[0][i], &x[1][i], &x[2][i], &x[3][i], n)
	})
}

func (l Level) dropoutWide(y, x []float32, keep []byte, scale float32) int {
	return l.eachElements(len(x), func(i, n int) { dropoutNEON(&y[i], &x[i], &keep[i/8], n, scale) })
}

// dropoutMaskWide computes a multiple of 4 bytes.
func (l Level) dropoutMaskWide(keep []byte, block uint32, seed uint64, layer uint32, step uint64,
	threshold uint32) int {
	key := [2]uint32{uint32(seed), uint32(seed >> 32)}
	return l.eachElements(8*(len(keep)&^3), func(i, n int) {
		counter := [4]uint32{block + uint32(i/4), layer, uint32(step), uint32(step >> 32)}
		dropoutMaskNEON(&keep[i/8], &counter, &key, n/32, threshold)
	}) / 8
}

func (l Level) sgdWide(w, v, g []float32, c sgdCoefficients) (n int, squares float64) {
	n = l.eachElements(len(w), func(i, n int) { squares += sgdNEON(&w[i], &v[i], &g[i], n, c) })
	return n, squares
}

func (l Level) sumSquaresWide(x []float32) (n int, sum float64) {
	n = l.eachElements(len(x), func(i, n int) { sum += sumSquaresNEON(&x[i], n) })
	return n, sum
}
