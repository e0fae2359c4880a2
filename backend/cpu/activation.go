package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/philox"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const (
	errRate   = "cpu: dropout rate outside [0, 1)"
	errMatrix = "cpu: want a matrix (N, C)"
)

// activation is what the plans without parameters have in common.
type activation struct {
	b                         *Backend
	x, y                      tensor.Shape
	xData, yData, dx, dy      []float32
	forwardJobs, backwardJobs int
	forwardTask, backwardTask func(worker, job int)
}

// Forward computes y.
func (a *activation) Forward(y, x tensor.Tensor) {
	a.yData, a.xData = data(y, a.y), data(x, a.x)
	a.b.pool.run(a.forwardJobs, a.forwardTask)
}

// Backward computes dx.
func (a *activation) Backward(dx, dy, x tensor.Tensor) {
	a.dx, a.dy, a.xData = data(dx, a.x), data(dy, a.y), data(x, a.x)
	a.b.pool.run(a.backwardJobs, a.backwardTask)
}

// ReLU makes a plan of max(0, x).
func (b *Backend) ReLU(shape tensor.Shape) (backend.Activation, error) {
	shape.NHWC()
	size := shape.Size()
	a := &activation{b: b, x: shape, y: shape}
	a.forwardJobs = blocks(size, blockSize)
	a.backwardJobs = a.forwardJobs
	a.forwardTask = func(_, job int) {
		from, to := part(size, blockSize, job)
		b.level.ReLU(a.yData[from:to], a.xData[from:to])
	}
	a.backwardTask = func(_, job int) {
		from, to := part(size, blockSize, job)
		b.level.ReLUGrad(a.dx[from:to], a.dy[from:to], a.xData[from:to])
	}
	return a, nil
}

// MaxPool makes a plan of a 2x2 max pool.
func (b *Backend) MaxPool(shape tensor.Shape) (backend.Activation, error) {
	n, h, w, c := shape.NHWC()
	win := newWindows(n, h, w, c, blockSize)
	a := &activation{b: b, x: shape, y: win.pooled(shape)}
	a.forwardJobs, a.backwardJobs = win.jobs, win.jobs+win.restJobs
	a.forwardTask = func(_, job int) {
		from, to, at := win.of(job)
		b.level.MaxPool(a.yData[from:to], a.xData[at:], win.Window)
	}
	a.backwardTask = func(_, job int) {
		if job < win.jobs {
			from, to, at := win.of(job)
			b.level.MaxPoolGrad(a.dx[at:], a.dy[from:to], a.xData[at:], win.Window)
			return
		}
		from, to := win.rest(job - win.jobs)
		clear(a.dx[from:to])
	}
	return a, nil
}

// Flatten makes a plan that turns HWNC to the rows of a matrix.
func (b *Backend) Flatten(shape tensor.Shape) (backend.Activation, error) {
	n, h, w, c := shape.NHWC()
	a := &activation{b: b, x: shape, y: tensor.Shape{n, h * w * c}, forwardJobs: 1, backwardJobs: 1}
	a.forwardTask = func(_, _ int) { ops.SwapAxes(a.yData, a.xData, h*w, n, c) }
	a.backwardTask = func(_, _ int) { ops.SwapAxes(a.dx, a.dy, n, h*w, c) }
	return a, nil
}

// dropoutBlock is the number of elements whose mask a job makes, a multiple of 8.
const dropoutBlock = 1 << 13

// Dropout makes a plan of a dropout layer. It keeps the mask, a bit for each element.
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
	a.forwardTask = func(_, job int) {
		from, to := part(size, dropoutBlock, job)
		mask := keep[from/8 : (to+7)/8]
		for i := range mask {
			block := uint32(from/4 + 2*i)
			low := philox.Dropout(s.Seed, s.Layer, b.values.Step, block)
			high := philox.Dropout(s.Seed, s.Layer, b.values.Step, block+1)
			mask[i] = bitsFrom(low, threshold) | bitsFrom(high, threshold)<<4
		}
		b.level.Dropout(a.yData[from:to], a.xData[from:to], mask, scale)
	}
	a.backwardTask = func(_, job int) {
		from, to := part(size, dropoutBlock, job)
		b.level.Dropout(a.dx[from:to], a.dy[from:to], keep[from/8:(to+7)/8], scale)
	}
	return a, nil
}

// bitsFrom returns in bit i whether word i is at least the threshold.
func bitsFrom(words [4]uint32, threshold uint32) (b byte) {
	for i, w := range words {
		if w >= threshold {
			b |= 1 << i
		}
	}
	return b
}
