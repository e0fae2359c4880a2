package cpu

import (
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const errInference = "cpu: plan was made for inference"

// batchNorm normalises in two passes over x: one for the statistics, block by block, and
// one that also does the ReLU and the pool. Backward likewise: the sums, then dx.
type batchNorm struct {
	b     *Backend
	spec  backend.BatchNormSpec
	y     tensor.Shape // pooled or not
	c     tensor.Shape // of the parameters
	count int          // rows of x, N·H·W
	rows  int          // of x in a block
	win   windows      // with Pool

	norm    ops.NormGrad // of the last Forward
	rstd    []float64    // 1/sqrt(variance + ε)
	moments ops.Moments
	sums    [2][]float64
	parts   []float32 // of each job: two sums for each channel

	xData, yData, dxData, dyData              array
	pivot                                     []float32 // first row of a block
	momentsTask, normTask, sumsTask, gradTask func(worker, job int)
	normJobs, gradJobs                        int
}

// BatchNorm makes a plan of a batch normalization.
func (b *Backend) BatchNorm(s backend.BatchNormSpec) (backend.BatchNorm, error) {
	n, h, w, c := s.Shape.NHWC()
	p := &batchNorm{b: b, spec: s, y: s.Shape, c: tensor.Shape{c}, count: n * h * w, rows: rowsPerBlock(c)}
	p.norm.Mean, p.norm.Scale = make([]float32, c), make([]float32, c)
	if !s.ReLU {
		p.norm.Floor = float32(math.Inf(-1))
	}
	p.momentsTask = p.momentsJob
	p.normTask, p.sumsTask, p.gradTask = p.normJob, p.sumsJob, p.gradJob
	p.normJobs = blocks(p.count, p.rows)
	p.gradJobs = p.normJobs
	if s.Pool {
		p.win = newWindows(n, h, w, c, p.rows*c)
		p.y = p.win.pooled(s.Shape)
		p.normTask, p.sumsTask, p.gradTask = p.normPoolJob, p.sumsPoolJob, p.gradPoolJob
		p.normJobs, p.gradJobs = p.win.jobs, p.win.jobs+p.win.restJobs
	}
	if s.Inference {
		return p, b.reserveTemporaries(p.rows * c)
	}
	p.norm.A, p.norm.B = make([]float32, c), make([]float32, c)
	p.rstd = make([]float64, c)
	p.moments.Mean, p.moments.M2 = make([]float64, c), make([]float64, c)
	p.sums = [2][]float64{make([]float64, c), make([]float64, c)}
	p.parts = make([]float32, 2*c*max(blocks(p.count, p.rows), p.normJobs))
	p.pivot = make([]float32, c)
	return p, b.reserveTemporaries(p.rows * c)
}

// part returns the two sums of a job.
func (p *batchNorm) part(job int) (a, b []float32) {
	c := p.c[0]
	sums := p.parts[2*c*job:][:2*c]
	return sums[:c], sums[c:]
}

// block returns where the rows of a block begin and end in x.
func (p *batchNorm) block(job int) (from, to int) {
	first, last := part(p.count, p.rows, job)
	return first * p.c[0], last * p.c[0]
}

// Forward normalises by the statistics of x.
func (p *batchNorm) Forward(y, x, gamma, beta, mean, variance tensor.Tensor) {
	if p.spec.Inference {
		panic(errInference)
	}
	p.yData, p.xData = numbers(y, p.y), numbers(x, p.spec.Shape)
	g, runningMean, runningVariance := data(gamma, p.c), data(mean, p.c), data(variance, p.c)
	p.norm.Beta = data(beta, p.c)

	n := blocks(p.count, p.rows)
	p.b.pool.run(n, p.momentsTask)
	p.moments.Reset()
	for job := range n {
		from, to := p.block(job)
		sum, squares := p.part(job)
		p.moments.Add((to-from)/p.c[0], sum, squares, p.xData.load(p.b.level, p.pivot, from, from+p.c[0]))
	}

	count, momentum := float64(p.count), float64(p.spec.Momentum)
	correction := 1.0
	if p.spec.Unbiased {
		correction = count / max(count-1, 1)
	}
	for c, m := range p.moments.Mean {
		v := p.moments.M2[c] / count
		p.rstd[c] = 1 / math.Sqrt(v+float64(p.spec.Epsilon))
		p.norm.Mean[c] = float32(m)
		p.norm.Scale[c] = float32(float64(g[c]) * p.rstd[c])
		runningMean[c] = float32(momentum*float64(runningMean[c]) + (1-momentum)*m)
		runningVariance[c] = float32(momentum*float64(runningVariance[c]) + (1-momentum)*v*correction)
	}
	p.b.pool.run(p.normJobs, p.normTask)
}

// Infer normalises by the running statistics.
func (p *batchNorm) Infer(y, x, gamma, beta, mean, variance tensor.Tensor) {
	p.yData, p.xData = numbers(y, p.y), numbers(x, p.spec.Shape)
	g, v := data(gamma, p.c), data(variance, p.c)
	p.norm.Beta = data(beta, p.c)
	copy(p.norm.Mean, data(mean, p.c))
	for c := range g {
		p.norm.Scale[c] = float32(float64(g[c]) / math.Sqrt(float64(v[c])+float64(p.spec.Epsilon)))
	}
	p.b.pool.run(p.normJobs, p.normTask)
}

// Backward computes the gradients of the last Forward.
func (p *batchNorm) Backward(dx, dgamma, dbeta, dy, x, gamma, beta tensor.Tensor) {
	if p.spec.Inference {
		panic(errInference)
	}
	p.dxData, p.dyData, p.xData = numbers(dx, p.spec.Shape), numbers(dy, p.y), numbers(x, p.spec.Shape)
	dg, db := data(dgamma, p.c), data(dbeta, p.c)
	tensor.Check(gamma, p.c)
	p.norm.Beta = data(beta, p.c)

	p.b.pool.run(p.normJobs, p.sumsTask)
	sum, product := p.sums[0], p.sums[1]
	clear(sum)
	clear(product)
	for job := range p.normJobs {
		a, b := p.part(job)
		for c := range sum {
			sum[c] += float64(a[c])
			product[c] += float64(b[c])
		}
	}
	for c, rstd := range p.rstd {
		db[c] = float32(sum[c])
		dg[c] = float32(product[c] * rstd)
		scale := float64(p.norm.Scale[c]) / float64(p.count)
		p.norm.A[c] = float32(scale * sum[c])
		p.norm.B[c] = float32(scale * product[c] * rstd * rstd)
	}
	p.b.pool.run(p.gradJobs, p.gradTask)
}

func (p *batchNorm) momentsJob(worker, job int) {
	from, to := p.block(job)
	sum, squares := p.part(job)
	l, x, tmp := p.b.level, p.xData.slice(from, to), p.b.scratch(worker)
	pivot := x.load(l, tmp, 0, p.c[0])
	if x.bf16 != nil {
		l.ColumnSumsBF16(sum, squares, x.bf16, pivot, tmp[p.c[0]:])
	} else {
		l.ColumnSums(sum, squares, x.f32, pivot)
	}
}

func (p *batchNorm) normJob(worker, job int) {
	from, to := p.block(job)
	l, y, x := p.b.level, p.yData.slice(from, to), p.xData.slice(from, to)
	if x.bf16 != nil {
		l.NormalizeBF16(y.bf16, x.bf16, &p.norm.Norm, p.b.scratch(worker))
	} else {
		l.Normalize(y.f32, x.f32, &p.norm.Norm)
	}
}

func (p *batchNorm) sumsJob(worker, job int) {
	from, to := p.block(job)
	sum, product := p.part(job)
	l, dy, x := p.b.level, p.dyData.slice(from, to), p.xData.slice(from, to)
	if x.bf16 != nil {
		l.NormSumsBF16(sum, product, dy.bf16, x.bf16, &p.norm.Norm, p.b.scratch(worker))
	} else {
		l.NormSums(sum, product, dy.f32, x.f32, &p.norm.Norm)
	}
}

func (p *batchNorm) gradJob(worker, job int) {
	from, to := p.block(job)
	l, dx, dy, x := p.b.level, p.dxData.slice(from, to), p.dyData.slice(from, to), p.xData.slice(from, to)
	if x.bf16 != nil {
		l.NormGradBF16(dx.bf16, dy.bf16, x.bf16, &p.norm, p.b.scratch(worker))
	} else {
		l.NormGrad(dx.f32, dy.f32, x.f32, &p.norm)
	}
}

func (p *batchNorm) normPoolJob(worker, job int) {
	from, to, at := p.win.of(job)
	l, y, x := p.b.level, p.yData.slice(from, to), p.xData.from(at)
	if x.bf16 != nil {
		l.NormalizePoolBF16(y.bf16, x.bf16, p.win.Window, &p.norm.Norm, p.b.scratch(worker))
	} else {
		l.NormalizePool(y.f32, x.f32, p.win.Window, &p.norm.Norm)
	}
}

func (p *batchNorm) sumsPoolJob(worker, job int) {
	from, to, at := p.win.of(job)
	sum, product := p.part(job)
	l, dy, x := p.b.level, p.dyData.slice(from, to), p.xData.from(at)
	if x.bf16 != nil {
		l.NormPoolSumsBF16(sum, product, dy.bf16, x.bf16, p.win.Window, &p.norm.Norm, p.b.scratch(worker))
	} else {
		l.NormPoolSums(sum, product, dy.f32, x.f32, p.win.Window, &p.norm.Norm)
	}
}

func (p *batchNorm) gradPoolJob(worker, job int) {
	if job >= p.win.jobs {
		p.gradRestJob(worker, job-p.win.jobs)
		return
	}
	from, to, at := p.win.of(job)
	l, dx, dy, x := p.b.level, p.dxData.from(at), p.dyData.slice(from, to), p.xData.from(at)
	if x.bf16 != nil {
		l.NormPoolGradBF16(dx.bf16, dy.bf16, x.bf16, p.win.Window, &p.norm, p.b.scratch(worker))
	} else {
		l.NormPoolGrad(dx.f32, dy.f32, x.f32, p.win.Window, &p.norm)
	}
}

// gradRestJob does pixels that no window has, where dy is zero.
func (p *batchNorm) gradRestJob(worker, job int) {
	from, to := p.win.rest(job)
	four, zeros := p.b.temporaries(worker, to-from)
	clear(zeros)
	dx := p.dxData.place(four, from, to)
	p.b.level.NormGrad(dx, zeros, p.xData.load(p.b.level, four, from, to), &p.norm)
	p.dxData.store(p.b.level, dx, from)
}
