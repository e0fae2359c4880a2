package cpu

import (
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const errInputs = "cpu: inputs whose number or shapes do not fit the merge"

// add is y = Function(Σ xs). The backward pass computes the sum again.
type add struct {
	b                         *Backend
	spec                      backend.AddSpec
	size                      int
	xs                        []array
	yData, dx, dy             array
	forwardTask, backwardTask func(worker, job int)
}

// Add makes a plan of a sum.
func (b *Backend) Add(s backend.AddSpec) (backend.Merge, error) {
	if err := s.Function.Check(); err != nil {
		return nil, err
	}
	if s.Inputs < 2 {
		panic(errInputs)
	}
	s.Shape.NHWC() // checks the rank
	p := &add{b: b, spec: s, size: s.Shape.Size(), xs: make([]array, s.Inputs)}
	p.forwardTask, p.backwardTask = p.forwardJob, p.backwardJob
	return p, b.reserveTemporaries(blockSize)
}

// Forward computes y.
func (p *add) Forward(y tensor.Tensor, xs []tensor.Tensor) {
	p.yData = output(y, p.spec.Shape)
	p.read(xs)
	p.b.pool.run(blocks(p.size, blockSize), p.forwardTask)
}

// Backward computes dxs[0].
func (p *add) Backward(dxs []tensor.Tensor, dy tensor.Tensor, xs []tensor.Tensor) {
	identity := p.spec.Function.Kind == tensor.Identity
	if dxs[0] == nil || identity && dxs[0] == dy {
		return
	}
	p.dx, p.dy = output(dxs[0], p.spec.Shape), input(dy, p.spec.Shape)
	if !identity {
		p.read(xs)
	}
	p.b.pool.run(blocks(p.size, blockSize), p.backwardTask)
}

func (p *add) read(xs []tensor.Tensor) {
	if len(xs) != len(p.xs) {
		panic(errInputs)
	}
	for i, x := range xs {
		p.xs[i] = input(x, p.spec.Shape)
	}
}

// allButLast returns the sum of all inputs but the last one, and the last one. What is not float32
// itself is in tmp, of three blocks.
func (p *add) allButLast(tmp []float32, from, to int) (sum, last []float32) {
	l := p.b.level
	first, second, third := tmp[:blockSize], tmp[blockSize:2*blockSize], tmp[2*blockSize:]
	sum = p.xs[0].load(l, first, from, to)
	for _, x := range p.xs[1 : len(p.xs)-1] {
		l.Sum(second[:to-from], sum, x.load(l, third, from, to))
		sum = second[:to-from]
	}
	return sum, p.xs[len(p.xs)-1].load(l, third, from, to)
}

// inBF16 reports whether package ops has the sum in bf16.
func (p *add) inBF16() bool {
	return p.b.bf16 && len(p.xs) == 2 && (p.spec.Function.Kind == tensor.Identity || p.spec.Function.IsRectifier())
}

func (p *add) forwardJob(worker, job int) {
	from, to := blockRange(p.size, blockSize, job)
	four, _ := p.b.temporaries(worker, blockSize)
	l := p.b.level
	if p.inBF16() {
		floor := float32(0)
		if p.spec.Function.Kind == tensor.Identity {
			floor = float32(math.Inf(-1))
		}
		l.SumBF16(p.yData.bf16[from:to], p.xs[0].bf16[from:to], p.xs[1].bf16[from:to], floor, four)
		return
	}
	y := p.yData.dst(four, from, to)
	sum, last := p.allButLast(four, from, to)
	if p.spec.Function.IsRectifier() {
		l.SumReLU(y, sum, last)
	} else {
		l.Sum(y, sum, last)
		l.Function(y, y, p.spec.Function)
	}
	p.yData.store(l, y, from)
}

func (p *add) backwardJob(worker, job int) {
	from, to := blockRange(p.size, blockSize, job)
	if p.spec.Function.Kind == tensor.Identity {
		copyRange(p.dx, p.dy, from, to)
		return
	}
	four, more := p.b.temporaries(worker, blockSize)
	l := p.b.level
	if p.inBF16() {
		l.SumReLUGradBF16(p.dx.bf16[from:to], p.dy.bf16[from:to], p.xs[0].bf16[from:to], p.xs[1].bf16[from:to], four)
		return
	}
	dx, dy := p.dx.dst(four, from, to), p.dy.load(l, more, from, to)
	switch {
	case p.spec.Function.IsRectifier():
		sum, last := p.allButLast(four, from, to)
		l.SumReLUGrad(dx, dy, sum, last)
	default:
		sum, last := p.allButLast(four, from, to)
		z := four[3*blockSize:][:to-from]
		l.Sum(z, sum, last)
		l.FunctionGrad(dx, dy, z, p.spec.Function)
	}
	p.dx.store(l, dx, from)
}

// copyRange copies the elements from from to to.
func copyRange(dst, src array, from, to int) {
	copy(dst.slice(from, to).f32, src.slice(from, to).f32)
	copy(dst.slice(from, to).bf16, src.slice(from, to).bf16)
}

// concat puts the channels of its inputs one after the other.
type concat struct {
	b                         *Backend
	xShapes                   []tensor.Shape
	y                         tensor.Shape
	channels                  []int // of each input
	all                       int   // channels of y
	pixels                    int   // N·H·W
	jobPixels                 int
	xs                        []array // inputs or their gradients
	wanted                    []bool
	yData                     array
	forwardTask, backwardTask func(worker, job int)
}

// Concat makes a plan of a concatenation of channels.
func (b *Backend) Concat(s backend.ConcatSpec) (backend.Merge, error) {
	if len(s.Shapes) == 0 {
		panic(errInputs)
	}
	n, h, w, _ := s.Shapes[0].NHWC()
	p := &concat{b: b, xShapes: s.Shapes, pixels: n * h * w, xs: make([]array, len(s.Shapes)), wanted: make([]bool, len(s.Shapes))}
	p.y = append(tensor.Shape(nil), s.Shapes[0]...)
	last := len(p.y) - 1
	for _, x := range s.Shapes {
		if len(x) != len(p.y) || !x[:last].Equal(p.y[:last]) {
			panic(errInputs)
		}
		p.channels = append(p.channels, x[last])
		p.all += x[last]
	}
	p.y[last] = p.all
	p.jobPixels = max(1, blockSize/p.all)
	p.forwardTask, p.backwardTask = p.forwardJob, p.backwardJob
	return p, nil
}

// Forward computes y.
func (p *concat) Forward(y tensor.Tensor, xs []tensor.Tensor) {
	if len(xs) != len(p.xs) {
		panic(errInputs)
	}
	p.yData = output(y, p.y)
	for i, x := range xs {
		p.xs[i] = input(x, p.xShapes[i])
	}
	p.b.pool.run(blocks(p.pixels, p.jobPixels), p.forwardTask)
}

// Backward computes the gradients that are wanted.
func (p *concat) Backward(dxs []tensor.Tensor, dy tensor.Tensor, _ []tensor.Tensor) {
	if len(dxs) != len(p.xs) {
		panic(errInputs)
	}
	p.yData = input(dy, p.y)
	for i, dx := range dxs {
		if p.wanted[i] = dx != nil; p.wanted[i] {
			p.xs[i] = output(dx, p.xShapes[i])
		}
	}
	p.b.pool.run(blocks(p.pixels, p.jobPixels), p.backwardTask)
}

func (p *concat) forwardJob(_, job int) {
	from, to := blockRange(p.pixels, p.jobPixels, job)
	column := 0
	for i, c := range p.channels {
		copyRows(p.yData, p.all, column, p.xs[i], c, 0, c, from, to)
		column += c
	}
}

func (p *concat) backwardJob(_, job int) {
	from, to := blockRange(p.pixels, p.jobPixels, job)
	column := 0
	for i, c := range p.channels {
		if p.wanted[i] {
			copyRows(p.xs[i], c, 0, p.yData, p.all, column, c, from, to)
		}
		column += c
	}
}

// copyRows copies n columns of the rows from from to to, from column srcColumn on of a matrix of
// srcColumns to column dstColumn of one of dstColumns.
func copyRows(dst array, dstColumns, dstColumn int, src array, srcColumns, srcColumn, n, from, to int) {
	if dst.bf16 == nil {
		copyColumns(dst.f32, dstColumns, dstColumn, src.f32, srcColumns, srcColumn, n, from, to)
	} else {
		copyColumns(dst.bf16, dstColumns, dstColumn, src.bf16, srcColumns, srcColumn, n, from, to)
	}
}

func copyColumns[T ops.Element](dst []T, dstColumns, dstColumn int, src []T, srcColumns, srcColumn, n, from, to int) {
	for row := from; row < to; row++ {
		copy(dst[row*dstColumns+dstColumn:][:n], src[row*srcColumns+srcColumn:])
	}
}
