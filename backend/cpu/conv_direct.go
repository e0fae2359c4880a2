package cpu

import "github.com/lamina-go/lamina/ops"

// directPass is a pass as implicit im2col and matrix product.
type directPass struct {
	b      *Backend
	shape  ops.ConvShape
	turned bool // the kernel, as in the backward pass to the input
	blocks []ops.ConvBlock
	parts  int // of the blocks, each with the groups a job
	groups int // that a job takes if the image is gathered
	jobs   int
	room   kernelRoom

	in, out, kernel, packed []float32
	product                 ops.Product
	packTask, convTask      func(worker, job int)
}

// fewRows is the number of output pixels (and images) up to which the kernel takes longer to read than
// the inputs.
const fewRows = 256

func newDirectPass(b *Backend, s ops.ConvShape, turned, constant bool) (*directPass, error) {
	p := &directPass{b: b, shape: s, turned: turned}
	p.packTask = p.packJob
	need := 0
	if s.Gathered() { // once by each worker
		p.groups = blocks(s.Groups(), b.pool.workers)
		p.jobs, p.convTask = blocks(s.Groups(), p.groups), p.gatheredJob
		need = b.level.GatheredScratch(s, p.groups)
	} else {
		// Of few rows a group is one job, which reads its part of the kernel once, or as many as make work
		// for all. The result does not depend on it.
		p.blocks = s.Blocks()
		p.parts = len(p.blocks)
		if s.N*s.H*s.W <= fewRows {
			p.parts = min(p.parts, blocks(b.pool.workers, s.Groups()))
		}
		p.jobs, p.convTask = p.parts*s.Groups(), p.convJob
		need = b.level.ConvScratch()
	}
	if err := b.reserve(need); err != nil {
		return nil, err
	}
	return p, p.room.init(b, b.level.PackedSize(s), constant)
}

func (p *directPass) run(out, in array, kernel []float32, product ops.Product) {
	p.out, p.in, p.kernel, p.product = out.f32, in.f32, kernel, product
	var stale bool
	if p.packed, stale = p.room.use(); stale {
		p.b.pool.run(p.shape.Groups(), p.packTask)
	}
	p.b.pool.run(p.jobs, p.convTask)
}

func (p *directPass) packJob(_, group int) {
	if p.turned {
		p.b.level.PackKernelTurned(p.packed, p.kernel, p.shape, group)
	} else {
		p.b.level.PackKernel(p.packed, p.kernel, p.shape, group)
	}
}

func (p *directPass) convJob(worker, job int) {
	// Groups of a part are neighbours in time: they read the same pixels.
	part, group := job/p.shape.Groups(), job%p.shape.Groups()
	blocks := p.blocks[len(p.blocks)*part/p.parts : len(p.blocks)*(part+1)/p.parts]
	p.b.level.ConvForward(p.out, p.in, p.packed, p.shape, blocks, group, p.product, p.b.scratch(worker))
}

func (p *directPass) gatheredJob(worker, job int) {
	group := job * p.groups
	p.b.level.ConvGathered(p.out, p.in, p.packed, p.shape, group, min(p.groups, p.shape.Groups()-group), p.product, p.b.scratch(worker))
}

// directGradient is the gradient of a kernel as a matrix product.
type directGradient struct {
	splitGradient
	shape ops.ConvShape
	jobs  []ops.FilterJob
	dy, x []float32
	task  func(worker, job int)
}

func newDirectGradient(b *Backend, s ops.ConvShape) (*directGradient, error) {
	jobs, splits := s.FilterJobs()
	g := &directGradient{shape: s, jobs: jobs}
	g.task = g.job
	if err := b.reserve(b.level.FilterScratch(s, jobs)); err != nil {
		return nil, err
	}
	return g, g.init(b, splits, s.Kernel*s.Kernel*s.In*s.Out)
}

func (g *directGradient) run(dw []float32, dy, x array) {
	g.begin(dw)
	g.dy, g.x = dy.f32, x.f32
	g.b.pool.run(len(g.jobs), g.task)
	g.end()
}

func (g *directGradient) job(worker, job int) {
	j := g.jobs[job]
	g.b.level.ConvBackwardFilter(g.part(j.Split), g.dy, g.x, g.shape, j, g.b.scratch(worker))
}

// splitGradient is a gradient of size numbers that is summed in splits, each over some of the images
// or pixels; the parts are added in order at the end.
type splitGradient struct {
	b            *Backend
	splits, size int
	dw, parts    []float32
	sumTask      func(worker, job int)
}

func (g *splitGradient) init(b *Backend, splits, size int) error {
	*g = splitGradient{b: b, splits: splits, size: size}
	g.sumTask = g.sumJob
	return b.reserveCommon((splits - 1) * size)
}

// begin takes the place of the result; part is good from then on.
func (g *splitGradient) begin(dw []float32) { g.dw, g.parts = dw, g.b.common.of(0) }

// part returns the gradient of a split; the first has the result's place.
func (g *splitGradient) part(split int) []float32 {
	if split == 0 {
		return g.dw
	}
	return g.parts[(split-1)*g.size:][:g.size]
}

// end adds the parts.
func (g *splitGradient) end() {
	if g.splits > 1 {
		g.b.pool.run(blocks(g.size, blockSize), g.sumTask)
	}
}

func (g *splitGradient) sumJob(_, job int) {
	from, to := part(g.size, blockSize, job)
	for split := 1; split < g.splits; split++ {
		ops.Add(g.dw[from:to], g.part(split)[from:to])
	}
}
