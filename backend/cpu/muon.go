package cpu

import (
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const errMuon = "cpu: a kernel or a range of Muon lies outside the parameters, or has no such rate"

// muon updates kernels by Muon, one after the other, and other parameters by SGD. Products are
// those of a dense layer in float32, whatever the precision of the activations.
type muon struct {
	b       *Backend
	spec    backend.MuonSpec
	w, v, g []float32
	ranges  []backend.MuonRange // blocks of spec.Others
	kernels []*muonKernel
	sgdTask func(worker, job int)
}

// muonKernel is a kernel of a MuonSpec. It is a matrix X of rows and columns; n is the smaller of
// both. The memory for X, the next X and two n x n matrices is common to all kernels.
type muonKernel struct {
	o                          *muon
	from, size, n              int
	tall                       bool
	norm                       float64 // of w after scaling
	x, next, gram, poly        []float32
	gramOf                     func()         // gram = XᵀX, or XXᵀ of a wide X
	square, product            *pass[float32] // poly = gram·gram; next = X·poly, or poly·X
	squares                    []blockSquares // of each block of the kernel
	scaleX, scaleW             float32        // factors
	beginTask, scaleTask       func(_, job int)
	polynomialTask, finishTask func(_, job int)
}

// blockSquares are sums over a block.
type blockSquares struct{ u, w float64 }

// Muon makes a plan of Muon.
func (b *Backend) Muon(s backend.MuonSpec) (backend.Optimizer, error) {
	o := &muon{b: b, spec: s}
	o.sgdTask = o.sgdJob
	for _, r := range s.Others {
		if r.Offset < 0 || r.Size < 0 || r.Size > s.Size-r.Offset || r.Rate < 0 || r.Rate >= backend.MaxRates {
			panic(errMuon)
		}
		for i := range blocks(r.Size, blockSize) {
			from, to := blockRange(r.Size, blockSize, i)
			o.ranges = append(o.ranges, backend.MuonRange{Offset: r.Offset + from, Size: to - from, Rate: r.Rate, Decay: r.Decay})
		}
	}
	size, square := 0, 0
	for _, k := range s.Kernels {
		if k.Offset < 0 || min(k.Rows, k.Columns) < 1 || k.Rows*k.Columns > s.Size-k.Offset {
			panic(errMuon)
		}
		size = max(size, k.Rows*k.Columns)
		square = max(square, min(k.Rows, k.Columns))
	}
	memory, err := b.floats(2*size + 2*square*square)
	if err != nil {
		return nil, err
	}
	for _, k := range s.Kernels {
		made, err := newMuonKernel(o, k, memory[:size], memory[size:2*size], memory[2*size:][:square*square], memory[2*size+square*square:])
		if err != nil {
			return nil, err
		}
		o.kernels = append(o.kernels, made)
	}
	return o, nil
}

func newMuonKernel(o *muon, s backend.MuonKernel, x, next, gram, poly []float32) (k *muonKernel, err error) {
	b, n := o.b, min(s.Rows, s.Columns)
	k = &muonKernel{o: o, from: s.Offset, size: s.Rows * s.Columns, n: n, tall: s.Rows >= s.Columns, norm: math.Sqrt(float64(s.Columns))}
	k.x, k.next, k.gram, k.poly = x[:k.size], next[:k.size], gram[:n*n], poly[:n*n]
	k.squares = make([]blockSquares, blocks(k.size, blockSize))
	k.beginTask, k.scaleTask, k.polynomialTask, k.finishTask = k.beginJob, k.scaleJob, k.polynomialJob, k.finishJob
	shape := func(rows, in, out int) ops.DenseShape { return ops.DenseShape{N: rows, In: in, Out: out, To: in} }
	forward := func(s ops.DenseShape) (*pass[float32], error) {
		return newPass(b, ops.Dense.Forward(b.level, s, b.pool.workers), false)
	}
	if k.square, err = forward(shape(n, n, n)); err != nil {
		return nil, err
	}
	if k.tall {
		g, err := newGradient(b, ops.Dense.KernelGradient(b.level, shape(s.Rows, n, n), b.pool.workers), n*n)
		if err != nil {
			return nil, err
		}
		k.gramOf = func() { g.run(k.gram, array{f32: k.x}, array{f32: k.x}) }
		k.product, err = forward(shape(s.Rows, n, n))
		return k, err
	}
	p, err := newPass(b, ops.Dense.InputGradient(b.level, shape(n, n, s.Columns), b.pool.workers), false)
	if err != nil {
		return nil, err
	}
	k.gramOf = func() { p.run(array{f32: k.gram}, array{f32: k.x}, array{f32: k.x}, ops.Epilogue{}) }
	k.product, err = forward(shape(n, n, s.Columns))
	return k, err
}

// Step updates w and its state.
func (o *muon) Step(w tensor.Tensor, state []tensor.Tensor, g tensor.Tensor) {
	size := tensor.Shape{o.spec.Size}
	o.w, o.v, o.g = data(w, size), data(state[0], size), data(g, size)
	own(w).changed()
	o.b.pool.run(len(o.ranges), o.sgdTask)
	for _, k := range o.kernels {
		k.step()
	}
}

// Penalty does nothing: there is none.
func (*muon) Penalty(tensor.Tensor) {}

func (o *muon) sgdJob(_, job int) {
	r := &o.ranges[job]
	from, to := r.Offset, r.Offset+r.Size
	o.b.level.SGD(o.w[from:to], o.v[from:to], o.g[from:to],
		ops.SGD{LearningRate: o.b.values.Rates[r.Rate], Momentum: o.spec.SGD, Lambda: r.Decay / 2, Nesterov: true})
}

func (k *muonKernel) step() {
	pool := k.o.b.pool
	pool.run(len(k.squares), k.beginTask)
	var sum blockSquares
	for _, s := range k.squares {
		sum.u += s.u
		sum.w += s.w
	}
	k.scaleX, k.scaleW = float32(1/(math.Sqrt(sum.u)+backend.MuonEpsilon)), 1
	if sum.w > 0 {
		k.scaleW = float32(k.norm / math.Sqrt(sum.w))
	}
	pool.run(len(k.squares), k.scaleTask)
	for range k.o.spec.Iterations {
		k.gramOf()
		k.square.run(array{f32: k.poly}, array{f32: k.gram}, array{f32: k.gram}, ops.Epilogue{})
		pool.run(blocks(k.n*k.n, blockSize), k.polynomialTask)
		x, poly := array{f32: k.x}, array{f32: k.poly}
		if !k.tall {
			x, poly = poly, x
		}
		k.product.run(array{f32: k.next}, x, poly, ops.Epilogue{})
		k.x, k.next = k.next, k.x
	}
	pool.run(len(k.squares), k.finishTask)
}

// block returns where a block of the kernel begins and ends.
func (k *muonKernel) block(job int) (from, to int) { return blockRange(k.size, blockSize, job) }

// beginJob sets X, not yet divided by its norm. From a w of 0, SGD of rate −1 makes v = m·v + g and
// w = m·v + g.
func (k *muonKernel) beginJob(_, job int) {
	o := k.o
	from, to := k.block(job)
	x, w, v, g := k.x[from:to], o.w[k.from:][from:to], o.v[k.from:][from:to], o.g[k.from:][from:to]
	clear(x)
	o.b.level.SGD(x, v, g, ops.SGD{LearningRate: -1, Momentum: o.spec.Momentum, Nesterov: true})
	k.squares[job] = blockSquares{o.b.level.SumSquares(x), o.b.level.SumSquares(w)}
}

func (k *muonKernel) scaleJob(_, job int) {
	from, to := k.block(job)
	x := k.x[from:to]
	for i := range x {
		x[i] *= k.scaleX
	}
}

// polynomialJob computes a + b·gram + c·gram² from gram².
func (k *muonKernel) polynomialJob(_, job int) {
	a, b, c := backend.MuonPolynomial[0], backend.MuonPolynomial[1], backend.MuonPolynomial[2]
	from, to := blockRange(k.n*k.n, blockSize, job)
	gram, poly := k.gram[from:to], k.poly[from:to]
	for i := range poly {
		poly[i] = float32(b*gram[i]) + float32(c*poly[i])
	}
	for i := (from + k.n) / (k.n + 1) * (k.n + 1); i < to; i += k.n + 1 { // the diagonal
		k.poly[i] += a
	}
}

func (k *muonKernel) finishJob(_, job int) {
	from, to := k.block(job)
	w, x, rate := k.o.w[k.from:][from:to], k.x[from:to], k.o.b.values.LearningRate
	for i := range w {
		w[i] = float32(w[i]*k.scaleW) - float32(rate*x[i])
	}
}
