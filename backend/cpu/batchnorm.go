package cpu

import (
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const (
	errInference      = "cpu: plan was made for inference"
	errPooledFunction = "cpu: a pool fused with a function other than max(0, x)"
)

// batchNorm makes two passes over x: one computes the statistics, block by block; the other
// normalizes, with the function and the pool. Backward has two passes, too: the sums, then dx. A
// frozen plan has neither statistics nor, unless dγ or dβ are wanted, sums.
type batchNorm struct {
	b         *Backend
	spec      backend.BatchNormSpec
	y         tensor.Shape // pooled or not
	c         tensor.Shape // of the parameters
	count     int          // rows of x, N·H·W
	rows      int          // of x in a block
	jobBlocks int          // blocks per job
	win       windows      // with Pool
	ones      []float32    // in place of a nil γ
	zeros     []float32    // in place of a nil β

	norm     ops.NormGrad // of the last Forward
	rstd     []float64    // 1/sqrt(variance + ε)
	sums     [2][]float64 // of all blocks: mean and squared deviations, or what the gradient needs
	partials []float32    // per block: two partial sums per channel, and the first row
	keepsG   bool         // with a Function whose derivative takes longer than memory
	g        []float32    // then the gradient of z, in the common memory, from the sums to dx

	xData, yData, dxData, dyData              array
	gamma, runningMean, runningVariance       []float32
	keep                                      float64 // weight of the old running statistics
	dgamma, dbeta                             []float32
	momentsTask, normTask, sumsTask, gradTask func(worker, job int)
	sumMomentsTask, addSumsTask               func(worker, job int)
	blocks, normBlocks, gradBlocks            int // of x, and of the passes that a pool changes
}

// sumChannels is the number of channels for which a job adds the partial sums of all blocks: a
// cache line.
const sumChannels = 16

// BatchNorm makes a plan of a batch normalization.
func (b *Backend) BatchNorm(s backend.BatchNormSpec) (backend.BatchNorm, error) {
	if err := s.Function.Check(); err != nil {
		return nil, err
	}
	n, h, w, c := s.Shape.NHWC()
	p := &batchNorm{b: b, spec: s, y: s.Shape, c: tensor.Shape{c}, count: n * h * w, rows: rowsPerBlock(c)}
	p.norm.Mean, p.norm.Scale = make([]float32, c), make([]float32, c)
	p.ones, p.zeros = make([]float32, c), make([]float32, c)
	for i := range p.ones {
		p.ones[i] = 1
	}
	if !s.Function.IsRectifier() {
		p.norm.Floor = float32(math.Inf(-1))
	}
	p.jobBlocks = max(1, blockSize/(p.rows*c))
	p.blocks = blocks(p.count, p.rows)
	p.normBlocks, p.gradBlocks = p.blocks, p.blocks
	norm, sums, grad := p.normBlock, p.sumsBlock, p.gradBlock
	other := s.Function.Kind != tensor.Identity && !s.Function.IsRectifier()
	if other {
		norm, sums, grad = p.normFunctionBlock, p.sumsFunctionBlock, p.gradFunctionBlock
	}
	if s.Pool {
		if other {
			panic(errPooledFunction)
		}
		p.win = newWindows(n, h, w, c, p.rows*c)
		p.y = p.win.pooled(s.Shape)
		norm, sums, grad = p.normPoolBlock, p.sumsPoolBlock, p.gradPoolBlock
		p.normBlocks, p.gradBlocks = p.win.jobs, p.win.jobs+p.win.restJobs
	}
	p.momentsTask = p.inJobs(p.blocks, p.momentsBlock)
	p.normTask, p.sumsTask = p.inJobs(p.normBlocks, norm), p.inJobs(p.normBlocks, sums)
	p.gradTask = p.inJobs(p.gradBlocks, grad)
	p.sumMomentsTask, p.addSumsTask = p.sumMoments, p.addSums
	if s.Inference {
		return p, b.reserveTemporaries(p.rows * c)
	}
	p.norm.A, p.norm.B = make([]float32, c), make([]float32, c)
	p.rstd = make([]float64, c)
	p.sums = [2][]float64{make([]float64, c), make([]float64, c)}
	var err error
	if p.keepsG = other && !s.Frozen; p.keepsG {
		if err = b.reserveCommon(s.Shape.Size()); err != nil {
			return nil, err
		}
	}
	if p.partials, err = b.floats(3 * c * max(p.blocks, p.normBlocks)); err != nil {
		return nil, err
	}
	return p, b.reserveTemporaries(p.rows * c)
}

// one is the shape of BatchNormSpec.Fresh.
var one = tensor.Shape{1}

// inJobs returns a task whose jobs compute jobBlocks of n blocks each, in order. Small blocks keep
// the sums accurate, and longer contiguous reads are faster.
func (p *batchNorm) inJobs(n int, f func(worker, block int)) func(worker, job int) {
	return func(worker, job int) {
		from, to := blockRange(n, p.jobBlocks, job)
		for block := from; block < to; block++ {
			f(worker, block)
		}
	}
}

// run runs a task of n blocks.
func (p *batchNorm) run(n int, task func(worker, job int)) {
	p.b.pool.run(blocks(n, p.jobBlocks), task)
}

// partial returns the two partial sums of a block, and a buffer for its first row.
func (p *batchNorm) partial(block int) (a, b, row []float32) {
	c := p.c[0]
	sums := p.partials[3*c*block:][:3*c]
	return sums[:c], sums[c : 2*c], sums[2*c:]
}

// block returns the range of a block's rows in x.
func (p *batchNorm) block(block int) (from, to int) {
	first, last := blockRange(p.count, p.rows, block)
	return first * p.c[0], last * p.c[0]
}

// optional returns the elements of a parameter, or those of missing if it is nil.
func (p *batchNorm) optional(t tensor.Tensor, missing []float32) []float32 {
	if t == nil {
		return missing
	}
	return data(t, p.c)
}

// wanted returns the elements of a gradient of parameters, or nil.
func (p *batchNorm) wanted(t tensor.Tensor) []float32 {
	if t == nil {
		return nil
	}
	return output(t, p.c).f32
}

// Forward normalizes by the statistics of x, or if it is frozen by the running ones.
func (p *batchNorm) Forward(y, x, gamma, beta, mean, variance tensor.Tensor) {
	if p.spec.Inference {
		panic(errInference)
	}
	if p.spec.Frozen {
		p.Infer(y, x, gamma, beta, mean, variance)
		for c, v := range data(variance, p.c) {
			p.rstd[c] = 1 / math.Sqrt(float64(v)+float64(p.spec.Epsilon))
		}
		return
	}
	p.yData, p.xData = output(y, p.y), input(x, p.spec.Shape)
	p.gamma, p.runningMean, p.runningVariance = p.optional(gamma, p.ones), output(mean, p.c).f32, output(variance, p.c).f32
	p.norm.Beta = p.optional(beta, p.zeros)
	p.keep = float64(p.spec.Momentum)
	if p.spec.Fresh != nil && data(p.spec.Fresh, one)[0] != 0 {
		t := float64(p.b.values.Step)
		p.keep = min(p.keep, t/(t+10))
	}

	p.run(p.blocks, p.momentsTask)
	p.b.pool.run(blocks(p.c[0], sumChannels), p.sumMomentsTask)
	p.run(p.normBlocks, p.normTask)
}

// sumMoments combines the moments of all blocks for some channels, and updates the running
// statistics.
func (p *batchNorm) sumMoments(_, job int) {
	from, to := blockRange(p.c[0], sumChannels, job)
	m := ops.Moments{Mean: p.sums[0][from:to], M2: p.sums[1][from:to]}
	m.Reset()
	for block := range p.blocks {
		first, last := blockRange(p.count, p.rows, block)
		sum, squares, row := p.partial(block)
		m.Add(last-first, sum[from:to], squares[from:to], row[from:to])
	}
	count, keep := float64(p.count), p.keep
	correction := 1.0
	if p.spec.Unbiased {
		correction = count / max(count-1, 1)
	}
	for c := from; c < to; c++ {
		mean, v := p.sums[0][c], p.sums[1][c]/count
		p.rstd[c] = 1 / math.Sqrt(v+float64(p.spec.Epsilon))
		p.norm.Mean[c] = float32(mean)
		p.norm.Scale[c] = float32(float64(p.gamma[c]) * p.rstd[c])
		p.runningMean[c] = float32(keep*float64(p.runningMean[c]) + (1-keep)*mean)
		p.runningVariance[c] = float32(keep*float64(p.runningVariance[c]) + (1-keep)*v*correction)
	}
}

// Infer normalizes by the running statistics.
func (p *batchNorm) Infer(y, x, gamma, beta, mean, variance tensor.Tensor) {
	p.yData, p.xData = output(y, p.y), input(x, p.spec.Shape)
	g, v := p.optional(gamma, p.ones), data(variance, p.c)
	p.norm.Beta = p.optional(beta, p.zeros)
	copy(p.norm.Mean, data(mean, p.c))
	for c := range g {
		p.norm.Scale[c] = float32(float64(g[c]) / math.Sqrt(float64(v[c])+float64(p.spec.Epsilon)))
	}
	p.run(p.normBlocks, p.normTask)
}

// Backward computes the gradients of the last Forward.
func (p *batchNorm) Backward(dx, dgamma, dbeta, dy, x, gamma, beta tensor.Tensor) {
	if p.spec.Inference {
		panic(errInference)
	}
	p.dxData, p.dyData, p.xData = output(dx, p.spec.Shape), input(dy, p.y), input(x, p.spec.Shape)
	p.dgamma, p.dbeta = p.wanted(dgamma), p.wanted(dbeta)
	p.norm.Beta = p.optional(beta, p.zeros)
	if p.keepsG {
		p.g = p.b.common.of(0)[:p.spec.Shape.Size()]
	}

	if !p.spec.Frozen || p.dgamma != nil || p.dbeta != nil {
		p.run(p.normBlocks, p.sumsTask)
		p.b.pool.run(blocks(p.c[0], sumChannels), p.addSumsTask)
	}
	p.run(p.gradBlocks, p.gradTask)
}

// addSums adds the partial sums of all blocks for some channels.
func (p *batchNorm) addSums(_, job int) {
	from, to := blockRange(p.c[0], sumChannels, job)
	sum, product := p.sums[0][from:to], p.sums[1][from:to]
	clear(sum)
	clear(product)
	for block := range p.normBlocks {
		a, b, _ := p.partial(block)
		a, b = a[from:to], b[from:to]
		for c := range sum {
			sum[c] += float64(a[c])
			product[c] += float64(b[c])
		}
	}
	for i := range sum {
		c, rstd := from+i, p.rstd[from+i]
		if p.dbeta != nil {
			p.dbeta[c] = float32(sum[i])
		}
		if p.dgamma != nil {
			p.dgamma[c] = float32(product[i] * rstd)
		}
		if p.spec.Frozen { // A and B stay 0
			continue
		}
		scale := float64(p.norm.Scale[c]) / float64(p.count)
		p.norm.A[c] = float32(scale * sum[i])
		p.norm.B[c] = float32(scale * product[i] * rstd * rstd)
	}
}

func (p *batchNorm) momentsBlock(worker, block int) {
	from, to := p.block(block)
	sum, squares, row := p.partial(block)
	l, x := p.b.level, p.xData.slice(from, to)
	if x.bf16 != nil {
		l.ColumnSumsBF16(sum, squares, x.bf16, x.load(l, row, 0, p.c[0]), p.b.scratch(worker))
	} else {
		copy(row, x.f32)
		l.ColumnSums(sum, squares, x.f32, row)
	}
}

func (p *batchNorm) normBlock(worker, block int) {
	from, to := p.block(block)
	l, y, x := p.b.level, p.yData.slice(from, to), p.xData.slice(from, to)
	if x.bf16 != nil {
		l.NormalizeBF16(y.bf16, x.bf16, &p.norm.Norm, p.b.scratch(worker))
	} else {
		l.Normalize(y.f32, x.f32, &p.norm.Norm)
	}
}

func (p *batchNorm) sumsBlock(worker, block int) {
	from, to := p.block(block)
	sum, product, _ := p.partial(block)
	l, dy, x := p.b.level, p.dyData.slice(from, to), p.xData.slice(from, to)
	if x.bf16 != nil {
		l.NormSumsBF16(sum, product, dy.bf16, x.bf16, &p.norm.Norm, p.b.scratch(worker))
	} else {
		l.NormSums(sum, product, dy.f32, x.f32, &p.norm.Norm)
	}
}

func (p *batchNorm) gradBlock(worker, block int) {
	from, to := p.block(block)
	l, dx, dy, x := p.b.level, p.dxData.slice(from, to), p.dyData.slice(from, to), p.xData.slice(from, to)
	if x.bf16 != nil {
		l.NormGradBF16(dx.bf16, dy.bf16, x.bf16, &p.norm, p.b.scratch(worker))
	} else {
		l.NormGrad(dx.f32, dy.f32, x.f32, &p.norm)
	}
}

func (p *batchNorm) normFunctionBlock(worker, block int) {
	from, to := p.block(block)
	four, _ := p.b.temporaries(worker, p.rows*p.c[0])
	l, y := p.b.level, p.yData.dst(four, from, to)
	l.Normalize(y, p.xData.load(l, four, from, to), &p.norm.Norm)
	l.Function(y, y, p.spec.Function)
	p.yData.store(l, y, from)
}

// beforeFunction returns x of a block, and the gradient of z from that of Function(z). tmp holds
// four blocks, more one.
func (p *batchNorm) beforeFunction(from, to int, tmp, more []float32) (g, x []float32) {
	l, size := p.b.level, p.rows*p.c[0]
	x, g = p.xData.load(l, tmp, from, to), tmp[size:][:to-from]
	if p.keepsG {
		g = p.g[from:to]
	}
	l.Normalize(g, x, &p.norm.Norm)
	l.FunctionGrad(g, p.dyData.load(l, more, from, to), g, p.spec.Function)
	return g, x
}

func (p *batchNorm) sumsFunctionBlock(worker, block int) {
	from, to := p.block(block)
	sum, product, _ := p.partial(block)
	four, more := p.b.temporaries(worker, p.rows*p.c[0])
	g, x := p.beforeFunction(from, to, four, more)
	p.b.level.NormSums(sum, product, g, x, &p.norm.Norm)
}

func (p *batchNorm) gradFunctionBlock(worker, block int) {
	from, to := p.block(block)
	four, more := p.b.temporaries(worker, p.rows*p.c[0])
	l, dx := p.b.level, p.dxData.dst(four, from, to)
	if p.keepsG {
		l.NormGrad(dx, p.g[from:to], p.xData.load(l, four, from, to), &p.norm)
	} else {
		g, x := p.beforeFunction(from, to, four, more)
		l.NormGrad(dx, g, x, &p.norm)
	}
	p.dxData.store(l, dx, from)
}

func (p *batchNorm) normPoolBlock(worker, block int) {
	from, to, at := p.win.of(block)
	l, y, x := p.b.level, p.yData.slice(from, to), p.xData.from(at)
	if x.bf16 != nil {
		l.NormalizePoolBF16(y.bf16, x.bf16, p.win.Window2x2, &p.norm.Norm, p.b.scratch(worker))
	} else {
		l.NormalizePool(y.f32, x.f32, p.win.Window2x2, &p.norm.Norm)
	}
}

func (p *batchNorm) sumsPoolBlock(worker, block int) {
	from, to, at := p.win.of(block)
	sum, product, _ := p.partial(block)
	l, dy, x := p.b.level, p.dyData.slice(from, to), p.xData.from(at)
	if x.bf16 != nil {
		l.NormPoolSumsBF16(sum, product, dy.bf16, x.bf16, p.win.Window2x2, &p.norm.Norm, p.b.scratch(worker))
	} else {
		l.NormPoolSums(sum, product, dy.f32, x.f32, p.win.Window2x2, &p.norm.Norm)
	}
}

func (p *batchNorm) gradPoolBlock(worker, block int) {
	if block >= p.win.jobs {
		p.gradRestBlock(worker, block-p.win.jobs)
		return
	}
	from, to, at := p.win.of(block)
	l, dx, dy, x := p.b.level, p.dxData.from(at), p.dyData.slice(from, to), p.xData.from(at)
	if x.bf16 != nil {
		l.NormPoolGradBF16(dx.bf16, dy.bf16, x.bf16, p.win.Window2x2, &p.norm, p.b.scratch(worker))
	} else {
		l.NormPoolGrad(dx.f32, dy.f32, x.f32, p.win.Window2x2, &p.norm)
	}
}

// gradRestBlock computes dx of pixels outside all windows, where dy is zero.
func (p *batchNorm) gradRestBlock(worker, block int) {
	from, to := p.win.rest(block)
	four, zeros := p.b.temporaries(worker, to-from)
	clear(zeros)
	dx := p.dxData.dst(four, from, to)
	p.b.level.NormGrad(dx, zeros, p.xData.load(p.b.level, four, from, to), &p.norm)
	p.dxData.store(p.b.level, dx, from)
}
