package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/philox"
	"github.com/lamina-go/lamina/tensor"
)

const (
	errRate     = "cpu: dropout rate outside [0, 1)"
	errChannels = "cpu: whole channels dropped of a matrix"
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
	if err := f.Check(); err != nil {
		return nil, err
	}
	shape.NHWC() // checks the rank
	size := shape.Size()
	a := &activation{b: b, x: shape, y: shape}
	a.forwardJobs = blocks(size, blockSize)
	a.backwardJobs = a.forwardJobs
	a.forwardTask = func(worker, job int) {
		from, to := blockRange(size, blockSize, job)
		tmp, _ := b.temporaries(worker, blockSize)
		y := a.yData.dst(tmp, from, to)
		b.level.Function(y, a.xData.load(b.level, tmp, from, to), f)
		a.yData.store(b.level, y, from)
	}
	a.backwardTask = func(worker, job int) {
		from, to := blockRange(size, blockSize, job)
		tmp, more := b.temporaries(worker, blockSize)
		dx := a.dx.dst(tmp, from, to)
		b.level.FunctionGrad(dx, a.dy.load(b.level, more, from, to), a.xData.load(b.level, tmp, from, to), f)
		a.dx.store(b.level, dx, from)
	}
	return a, b.reserveTemporaries(blockSize)
}

// Softmax makes a plan of the softmax of the channels of each pixel.
func (b *Backend) Softmax(shape tensor.Shape) (backend.Activation, error) {
	_, _, _, c := shape.NHWC()
	size := shape.Size()
	block := max(1, blockSize/c) * c // elements of a job
	a := &activation{b: b, x: shape, y: shape, forwardJobs: blocks(size, block)}
	a.backwardJobs = a.forwardJobs
	a.forwardTask = func(worker, job int) {
		from, to := blockRange(size, block, job)
		tmp, _ := b.temporaries(worker, block)
		y, x := a.yData.dst(tmp, from, to), a.xData.load(b.level, tmp, from, to)
		for i := 0; i < len(x); i += c {
			b.level.Softmax(y[i:i+c], x[i:i+c])
		}
		a.yData.store(b.level, y, from)
	}
	a.backwardTask = func(worker, job int) {
		from, to := blockRange(size, block, job)
		four, more := b.temporaries(worker, block)
		x, dy := a.xData.load(b.level, four, from, to), a.dy.load(b.level, more, from, to)
		dx, y := a.dx.dst(four, from, to), four[block:]
		for i := 0; i < len(x); i += c {
			b.level.Softmax(y[:c], x[i:i+c])
			b.level.SoftmaxGrad(dx[i:i+c], dy[i:i+c], y[:c])
		}
		a.dx.store(b.level, dx, from)
	}
	return a, b.reserveTemporaries(block)
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

// Dropout makes a plan of a dropout layer. It keeps the mask, one bit per element: of the whole
// tensor, or with Channels of one pixel.
func (b *Backend) Dropout(s backend.DropoutSpec) (backend.Activation, error) {
	if !(s.Rate >= 0 && s.Rate < 1) {
		panic(errRate)
	}
	n, h, w, c := s.Shape.NHWC()
	if s.Channels && len(s.Shape) != 4 {
		panic(errChannels)
	}
	size, pixels := n*h*w*c, 1 // of the mask, and how many use it
	if s.Channels {
		size, pixels = n*c, h*w
	}
	d := &dropout{activation{b: b, x: s.Shape, y: s.Shape}, s, size, pixels, max(1, dropoutBlock/size), make([]byte, (size+7)/8), nil}
	splits := blocks(size, dropoutBlock)
	d.maskTask = d.maskJob
	d.forwardTask = func(worker, job int) { d.apply(worker, d.yData, d.xData, job/splits, job%splits) }
	d.backwardTask = func(worker, job int) { d.apply(worker, d.dx, d.dy, job/splits, job%splits) }
	d.forwardJobs = blocks(pixels, d.jobPixels) * splits
	d.backwardJobs = d.forwardJobs
	return d, b.reserveTemporaries(dropoutBlock)
}

type dropout struct {
	activation
	spec         backend.DropoutSpec
	size, pixels int // of the mask, and how many use it
	jobPixels    int // of a job
	keep         []byte
	maskTask     func(worker, job int)
}

// Forward makes the mask and computes y.
func (d *dropout) Forward(y, x tensor.Tensor) {
	d.b.pool.run(blocks(d.size, dropoutBlock), d.maskTask)
	d.activation.Forward(y, x)
}

func (d *dropout) maskJob(_, job int) {
	from, to := blockRange(d.size, dropoutBlock, job)
	d.b.level.DropoutMask(d.keep[from/8:(to+7)/8], from, d.spec.Seed, d.spec.Layer, d.b.values.Step, philox.Threshold(d.spec.Rate))
}

// apply multiplies a range of some pixels by the mask.
func (d *dropout) apply(worker int, y, x array, pixelBlock, split int) {
	firstPixel, lastPixel := blockRange(d.pixels, d.jobPixels, pixelBlock)
	first, last := blockRange(d.size, dropoutBlock, split)
	tmp, _ := d.b.temporaries(worker, dropoutBlock)
	for pixel := firstPixel; pixel < lastPixel; pixel++ {
		from, to := pixel*d.size+first, pixel*d.size+last
		out := y.dst(tmp, from, to)
		d.b.level.Dropout(out, x.load(d.b.level, tmp, from, to), d.keep[first/8:(last+7)/8], philox.Scale(d.spec.Rate))
		y.store(d.b.level, out, from)
	}
}
