//go:build !noasm

package ops

import "unsafe"

// normArgs are the arguments of the batch normalization kernels. x, dy and out are of float32 or of
// BF16. A kernel reads the fields that its formula has, and changes rows on its frame.
type normArgs struct {
	x                 [4]unsafe.Pointer // the blocks of a window; the first one only without a pool
	dy                unsafe.Pointer
	out               unsafe.Pointer // y, or dx: of a window its first block
	mean, scale, beta *float32
	sum, product      *float32
	a, b              *float32
	rows, cols        int
	stride            int // elements from a row to the next
	prefetch          int // distance in bytes, 0 for none
	floor             float32
}

// The kernels compute the first cols columns, a multiple of 8, of all rows.

//go:noescape
func columnSumsAVX2(p normArgs)

//go:noescape
func normalizeAVX2(p normArgs)

//go:noescape
func normSumsAVX2(p normArgs)

//go:noescape
func normGradAVX2(p normArgs)

//go:noescape
func normalizePoolAVX2(p normArgs)

//go:noescape
func normPoolSumsAVX2(p normArgs)

//go:noescape
func normPoolGradAVX2(p normArgs)

// chunkSize is about how many elements of each slice one call of a kernel takes. Assembly cannot be
// preempted, and a longer call would delay the garbage collector.
const chunkSize = 1 << 16

// eachChunk calls f for the chunks of size elements, with the element at which one begins and
// p.rows set. It returns p.cols, and does nothing if they are 0.
func (p *normArgs) eachChunk(size int, f func(i int)) int {
	if p.cols == 0 {
		return 0
	}
	chunk := max(1, chunkSize/p.stride) * p.stride
	for i := 0; i < size; i += chunk {
		p.rows = min(chunk, size-i) / p.stride
		f(i)
	}
	return p.cols
}

// wide returns how many of cols columns the kernels compute.
func (l Level) wide(cols int) int {
	if l < AVX2 {
		return 0
	}
	return cols &^ 7
}

// normArgs returns the arguments that all chunks share. Column sums have the pivot as the mean, and
// read no other parameter.
func (l Level) normArgs(n *Norm) normArgs {
	cols := len(n.Mean)
	return normArgs{
		mean: &n.Mean[0], scale: &n.Scale[0], beta: &n.Beta[0], floor: n.Floor,
		cols: l.wide(cols), stride: cols, prefetch: l.prefetchDistance(),
	}
}

// prefetchDistance is how many bytes before their use the kernels prefetch what they read. It saves
// a tenth of the time with AVX-512. At lower levels it was not measured, and they do not prefetch.
func (l Level) prefetchDistance() int {
	if l < AVX512 {
		return 0
	}
	return 2048
}

// at returns the address of element i of x.
func at[T float32 | BF16](x []T, i int) unsafe.Pointer { return unsafe.Pointer(&x[i]) }

// blocksAt returns the addresses of element i of the four blocks of a window.
func blocksAt[T float32 | BF16](x *[4][]T, i int) [4]unsafe.Pointer {
	return [4]unsafe.Pointer{at(x[0], i), at(x[1], i), at(x[2], i), at(x[3], i)}
}

// Each method calls its kernel for all chunks and returns how many columns it computed.

func (l Level) columnSumsWide(sum, squares, x, pivot []float32) int {
	p := l.normArgs(&Norm{Mean: pivot, Scale: pivot, Beta: pivot})
	p.sum, p.product = &sum[0], &squares[0]
	return p.eachChunk(len(x), func(i int) {
		p.x[0] = at(x, i)
		columnSumsAVX2(p)
	})
}

func (l Level) normalizeWide(y, x []float32, n *Norm) int {
	p := l.normArgs(n)
	return p.eachChunk(len(x), func(i int) {
		p.x[0], p.out = at(x, i), at(y, i)
		normalizeAVX2(p)
	})
}

func (l Level) normSumsWide(sum, product, dy, x []float32, n *Norm) int {
	p := l.normArgs(n)
	p.sum, p.product = &sum[0], &product[0]
	return p.eachChunk(len(x), func(i int) {
		p.x[0], p.dy = at(x, i), at(dy, i)
		normSumsAVX2(p)
	})
}

func (l Level) normGradWide(dx, dy, x []float32, n *NormGrad) int {
	p := l.normArgs(&n.Norm)
	p.a, p.b = &n.A[0], &n.B[0]
	return p.eachChunk(len(x), func(i int) {
		p.x[0], p.dy, p.out = at(x, i), at(dy, i), at(dx, i)
		normGradAVX2(p)
	})
}

func (l Level) normalizePoolWide(y []float32, x *[4][]float32, n *Norm) int {
	p := l.normArgs(n)
	return p.eachChunk(len(y), func(i int) {
		p.x, p.out = blocksAt(x, i), at(y, i)
		normalizePoolAVX2(p)
	})
}

func (l Level) normPoolSumsWide(sum, product, dy []float32, x *[4][]float32, n *Norm) int {
	p := l.normArgs(n)
	p.sum, p.product = &sum[0], &product[0]
	return p.eachChunk(len(dy), func(i int) {
		p.x, p.dy = blocksAt(x, i), at(dy, i)
		normPoolSumsAVX2(p)
	})
}

func (l Level) normPoolGradWide(dx *[4][]float32, dy []float32, x *[4][]float32, n *NormGrad) int {
	p := l.normArgs(&n.Norm)
	p.a, p.b = &n.A[0], &n.B[0]
	return p.eachChunk(len(dy), func(i int) {
		p.x, p.dy, p.out = blocksAt(x, i), at(dy, i), at(dx[0], i)
		normPoolGradAVX2(p)
	})
}
