//go:build !noasm

package ops

// normArgs are the arguments of the batch normalization kernels. A kernel reads the fields that its
// formula has.
type normArgs struct {
	x                 [4]*float32 // the blocks of a window; the first one only without a pool
	dy                *float32
	out               *float32 // y, or dx: of a window its first block
	mean, scale, beta *float32
	sum, product      *float32 // or a, b
	rows, cols        int
	stride            int // elements from a row to the next
	floor             float32
}

// The kernels compute the first cols columns, a multiple of 8, of all rows.

//go:noescape
func columnSumsNEON(p *normArgs)

//go:noescape
func normalizeNEON(p *normArgs)

//go:noescape
func normSumsNEON(p *normArgs)

//go:noescape
func normGradNEON(p *normArgs)

//go:noescape
func normalizePoolNEON(p *normArgs)

//go:noescape
func normPoolSumsNEON(p *normArgs)

//go:noescape
func normPoolGradNEON(p *normArgs)

// normArgs returns the arguments that all chunks share. Column sums have the pivot as the mean, and
// read no other parameter.
func (l Level) normArgs(n *Norm) normArgs {
	p := normArgs{
		mean: &n.Mean[0], scale: &n.Scale[0], beta: &n.Beta[0], floor: n.Floor, stride: len(n.Mean),
	}
	if l != Generic {
		p.cols = p.stride &^ 7
	}
	return p
}

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

// blocksAt returns the addresses of element i of the four blocks of a window.
func blocksAt(x *[4][]float32, i int) [4]*float32 {
	return [4]*float32{&x[0][i], &x[1][i], &x[2][i], &x[3][i]}
}

// Each method calls its kernel for all chunks and returns how many columns it computed.

func (l Level) columnSumsWide(sum, squares, x, pivot []float32) int {
	p := l.normArgs(&Norm{Mean: pivot, Scale: pivot, Beta: pivot})
	p.sum, p.product = &sum[0], &squares[0]
	return p.eachChunk(len(x), func(i int) {
		p.x[0] = &x[i]
		columnSumsNEON(&p)
	})
}

func (l Level) normalizeWide(y, x []float32, n *Norm) int {
	p := l.normArgs(n)
	return p.eachChunk(len(x), func(i int) {
		p.x[0], p.out = &x[i], &y[i]
		normalizeNEON(&p)
	})
}

func (l Level) normSumsWide(sum, product, dy, x []float32, n *Norm) int {
	p := l.normArgs(n)
	p.sum, p.product = &sum[0], &product[0]
	return p.eachChunk(len(x), func(i int) {
		p.x[0], p.dy = &x[i], &dy[i]
		normSumsNEON(&p)
	})
}

func (l Level) normGradWide(dx, dy, x []float32, n *NormGrad) int {
	p := l.normArgs(&n.Norm)
	p.sum, p.product = &n.A[0], &n.B[0]
	return p.eachChunk(len(x), func(i int) {
		p.x[0], p.dy, p.out = &x[i], &dy[i], &dx[i]
		normGradNEON(&p)
	})
}

func (l Level) normalizePoolWide(y []float32, x *[4][]float32, n *Norm) int {
	p := l.normArgs(n)
	return p.eachChunk(len(y), func(i int) {
		p.x, p.out = blocksAt(x, i), &y[i]
		normalizePoolNEON(&p)
	})
}

func (l Level) normPoolSumsWide(sum, product, dy []float32, x *[4][]float32, n *Norm) int {
	p := l.normArgs(n)
	p.sum, p.product = &sum[0], &product[0]
	return p.eachChunk(len(dy), func(i int) {
		p.x, p.dy = blocksAt(x, i), &dy[i]
		normPoolSumsNEON(&p)
	})
}

func (l Level) normPoolGradWide(dx *[4][]float32, dy []float32, x *[4][]float32, n *NormGrad) int {
	p := l.normArgs(&n.Norm)
	p.sum, p.product = &n.A[0], &n.B[0]
	return p.eachChunk(len(dy), func(i int) {
		p.x, p.dy, p.out = blocksAt(x, i), &dy[i], &dx[0][i]
		normPoolGradNEON(&p)
	})
}
