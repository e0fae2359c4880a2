package cpu

import (
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// poolBlock is about how many elements of dx a job computes.
const poolBlock = 1 << 13

// Pool makes a plan of a pool.
func (b *Backend) Pool(s backend.PoolSpec) (backend.Activation, error) {
	n, h, w, c := s.Shape.NHWC()
	s.Window.Check(h, w)
	if s.Window == tensor.Square(2, 2) && s.Kind == backend.MaxPool {
		return b.maxPool2x2(s.Shape)
	}
	outH, outW := s.Window.Output(h, w)
	p := &pooling{spec: s, size: n * c}
	p.activation = activation{b: b, x: s.Shape, y: tensor.Shape{n, outH, outW, c}}
	p.covered, p.covering = newWindowTaps(b, h, w, s.Window)
	// A job of a large window reads much and computes little.
	most := max(blockSize/s.Window.Taps(), 4*ops.Lanes)
	p.yJobs, p.xJobs = newPixelJobs(outH*outW, p.size, ops.Lanes, most), newPixelJobs(h*w, p.size, ops.Lanes, poolBlock)
	if s.Kind == backend.AveragePool {
		p.weigh()
	}
	p.forwardTask, p.firstTask, p.inputTask = p.forwardJob, p.firstJob, p.inputJob
	if err := b.reserve(max(p.yJobs.part, 2*p.xJobs.part)); err != nil || s.Kind == backend.AveragePool {
		return p, err
	}
	var err error
	if p.dyFloats, err = newFloatCopy(b, 1); err != nil {
		return nil, err
	}
	y := p.y.Size()
	return p, b.reserveCommon(p.dyFloats.size(y) + 2*y)
}

// pooling is a pool of any window. Of a max pool, the gradient first finds which elements are the
// largest, for all windows, as dx may overwrite x.
type pooling struct {
	activation
	spec         backend.PoolSpec
	size         int         // elements of a pixel
	covered      *windowTaps // pixels of x in a window
	covering     *windowTaps // windows with a pixel of x
	yJobs, xJobs pixelJobs
	dyFloats     *floatCopy // of a max pool
	weights      []float32  // of a mean: the reciprocals of the numbers of pixels that windows have
	weightOf     []int      // where that of a window is

	most, found          []float32 // of each window: the largest; which tap it is, or its share
	firstTask, inputTask func(worker, job int)
}

// weigh computes the weights of a mean.
func (p *pooling) weigh() {
	at := map[int]int{}
	for _, rows := range p.covered.rows {
		for _, columns := range p.covered.columns {
			count := rows.count * columns.count
			if _, known := at[count]; !known {
				at[count] = len(p.weights)
				p.weights = append(p.weights, slices.Repeat([]float32{1 / float32(count)}, ops.Lanes)...)
			}
			p.weightOf = append(p.weightOf, at[count])
		}
	}
}

// Forward computes y.
func (p *pooling) Forward(y, x tensor.Tensor) {
	p.yData, p.xData = output(y, p.y), input(x, p.x)
	p.b.pool.run(p.yJobs.jobs, p.forwardTask)
}

func (p *pooling) forwardJob(worker, job int) {
	l := p.b.level
	first, end, from, to := p.yJobs.of(job)
	for pixel := first; pixel < end; pixel++ {
		at := pixel * p.size
		y := p.yData.dst(p.b.scratch(worker), at+from, at+to)
		taps := p.covered.of(worker, pixel, p.size, from, 1)
		if p.spec.Kind == backend.AveragePool {
			for i := range taps {
				taps[i].W = p.weightOf[pixel]
			}
			p.xData.sumTaps(l, y, p.weights, taps)
		} else {
			p.xData.maxTaps(l, y, taps)
		}
		p.yData.store(l, y, at+from)
	}
}

// Backward computes dx.
func (p *pooling) Backward(dx, dy, x tensor.Tensor) {
	p.dx, p.dy, p.xData = output(dx, p.x), input(dy, p.y), input(x, p.x)
	if p.spec.Kind != backend.AveragePool {
		var memory []float32
		p.dy, memory = p.dyFloats.of(p.dy, p.b.common.of(0))
		windows := p.y.Size()
		p.most, p.found = memory[:windows], memory[windows:][:windows]
		p.b.pool.run(p.yJobs.jobs, p.firstTask)
	}
	p.b.pool.run(p.xJobs.jobs, p.inputTask)
}

// firstJob finds the largest elements of windows.
func (p *pooling) firstJob(worker, job int) {
	l := p.b.level
	first, end, from, to := p.yJobs.of(job)
	for pixel := first; pixel < end; pixel++ {
		taps := p.covered.of(worker, pixel, p.size, from, 1)
		a, b := pixel*p.size+from, pixel*p.size+to
		most, found := p.most[a:b], p.found[a:b]
		if p.spec.Kind == backend.MaxPool {
			p.xData.firstMax(l, found, most, taps)
		} else {
			p.xData.maxTaps(l, most, taps)
			p.xData.shareMax(l, found, p.dy.f32[a:b], most, taps)
		}
	}
}

func (p *pooling) inputJob(worker, job int) {
	l := p.b.level
	first, end, from, to := p.xJobs.of(job)
	for pixel := first; pixel < end; pixel++ {
		at := pixel * p.size
		dx := p.dx.dst(p.b.scratch(worker), at+from, at+to)
		taps := p.covering.of(worker, pixel, p.size, from, 1)
		switch p.spec.Kind {
		case backend.AveragePool:
			for i := range taps {
				taps[i].W = p.weightOf[taps[i].X/p.size]
			}
			p.dy.sumTaps(l, dx, p.weights, taps)
		case backend.MaxPool:
			l.RouteTaps(dx, p.dy.f32, p.found, taps)
		default:
			x := p.b.scratch(worker)[p.xJobs.part:][:to-from] // dx may be x
			copy(x, p.xData.load(l, x, at+from, at+to))
			l.RouteShares(dx, x, p.found, p.most, taps)
		}
		p.dx.store(l, dx, at+from)
	}
}

// maxPool2x2 makes a plan of a 2x2 max pool of stride 2.
func (b *Backend) maxPool2x2(shape tensor.Shape) (backend.Activation, error) {
	n, h, w, c := shape.NHWC()
	win := newWindows(n, h, w, c, blockSize)
	a := &activation{b: b, x: shape, y: win.pooled(shape)}
	a.forwardJobs, a.backwardJobs = win.jobs, win.jobs+win.restJobs
	a.forwardTask = func(worker, job int) {
		from, to, at := win.of(job)
		y, x := a.yData.slice(from, to), a.xData.from(at)
		if x.bf16 != nil {
			b.level.MaxPoolBF16(y.bf16, x.bf16, win.Window2x2)
		} else {
			b.level.MaxPool(y.f32, x.f32, win.Window2x2)
		}
	}
	a.backwardTask = func(worker, job int) {
		if job < win.jobs {
			from, to, at := win.of(job)
			dx, dy, x := a.dx.from(at), a.dy.slice(from, to), a.xData.from(at)
			if x.bf16 != nil {
				b.level.MaxPoolGradBF16(dx.bf16, dy.bf16, x.bf16, win.Window2x2, b.scratch(worker))
			} else {
				b.level.MaxPoolGrad(dx.f32, dy.f32, x.f32, win.Window2x2)
			}
			return
		}
		from, to := win.rest(job - win.jobs)
		dx := a.dx.dst(b.scratch(worker), from, to)
		clear(dx)
		a.dx.store(b.level, dx, from)
	}
	return a, b.reserveTemporaries(win.size)
}
