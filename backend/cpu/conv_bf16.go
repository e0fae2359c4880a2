package cpu

import "github.com/lamina-go/lamina/ops"

// bf16Pass is a pass on bfloat16 as implicit im2col and matrix product: the kernel is
// rounded and packed first.
type bf16Pass struct {
	b      *Backend
	shape  ops.ConvShape
	turned bool // the kernel, as in the backward pass to the input
	blocks []ops.ConvBlock

	in, out                       []ops.BF16
	kernel                        []float32
	rounded, packed               []ops.BF16
	product                       ops.Product
	roundTask, packTask, convTask func(worker, job int)
}

func newBF16Pass(b *Backend, s ops.ConvShape, turned bool) (*bf16Pass, error) {
	p := &bf16Pass{b: b, shape: s, turned: turned, blocks: s.Blocks()}
	p.roundTask, p.packTask, p.convTask = p.roundJob, p.packJob, p.convJob
	if err := b.reserve(b.level.ConvScratchBF16(s)); err != nil {
		return nil, err
	}
	return p, b.reserveCommon((p.kernelSize() + ops.PackedSizeBF16(s) + 1) / 2)
}

func (p *bf16Pass) kernelSize() int {
	return p.shape.Kernel * p.shape.Kernel * p.shape.In * p.shape.Out
}

func (p *bf16Pass) run(out, in array, kernel []float32, product ops.Product) {
	p.out, p.in, p.kernel, p.product = out.bf16, in.bf16, kernel, product
	common := ops.AsBF16(p.b.common.of(0))
	size := ops.PackedSizeBF16(p.shape)
	p.packed, p.rounded = common[:size], common[size:][:p.kernelSize()]
	p.b.pool.run(blocks(p.kernelSize(), blockSize), p.roundTask)
	p.b.pool.run(p.shape.Groups(), p.packTask)
	p.b.pool.run(len(p.blocks)*p.shape.Groups(), p.convTask)
}

func (p *bf16Pass) roundJob(_, job int) {
	from, to := part(p.kernelSize(), blockSize, job)
	p.b.level.RoundBF16(p.rounded[from:to], p.kernel[from:to])
}

func (p *bf16Pass) packJob(_, group int) {
	if p.turned {
		p.b.level.PackKernelTurnedBF16(p.packed, p.rounded, p.shape, group)
	} else {
		p.b.level.PackKernelBF16(p.packed, p.rounded, p.shape, group)
	}
}

func (p *bf16Pass) convJob(worker, job int) {
	// Groups of a block are neighbours in time: they read the same pixels.
	block, group := &p.blocks[job/p.shape.Groups()], job%p.shape.Groups()
	p.b.level.ConvForwardBF16(p.out, p.in, p.packed, p.shape, block, group, p.product, p.b.scratch(worker))
}

// bf16Gradient is the gradient of a kernel as a product of matrices of bfloat16.
type bf16Gradient struct {
	splitGradient
	shape ops.ConvShape
	jobs  []ops.FilterJob
	dy, x []ops.BF16
	task  func(worker, job int)
}

func newBF16Gradient(b *Backend, s ops.ConvShape) (*bf16Gradient, error) {
	jobs, splits := s.FilterJobs()
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
