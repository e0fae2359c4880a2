package cpu

import "github.com/lamina-go/lamina/ops"

// pass runs the jobs of an ops.Pass: of every algorithm, layer and precision.
type pass[T ops.Element] struct {
	b         *Backend
	algorithm ops.Pass[T]
	memory    packedMemory

	y, x, w         []T
	operand, packed []T // of Pack
	epilogue        ops.Epilogue
	packTask, task  func(worker, job int)
}

func newPass[T ops.Element](b *Backend, algorithm ops.Pass[T], constant bool) (*pass[T], error) {
	p := &pass[T]{b: b, algorithm: algorithm}
	p.packTask, p.task = p.packJob, p.runJob
	if err := b.reserve(algorithm.Scratch()); err != nil {
		return nil, err
	}
	return p, p.memory.init(b, algorithm.PackedSize(), constant && algorithm.Packs() == ops.PacksKernel)
}

func (p *pass[T]) run(y, x, w array, e ops.Epilogue) {
	p.y, p.x, p.w, p.epilogue = elements[T](y), elements[T](x), elements[T](w), e
	switch p.algorithm.Packs() {
	case ops.PacksInput:
		p.x = p.pack(p.x)
	case ops.PacksKernel:
		p.w = p.pack(p.w)
	}
	p.b.pool.run(p.algorithm.Jobs(), p.task)
}

// pack returns an operand packed.
func (p *pass[T]) pack(operand []T) []T {
	memory, stale := p.memory.use()
	p.operand, p.packed = operand, asElements[T](memory)
	if stale {
		p.b.pool.run(p.algorithm.PackJobs(), p.packTask)
	}
	return p.packed
}

func (p *pass[T]) packJob(worker, job int) {
	p.algorithm.Pack(p.packed, p.operand, job, p.b.scratch(worker))
}

func (p *pass[T]) runJob(worker, job int) {
	p.algorithm.Run(p.y, p.x, p.w, p.epilogue, job, p.b.scratch(worker))
}

// packedMemory is where a pass packs an operand. A kernel that never changes has memory of its own
// and is packed once; all else is in the common memory, during a pass.
type packedMemory struct {
	b     *Backend
	size  int
	kept  []float32 // nil if what is packed is not kept
	valid bool      // kept holds it
}

// init gets memory for size floats.
func (m *packedMemory) init(b *Backend, size int, keep bool) (err error) {
	m.b, m.size = b, size
	if !keep {
		return b.reserveCommon(size)
	}
	m.kept, err = b.floats(size)
	return err
}

// use returns the memory, and whether the operand has to be packed there.
func (m *packedMemory) use() (memory []float32, stale bool) {
	if m.kept == nil {
		return m.b.common.of(0)[:m.size], true
	}
	stale = !m.valid
	m.valid = true
	return m.kept, stale
}

// gradient runs the jobs of an ops.Gradient. The common memory holds its packed operands, then the
// partial sums of all splits but the first, which is summed in the result.
type gradient[T ops.Element] struct {
	b         *Backend
	algorithm ops.Gradient[T]
	size      int // of the result

	dw, partial    []float32
	dy, x, packed  []T
	packTask, task func(worker, job int)
	addTask        func(worker, job int)
}

func newGradient[T ops.Element](b *Backend, algorithm ops.Gradient[T], size int) (*gradient[T], error) {
	g := &gradient[T]{b: b, algorithm: algorithm, size: size}
	g.packTask, g.task, g.addTask = g.packJob, g.runJob, g.addJob
	if err := b.reserve(algorithm.Scratch()); err != nil {
		return nil, err
	}
	return g, b.reserveCommon(algorithm.PackedSize() + (algorithm.Splits()-1)*size)
}

func (g *gradient[T]) run(dw []float32, dy, x array) {
	common, size := g.b.common.of(0), g.algorithm.PackedSize()
	g.dw, g.partial = dw, common[size:]
	g.dy, g.x, g.packed = elements[T](dy), elements[T](x), asElements[T](common[:size])
	if jobs := g.algorithm.PackJobs(); jobs > 0 {
		g.b.pool.run(jobs, g.packTask)
	}
	g.b.pool.run(g.algorithm.Jobs(), g.task)
	if g.algorithm.Splits() > 1 {
		g.b.pool.run(blocks(g.size, blockSize), g.addTask)
	}
}

func (g *gradient[T]) packJob(worker, job int) {
	g.algorithm.Pack(g.packed, g.dy, g.x, job, g.b.scratch(worker))
}

func (g *gradient[T]) runJob(worker, job int) {
	g.algorithm.Run(g.sum(g.algorithm.Split(job)), g.dy, g.x, g.packed, job, g.b.scratch(worker))
}

// sum returns where the sum of a split is.
func (g *gradient[T]) sum(split int) []float32 {
	if split == 0 {
		return g.dw
	}
	return g.partial[(split-1)*g.size:][:g.size]
}

// addJob adds a block of the partial sums to the result, in order of the splits.
func (g *gradient[T]) addJob(_, job int) {
	from, to := blockRange(g.size, blockSize, job)
	for split := 1; split < g.algorithm.Splits(); split++ {
		ops.Add(g.dw[from:to], g.sum(split)[from:to])
	}
}
