package cpu

import "github.com/lamina-go/lamina/ops"

// bf16Pass is a pass on bfloat16 as implicit im2col and matrix product, with the kernel packed.
type bf16Pass struct {
	b      *Backend
	shape  ops.ConvShape
	turned bool // the kernel, as in the backward pass to the input
	parts  [][]ops.ConvBlock

	in, out            []ops.BF16
	kernel, packed     []ops.BF16 // the kernel as it is kept, and as this pass reads it
	product            ops.Product
	turnTask, convTask func(worker, job int)
}

func newBF16Pass(b *Backend, s ops.ConvShape, turned bool) (*bf16Pass, error) {
	p := &bf16Pass{b: b, shape: s, turned: turned, parts: s.PartsBF16()}
	p.turnTask, p.convTask = p.turnJob, p.convJob
	if err := b.reserve(max(b.level.ConvScratchBF16(s), ops.RoundedScratch)); err != nil || !turned {
		return p, err
	}
	return p, b.reserveCommon(ops.PackedSizeBF16(s) / 2)
}

func (p *bf16Pass) run(out, in array, kernel []float32, product ops.Product) {
	p.out, p.in, p.product = out.bf16, in.bf16, product
	columns := p.shape.Out
	if p.turned {
		columns = p.shape.In
	}
	p.kernel = p.b.packedWeights(kernel, columns)
	p.packed = p.kernel
	if p.turned {
		p.packed = ops.AsBF16(p.b.common.of(0))[:ops.PackedSizeBF16(p.shape)]
		p.b.pool.run(p.shape.Groups(), p.turnTask)
	}
	p.b.pool.run(len(p.parts)*p.shape.Groups(), p.convTask)
}

func (p *bf16Pass) turnJob(worker, group int) {
	p.b.level.TurnKernelBF16(p.packed, p.kernel, p.shape, group, p.b.scratch(worker))
}

func (p *bf16Pass) convJob(worker, job int) {
	// Groups of a part are neighbours in time: they read the same pixels.
	part, group := p.parts[job/p.shape.Groups()], job%p.shape.Groups()
	p.b.level.ConvForwardBF16(p.out, p.in, p.packed, p.shape, part, group, p.product, p.b.scratch(worker))
}

// bf16Gradient is the gradient of a kernel as a product of matrices of bfloat16.
type bf16Gradient struct {
	splitGradient
	shape ops.ConvShape
	jobs  []ops.FilterJobBF16
	dy, x []ops.BF16
	task  func(worker, job int)
}

func newBF16Gradient(b *Backend, s ops.ConvShape) (*bf16Gradient, error) {
	jobs, splits := b.level.FilterJobsBF16(s)
	g := &bf16Gradient{shape: s, jobs: jobs}
	g.task = g.job
	if err := b.reserve(b.level.FilterScratchBF16(s, jobs)); err != nil {
		return nil, err
	}
	return g, g.init(b, splits, s.Kernel*s.Kernel*s.In*s.Out)
}

func (g *bf16Gradient) run(dw []float32, dy, x array) {
	g.begin(dw)
	g.dy, g.x = dy.bf16, x.bf16
	g.b.pool.run(len(g.jobs), g.task)
	g.end()
}

func (g *bf16Gradient) job(worker, job int) {
	j := g.jobs[job]
	g.b.level.ConvBackwardFilterBF16(g.part(j.Split), g.dy, g.x, g.shape, j, g.b.scratch(worker))
}
