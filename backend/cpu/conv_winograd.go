package cpu

import "github.com/lamina-go/lamina/ops"

// winogradPass is a pass by one of Winograd's algorithms: the kernel is transformed first, then
// each job transforms its part of the input, multiplies, and transforms back.
type winogradPass struct {
	b         *Backend
	algorithm ops.Winograd
	shape     ops.ConvShape
	turned    bool // the kernel, as in the backward pass to the input
	jobs      []ops.WinogradJob
	room      kernelRoom

	in, out, kernel, transformed []float32
	product                      ops.Product
	kernelTask, convTask         func(worker, job int)
}

func newWinogradPass(b *Backend, w ops.Winograd, s ops.ConvShape, turned, constant bool) (*winogradPass, error) {
	p := &winogradPass{b: b, algorithm: w, shape: s, turned: turned, jobs: ops.WinogradJobs(w, s, b.pool.workers)}
	p.kernelTask, p.convTask = p.kernelJob, p.convJob
	if err := b.reserve(max(b.level.WinogradKernelScratch(), b.level.WinogradScratch(w, s, p.jobs))); err != nil {
		return nil, err
	}
	return p, p.room.init(b, b.level.WinogradKernelSize(w, s), constant)
}

func (p *winogradPass) run(out, in array, kernel []float32, product ops.Product) {
	p.out, p.in, p.kernel, p.product = out.f32, in.f32, kernel, product
	var stale bool
	if p.transformed, stale = p.room.use(); stale {
		p.b.pool.run(p.shape.Groups(), p.kernelTask)
	}
	p.b.pool.run(len(p.jobs), p.convTask)
}

func (p *winogradPass) kernelJob(worker, group int) {
	p.b.level.WinogradKernel(p.transformed, p.kernel, p.algorithm, p.shape, group, p.turned, p.b.scratch(worker))
}

func (p *winogradPass) convJob(worker, job int) {
	p.b.level.WinogradForward(p.out, p.in, p.transformed, p.algorithm, p.shape, &p.jobs[job], p.product, p.b.scratch(worker))
}

// winogradGradient is the gradient of a kernel by one of Winograd's algorithms.
type winogradGradient struct {
	splitGradient
	algorithm ops.Winograd
	shape     ops.ConvShape
	jobs      []ops.WinogradFilterJob
	dy, x     []float32
	task      func(worker, job int)
}

func newWinogradGradient(b *Backend, w ops.Winograd, s ops.ConvShape) (*winogradGradient, error) {
	jobs, splits := w.FilterJobs(s, b.pool.workers)
	g := &winogradGradient{algorithm: w, shape: s, jobs: jobs}
	g.task = g.job
	if err := b.reserve(b.level.WinogradFilterScratch(w, s, jobs)); err != nil {
		return nil, err
	}
	return g, g.init(b, splits, 9*s.In*s.Out)
}

func (g *winogradGradient) run(dw []float32, dy, x array) {
	g.begin(dw)
	g.dy, g.x = dy.f32, x.f32
	g.b.pool.run(len(g.jobs), g.task)
	g.end()
}

func (g *winogradGradient) job(worker, job int) {
	j := &g.jobs[job]
	g.b.level.WinogradBackwardFilter(g.part(j.Split), g.dy, g.x, g.algorithm, g.shape, j, g.b.scratch(worker))
}
