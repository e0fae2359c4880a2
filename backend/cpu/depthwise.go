package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// depthwiseBlock is about how many elements of the result a job computes.
const depthwiseBlock = 1 << 13

// depthwiseColumns is how many channels of the kernel's gradient a job computes.
const depthwiseColumns = 64

// depthwise convolves each channel by itself. With a multiplier each channel of x is repeated first,
// so kernels see as many channels in x as in y.
type depthwise struct {
	b                  *Backend
	spec               backend.DepthwiseSpec
	x, y, w, bias      tensor.Shape
	channels           int // of y
	forward, backward  *windowTaps
	yJobs, xJobs       pixelJobs
	xFloats, dyFloats  *floatCopy
	biasGradient       biasGradient
	partialRows        int // rows of y that a partial gradient of the kernel sums
	partials, columns  int // partial gradients, and column blocks of each
	result             array
	xData, dyData      []float32
	wData, biasData    []float32
	dw, partial        []float32
	forwardTask        func(worker, job int)
	inputTask, sumTask func(worker, job int)
	addTask            func(worker, job int)
}

// DepthwiseConv2D makes a plan of a depthwise convolution.
func (b *Backend) DepthwiseConv2D(s backend.DepthwiseSpec) (backend.Conv2D, error) {
	s.Window.Check(s.H, s.W)
	h, w := s.Window.Output(s.H, s.W)
	channels := s.C * s.Multiplier
	p := &depthwise{b: b, spec: s, channels: channels,
		x: tensor.Shape{s.N, s.H, s.W, s.C}, y: tensor.Shape{s.N, h, w, channels},
		w: tensor.Shape{s.Window.Height, s.Window.Width, s.C, s.Multiplier}, bias: tensor.Shape{channels}}
	p.forwardTask, p.inputTask, p.sumTask, p.addTask = p.forwardJob, p.inputJob, p.sumJob, p.addJob
	p.forward, p.backward = newWindowTaps(b, s.H, s.W, s.Window)
	p.yJobs = newPixelJobs(h*w, s.N*channels, channels, depthwiseBlock)
	p.xJobs = newPixelJobs(s.H*s.W, s.N*channels, channels, depthwiseBlock)
	var err error
	if p.xFloats, err = newFloatCopy(b, s.Multiplier); err != nil {
		return nil, err
	}
	if p.dyFloats, err = newFloatCopy(b, 1); err != nil {
		return nil, err
	}
	x := p.xFloats.size(p.x.Size())
	if err := b.reserve(p.yJobs.part); err != nil {
		return nil, err
	}
	if err := b.reserveCommon(x); err != nil || s.Inference {
		return p, err
	}
	if err := b.reserve(2 * p.xJobs.part); err != nil {
		return nil, err
	}
	// The rows of a partial gradient depend on the shape only, and so do the sums.
	p.partialRows = blocks(h, 32)
	p.partials = blocks(h, p.partialRows)
	p.columns = blocks(channels, depthwiseColumns)
	if err := b.reserveCommon(x + p.dyFloats.size(p.y.Size()) + p.partials*p.w.Size()); err != nil {
		return nil, err
	}
	return p, p.biasGradient.init(b, s.N*h*w, channels)
}

// Forward computes y.
func (p *depthwise) Forward(y, x, w, b tensor.Tensor) {
	p.result, p.wData, p.biasData = output(y, p.y), data(w, p.w), nil
	if b != nil {
		p.biasData = data(b, p.bias)
	}
	p.xData, _ = p.xFloats.of(input(x, p.x), p.b.common.of(0))
	p.b.pool.run(p.yJobs.jobs, p.forwardTask)
}

func (p *depthwise) forwardJob(worker, job int) {
	l, size := p.b.level, p.yJobs.size
	first, end, from, to := p.yJobs.of(job)
	for pixel := first; pixel < end; pixel++ {
		y := p.result.dst(p.b.scratch(worker), pixel*size+from, pixel*size+to)
		l.Depthwise(y, p.xData, p.wData, p.forward.of(worker, pixel, size, from, p.channels), p.biasData, p.block(to-from))
		if p.spec.Function != (tensor.Function{}) {
			l.Function(y, y, p.spec.Function)
		}
		p.result.store(l, y, pixel*size+from)
	}
}

// block returns the block of some elements of a pixel.
func (p *depthwise) block(elements int) ops.Block {
	return ops.Block{Rows: elements / p.channels, Columns: p.channels, Stride: p.channels}
}

// BackwardData computes dx.
func (p *depthwise) BackwardData(dx, dy, w tensor.Tensor) {
	p.result, p.wData = output(dx, p.x), data(w, p.w)
	p.dyData, _ = p.dyFloats.of(input(dy, p.y), p.b.common.of(0))
	p.b.pool.run(p.xJobs.jobs, p.inputTask)
}

func (p *depthwise) inputJob(worker, job int) {
	l, size, m := p.b.level, p.xJobs.size, p.spec.Multiplier
	first, end, from, to := p.xJobs.of(job)
	scratch := p.b.scratch(worker)
	for pixel := first; pixel < end; pixel++ {
		at := (pixel*size + from) / m
		dx := p.result.dst(scratch, at, at+(to-from)/m)
		repeated := dx
		if m > 1 {
			repeated = scratch[p.xJobs.part:][:to-from]
		}
		l.Depthwise(repeated, p.dyData, p.wData, p.backward.of(worker, pixel, size, from, p.channels), nil, p.block(to-from))
		if m > 1 {
			for i := range dx {
				dx[i] = 0
				for _, v := range repeated[i*m:][:m] {
					dx[i] += v
				}
			}
		}
		p.result.store(l, dx, at)
	}
}

// BackwardFilter computes dw, and db unless that is nil.
func (p *depthwise) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	p.dw = output(dw, p.w).f32
	memory := p.b.common.of(0)
	p.xData, memory = p.xFloats.of(input(x, p.x), memory)
	p.dyData, memory = p.dyFloats.of(input(dy, p.y), memory)
	p.partial = memory[:p.partials*len(p.dw)]
	p.b.pool.run(p.partials*p.columns, p.sumTask)
	p.b.pool.run(blocks(len(p.dw), blockSize), p.addTask)
	if db != nil {
		p.biasGradient.run(output(db, p.bias).f32, input(dy, p.y), p.spec.BatchNorm)
	}
}

// sumJob sums some rows of y for some channels.
func (p *depthwise) sumJob(worker, job int) {
	partial := p.partial[job/p.columns*len(p.dw):][:len(p.dw)]
	from, to := blockRange(p.channels, depthwiseColumns, job%p.columns)
	for tap := range p.spec.Window.Taps() {
		clear(partial[tap*p.channels:][from:to])
	}
	block := ops.Block{Rows: p.spec.N, Columns: to - from, Stride: p.channels}
	size, width := p.yJobs.size, p.y[2]
	h0, h1 := blockRange(p.y[1], p.partialRows, job/p.columns)
	for pixel := h0 * width; pixel < h1*width; pixel++ {
		taps := p.forward.of(worker, pixel, size, from, p.channels)
		p.b.level.DepthwiseGrad(partial[from:], p.dyData[pixel*size+from:], p.xData, taps, block)
	}
}

// addJob adds the partial gradients in their order.
func (p *depthwise) addJob(_, job int) {
	from, to := blockRange(len(p.dw), blockSize, job)
	dw := p.dw[from:to]
	clear(dw)
	for i := range p.partials {
		ops.Add(dw, p.partial[i*len(p.dw):][from:to])
	}
}
