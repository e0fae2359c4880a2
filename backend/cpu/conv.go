package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const errKernel = "cpu: kernel of a convolution is neither 1x1 nor 3x3"

// conv2D is a convolution as implicit im2col and matrix product.
type conv2D struct {
	b    *Backend
	spec backend.Conv2DSpec

	x, y, kernel, bias tensor.Shape
	forward, turned    pass
	gradient           filterGradient
	biasGradient       biasGradient
}

// pass is a convolution from in to out: the forward pass, or the backward pass to the
// input, which is a convolution with the kernel turned.
type pass struct {
	b       *Backend
	shape   ops.ConvShape
	blocks  []ops.ConvBlock
	product ops.Product
	pack    func(packed, kernel []float32, s ops.ConvShape, group int)

	in, out, kernel, packed []float32
	packTask, convTask      func(worker, job int)
}

// Conv2D makes a plan of a convolution.
func (b *Backend) Conv2D(s backend.Conv2DSpec) (backend.Conv2D, error) {
	if s.Kernel != 1 && s.Kernel != 3 {
		panic(errKernel)
	}
	c := &conv2D{
		b: b, spec: s,
		x: tensor.Shape{s.N, s.H, s.W, s.In}, y: tensor.Shape{s.N, s.H, s.W, s.Out},
		kernel: tensor.Shape{s.Kernel, s.Kernel, s.In, s.Out}, bias: tensor.Shape{s.Out},
	}
	shape := ops.ConvShape{N: s.N, H: s.H, W: s.W, In: s.In, Out: s.Out, Kernel: s.Kernel}
	if err := c.forward.init(b, shape, b.level.PackKernel); err != nil {
		return nil, err
	}
	if s.Inference {
		return c, nil
	}
	if !s.NoInputGrad {
		turned := shape
		turned.In, turned.Out = s.Out, s.In
		if err := c.turned.init(b, turned, b.level.PackKernelTurned); err != nil {
			return nil, err
		}
	}
	if err := c.biasGradient.init(b, s.N*s.H*s.W, s.Out); err != nil {
		return nil, err
	}
	return c, c.gradient.init(b, shape)
}

func (p *pass) init(b *Backend, s ops.ConvShape, pack func(packed, kernel []float32, s ops.ConvShape, group int)) error {
	*p = pass{b: b, shape: s, blocks: s.Blocks(), pack: pack}
	p.packTask, p.convTask = p.packJob, p.convJob
	if err := b.reserve(b.level.ConvScratch()); err != nil {
		return err
	}
	return b.reserveCommon(b.level.PackedSize(s))
}

func (p *pass) run(out, in, kernel []float32, product ops.Product) {
	p.out, p.in, p.kernel, p.product = out, in, kernel, product
	p.packed = p.b.common.of(0)[:p.b.level.PackedSize(p.shape)]
	p.b.pool.run(p.shape.Groups(), p.packTask)
	p.b.pool.run(len(p.blocks)*p.shape.Groups(), p.convTask)
}

func (p *pass) packJob(_, group int) { p.pack(p.packed, p.kernel, p.shape, group) }

func (p *pass) convJob(worker, job int) {
	// Groups of a block are neighbours in time: they read the same pixels.
	block, group := &p.blocks[job/p.shape.Groups()], job%p.shape.Groups()
	p.b.level.ConvForward(p.out, p.in, p.packed, p.shape, block, group, p.product, p.b.scratch(worker))
}

// Forward computes y = conv(x, w) + b.
func (c *conv2D) Forward(y, x, w, b tensor.Tensor) {
	c.forward.run(data(y, c.y), data(x, c.x), data(w, c.kernel), ops.Product{Bias: data(b, c.bias), ReLU: c.spec.ReLU})
}

// BackwardData computes dx from dy.
func (c *conv2D) BackwardData(dx, dy, w tensor.Tensor) {
	c.turned.run(data(dx, c.x), data(dy, c.y), data(w, c.kernel), ops.Product{})
}

// BackwardFilter computes dw and db.
func (c *conv2D) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	c.gradient.run(data(dw, c.kernel), data(dy, c.y), data(x, c.x))
	c.biasGradient.run(data(db, c.bias), data(dy, c.y), c.spec.BatchNorm)
}

// filterGradient is the gradient of a convolution's kernel. Each split sums over some rows of
// the picture into a gradient of its own; these are added in order.
type filterGradient struct {
	b      *Backend
	shape  ops.ConvShape
	jobs   []ops.FilterJob
	splits int

	dw, dy, x, parts []float32
	task, sumTask    func(worker, job int)
}

// sumBlock is the number of elements that a job of adding the splits' gradients takes.
const sumBlock = 16 << 10

func (g *filterGradient) init(b *Backend, s ops.ConvShape) error {
	jobs, splits := s.FilterJobs()
	*g = filterGradient{b: b, shape: s, jobs: jobs, splits: splits}
	g.task, g.sumTask = g.job, g.sumJob
	if err := b.reserve(b.level.FilterScratch(s, jobs)); err != nil {
		return err
	}
	return b.reserveCommon((splits - 1) * s.Kernel * s.Kernel * s.In * s.Out)
}

func (g *filterGradient) run(dw, dy, x []float32) {
	g.dw, g.dy, g.x, g.parts = dw, dy, x, g.b.common.of(0)
	g.b.pool.run(len(g.jobs), g.task)
	if g.splits > 1 {
		g.b.pool.run((len(dw)+sumBlock-1)/sumBlock, g.sumTask)
	}
}

// part returns the gradient of a split; the first has the result's place.
func (g *filterGradient) part(split int) []float32 {
	if split == 0 {
		return g.dw
	}
	return g.parts[(split-1)*len(g.dw):][:len(g.dw)]
}

func (g *filterGradient) job(worker, job int) {
	j := g.jobs[job]
	g.b.level.ConvBackwardFilter(g.part(j.Split), g.dy, g.x, g.shape, j, g.b.scratch(worker))
}

func (g *filterGradient) sumJob(_, job int) {
	from := job * sumBlock
	to := min(from+sumBlock, len(g.dw))
	for split := 1; split < g.splits; split++ {
		ops.Add(g.dw[from:to], g.part(split)[from:to])
	}
}
