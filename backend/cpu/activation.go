package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/philox"
	"github.com/lamina-go/lamina/tensor"
)

const (
	errRate   = "cpu: dropout rate outside [0, 1)"
	errMatrix = "cpu: shape is not a matrix (N, C)"
)

// activation is common to the plans without parameters.
type activation struct {
	b                         *Backend
	x, y                      tensor.Shape
	xData, yData, dx, dy      array
	forwardJobs, backwardJobs int
	forwardTask, backwardTask func(worker, job int)
}

// Forward computes y.
func (a *activation) Forward(y, x tensor.Tensor) {
	a.yData, a.xData = output(y, a.y), input(x, a.x)
	a.b.pool.run(a.forwardJobs, a.forwardTask)
}

// Backward computes dx.
func (a *activation) Backward(dx, dy, x tensor.Tensor) {
	a.dx, a.dy, a.xData = output(dx, a.x), input(dy, a.y), input(x, a.x)
	a.b.pool.run(a.backwardJobs, a.backwardTask)
}

// Function makes a plan of an activation function.
func (b *Backend) Function(shape tensor.Shape, f tensor.Function) (backend.Activation, error) {
	if !f.IsRectifier() {
		return nil, errUnsupported
	}
	shape.NHWC()
	size := shape.Size()
	a := &activation{b: b, x: shape, y: shape}
	a.forwardJobs = blocks(size, blockSize)
	a.backwardJobs = a.forwardJobs
	a.forwardTask = func(worker, job int) {
		from, to := blockRange(size, blockSize, job)
		tmp, _ := b.temporaries(worker, blockSize)
		y := a.yData.dst(tmp, from, to)
		b.level.ReLU(y, a.xData.load(b.level, tmp, from, to))
		a.yData.store(b.level, y, from)
	}
	a.backwardTask = func(worker, job int) {
		from, to := blockRange(size, blockSize, job)
		tmp, more := b.temporaries(worker, blockSize)
		dx := a.dx.dst(tmp, from, to)
		b.level.ReLUGrad(dx, a.dy.load(b.level, more, from, to), a.xData.load(b.level, tmp, from, to))
		a.dx.store(b.level, dx, from)
	}
	return a, b.reserveTemporaries(blockSize)
}

// Flatten makes a plan that transposes HWNC to the rows of a matrix.
func (b *Backend) Flatten(shape tensor.Shape) (backend.Activation, error) {
	n, h, w, c := shape.NHWC()
	a := &activation{b: b, x: shape, y: tensor.Shape{n, h * w * c}, forwardJobs: 1, backwardJobs: 1}
	a.forwardTask = func(_, _ int) { swapAxes(a.yData, a.xData, h*w, n, c) }
	a.backwardTask = func(_, _ int) { swapAxes(a.dx, a.dy, n, h*w, c) }
	return a, nil
}

// dropoutBlock is the number of elements whose mask a job computes, a multiple of 8.
const dropoutBlock = 1 << 13

// Dropout makes a plan of a dropout layer. It keeps the mask, one bit per element.
func (b *Backend) Dropout(s backend.DropoutSpec) (backend.Activation, error) {
	if !(s.Rate >= 0 && s.Rate < 1) {
		panic(errRate)
	}
	n, h, w, c := s.Shape.NHWC()
	if h != 1 || w != 1 {
		panic(errMatrix)
	}
	size := n * c
	keep := make([]byte, (size+7)/8)
	threshold, scale := philox.Threshold(s.Rate), philox.Scale(s.Rate)
	a := &activation{b: b, x: s.Shape, y: s.Shape}
	a.forwardJobs = blocks(size, dropoutBlock)
	a.backwardJobs = a.forwardJobs
	apply := func(worker int, y, x array, from, to int) {
		tmp, _ := b.temporaries(worker, dropoutBlock)
		out := y.dst(tmp, from, to)
		b.level.Dropout(out, x.load(b.level, tmp, from, to), keep[from/8:(to+7)/8], scale)
		y.store(b.level, out, from)
	}
	a.forwardTask = func(worker, job int) {
		from, to := blockRange(size, dropoutBlock, job)
		b.level.DropoutMask(keep[from/8:(to+7)/8], from, s.Seed, s.Layer, b.values.Step, threshold)
		apply(worker, a.yData, a.xData, from, to)
	}
	a.backwardTask = func(worker, job int) {
		from, to := blockRange(size, dropoutBlock, job)
		apply(worker, a.dx, a.dy, from, to)
	}
	return a, b.reserveTemporaries(dropoutBlock)
}
