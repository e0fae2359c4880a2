package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// depthwiseBlock returns about how many elements of a result of some pixels a job computes: less of
// small images, all of whose pixels then stay in the cache.
func depthwiseBlock(pixels int) int {
	if pixels <= 64 {
		return 1 << 11
	}
	return 1 << 13
}

// depthwiseColumns is how many channels of the kernel's gradient a job computes.
const depthwiseColumns = 64

// depthwiseRows is about how many rows of a block the gradient of the kernel sums at a time.
const depthwiseRows = 512

// depthwiseMost is how many channels a row of several images may have: with more channels the rest
// that fills no vector takes little of the time, and partial gradients would be large.
const depthwiseMost = 2048

// depthwise convolves each channel by itself. With a multiplier each channel of x is repeated
// first, so kernels see as many channels in x as in y. Where the channels do not fill vectors, a
// row of the kernels' blocks is several images, and the weights are repeated for each.
type depthwise struct {
	b                 *Backend
	spec              backend.DepthwiseSpec
	x, y, w, bias     tensor.Shape
	channels          int // of y
	images            int // of a row
	columns           int // of a row: images·channels
	forward, backward *windowTaps
	yJobs, xJobs      pixelJobs
	xFloats, dyFloats *floatCopy // with a multiplier
	biasGradient      biasGradient
	partialRows       int // rows of y that a partial gradient of the kernel sums
	partials          int // partial gradients
	columnBlocks      int // of each

	result                                   array
	xData, dyData                            array
	wData, biasData                          []float32 // repeated
	dw, partial                              []float32
	forwardTask, inputTask, sumTask, addTask func(worker, job int)
}

// DepthwiseConv2D makes a plan of a depthwise convolution.
func (b *Backend) DepthwiseConv2D(s backend.DepthwiseSpec) (backend.Conv2D, error) {
	s.Window.Check(s.H, s.W)
	h, w := s.Window.Output(s.H, s.W)
	channels := s.C * s.Multiplier
	p := &depthwise{b: b, spec: s, channels: channels, images: 1,
		x: tensor.Shape{s.N, s.H, s.W, s.C}, y: tensor.Shape{s.N, h, w, channels},
		w: tensor.Shape{s.Window.Height, s.Window.Width, s.C, s.Multiplier}, bias: tensor.Shape{channels}}
	for channels*p.images%ops.Lanes != 0 {
		p.images *= 2
	}
	if p.images > s.N*w || channels*p.images > depthwiseMost {
		p.images = 1
	}
	p.columns = p.images * channels
	p.forwardTask, p.inputTask, p.sumTask, p.addTask = p.forwardJob, p.inputJob, p.sumJob, p.addJob
	p.forward, p.backward = newWindowTaps(b, s.H, s.W, s.Window)
	p.yJobs = newPixelJobs(h*w, s.N*channels, p.columns, depthwiseBlock(h*w))
	p.xJobs = newPixelJobs(s.H*s.W, s.N*channels, p.columns, depthwiseBlock(s.H*s.W))
	if s.Multiplier > 1 {
		var err error
		if p.xFloats, err = newFloatCopy(b, s.Multiplier); err != nil {
			return nil, err
		}
		if p.dyFloats, err = newFloatCopy(b, 1); err != nil {
			return nil, err
		}
	}
	x, weights := p.xFloats.size(p.x.Size()), (s.Window.Taps()+1)*p.columns
	if err := b.reserve(p.yJobs.most()); err != nil {
		return nil, err
	}
	if err := b.reserveCommon(x + weights); err != nil || s.Inference {
		return p, err
	}
	if err := b.reserve(2 * p.xJobs.most()); err != nil {
		return nil, err
	}
	// The rows of a partial gradient depend on the shape only, and so do the sums.
	p.partialRows = blocks(h, 32)
	p.partials = blocks(h, p.partialRows)
	p.columnBlocks = blocks(p.columns, depthwiseColumns)
	if err := b.reserveCommon(x + p.dyFloats.size(p.y.Size()) + p.partials*weights); err != nil {
		return nil, err
	}
	return p, p.biasGradient.init(b, s.N*h*w, channels)
}

// repeat returns the weights of taps, or the bias, for each image of a row, and the rest of the
// memory.
func (p *depthwise) repeat(w, memory []float32) (repeated, rest []float32) {
	if p.images == 1 {
		return w, memory
	}
	repeated = memory[:len(w)*p.images]
	for from := 0; from < len(w); from += p.channels {
		for i := range p.images {
			copy(repeated[from*p.images+i*p.channels:], w[from:][:p.channels])
		}
	}
	return repeated, memory[len(repeated):]
}

// eachBlock calls f for the block of whole rows of some images, and for that of the images left,
// with the element at which it begins.
func (p *depthwise) eachBlock(images int, f func(b ops.Block, at int)) {
	whole := images / p.images
	if whole > 0 {
		f(ops.Block{Rows: whole, Columns: p.columns, Stride: p.columns}, 0)
	}
	if left := images % p.images; left > 0 {
		f(ops.Block{Rows: left, Columns: p.channels, Stride: p.channels}, whole*p.columns)
	}
}

// convolve computes the elements of a pixel from element from on.
func (p *depthwise) convolve(y []float32, x array, taps *windowTaps, worker, pixel, from int) {
	p.eachBlock(len(y)/p.channels, func(b ops.Block, at int) {
		of := taps.of(worker, pixel, p.spec.N*p.channels, from+at, p.columns)
		x.depthwise(p.b.level, y[at:], p.wData, of, p.biasData, b)
	})
}

// Forward computes y.
func (p *depthwise) Forward(y, x, w, b tensor.Tensor) {
	p.result, p.biasData = output(y, p.y), nil
	memory := p.b.common.of(0)
	p.wData, memory = p.repeat(data(w, p.w), memory)
	if b != nil {
		p.biasData, memory = p.repeat(data(b, p.bias), memory)
	}
	p.xData, _ = p.xFloats.of(input(x, p.x), memory)
	p.b.pool.run(p.yJobs.jobs, p.forwardTask)
}

func (p *depthwise) forwardJob(worker, job int) {
	l, size := p.b.level, p.yJobs.size
	first, end, from, to := p.yJobs.of(job)
	for pixel := first; pixel < end; {
		run := p.forward.run(pixel, end)
		y := p.result.dst(p.b.scratch(worker), pixel*size+from, (pixel+run-1)*size+to)
		p.convolve(y, p.xData, p.forward, worker, pixel, from)
		if p.spec.Function != (tensor.Function{}) {
			l.Function(y, y, p.spec.Function)
		}
		p.result.store(l, y, pixel*size+from)
		pixel += run
	}
}

// BackwardData computes dx.
func (p *depthwise) BackwardData(dx, dy, w tensor.Tensor) {
	p.result, p.biasData = output(dx, p.x), nil
	memory := p.b.common.of(0)
	p.wData, memory = p.repeat(data(w, p.w), memory)
	p.dyData, _ = p.dyFloats.of(input(dy, p.y), memory)
	p.b.pool.run(p.xJobs.jobs, p.inputTask)
}

func (p *depthwise) inputJob(worker, job int) {
	l, size, m := p.b.level, p.xJobs.size, p.spec.Multiplier
	first, end, from, to := p.xJobs.of(job)
	scratch := p.b.scratch(worker)
	for pixel := first; pixel < end; {
		run := p.backward.run(pixel, end)
		at, elements := (pixel*size+from)/m, (run-1)*size+to-from
		dx := p.result.dst(scratch, at, at+elements/m)
		repeated := dx
		if m > 1 {
			repeated = scratch[p.xJobs.most():][:elements]
		}
		p.convolve(repeated, p.dyData, p.backward, worker, pixel, from)
		if m > 1 {
			for i := range dx {
				dx[i] = 0
				for _, v := range repeated[i*m:][:m] {
					dx[i] += v
				}
			}
		}
		p.result.store(l, dx, at)
		pixel += run
	}
}

// BackwardFilter computes dw, and db unless that is nil.
func (p *depthwise) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	p.dw = output(dw, p.w).f32
	memory := p.b.common.of(0)
	p.xData, memory = p.xFloats.of(input(x, p.x), memory)
	p.dyData, memory = p.dyFloats.of(input(dy, p.y), memory)
	p.partial = memory
	p.b.pool.run(p.partials*p.columnBlocks, p.sumTask)
	p.b.pool.run(p.spec.Window.Taps(), p.addTask)
	if db != nil {
		p.biasGradient.run(output(db, p.bias).f32, input(dy, p.y), p.spec.BatchNorm)
	}
}

// partialOf returns a partial gradient, of all images of a row.
func (p *depthwise) partialOf(i int) []float32 {
	size := p.spec.Window.Taps() * p.columns
	return p.partial[i*size:][:size]
}

// sumJob sums some rows of y for some columns.
func (p *depthwise) sumJob(worker, job int) {
	partial := p.partialOf(job / p.columnBlocks)
	from, to := blockRange(p.columns, depthwiseColumns, job%p.columnBlocks)
	for tap := range p.spec.Window.Taps() {
		clear(partial[tap*p.columns:][from:to])
	}
	size, width := p.yJobs.size, p.y[2]
	h0, h1 := blockRange(p.y[1], p.partialRows, job/p.columnBlocks)
	for pixel := h0 * width; pixel < h1*width; {
		run := min(p.forward.run(pixel, h1*width), max(1, depthwiseRows/p.spec.N))
		p.eachBlock(run*p.spec.N, func(b ops.Block, at int) {
			b.Columns = min(to, b.Columns) - from
			if b.Columns > 0 {
				taps := p.forward.of(worker, pixel, size, at+from, p.columns)
				p.xData.depthwiseGrad(p.b.level, partial[from:], p.dyData, pixel*size+at+from, taps, b)
			}
		})
		pixel += run
	}
}

// addJob adds the partial gradients of a tap in their order.
func (p *depthwise) addJob(_, tap int) {
	dw := p.dw[tap*p.channels:][:p.channels]
	clear(dw)
	for i := range p.partials {
		partial := p.partialOf(i)[tap*p.columns:]
		for image := range p.images {
			ops.Add(dw, partial[image*p.channels:][:p.channels])
		}
	}
}
