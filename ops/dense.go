package ops

// DenseShape is the shape of a dense layer, y = x·w, with x (N, In), w (In, Out) and y (N, Out).
// The gradients are those of the rows from From to To of w, and of as many columns of x: their
// kernel has these rows only, and other columns of the gradient of x stay as they are.
type DenseShape struct {
	N, In, Out int
	From, To   int
}

// rows returns the number of rows of w in the gradients.
func (s DenseShape) rows() int { return s.To - s.From }

// Dense computes a dense layer in float32. The weights, In·Out floats, are what takes the time to
// move, so each pass moves them once, in order:
//
//	y = x·w          jobs are columns of w, packed on the way
//	dxᵀ = w·dyᵀ      jobs are rows of w; dyᵀ is packed first; dx is the transpose
//	dw = xᵀ·dy       jobs are rows of dw; dy is packed first
var Dense Algorithm[DenseShape, float32] = dense{}

// DensePacked is Dense with a forward pass that packs w first, for weights that stay the same.
var DensePacked Algorithm[DenseShape, float32] = densePacked{}

type dense struct{}

func (dense) Forward(l Level, s DenseShape, workers int) Pass[float32] {
	return &denseForward{level: l, shape: s, columns: s.jobColumns(workers)}
}

func (dense) InputGradient(l Level, s DenseShape, workers int) Pass[float32] {
	return &denseInputGradient{l, s, s.jobRows(workers)}
}

func (dense) KernelGradient(l Level, s DenseShape, workers int) Gradient[float32] {
	return &denseGradient{l, s, s.jobColumns(workers), s.jobRows(workers)}
}

type densePacked struct{ dense }

func (densePacked) Forward(l Level, s DenseShape, workers int) Pass[float32] {
	return &densePackedForward{denseForward{l, s, s.jobColumns(workers)}}
}

// jobColumns returns how many columns of w a job of the forward pass takes. Each job copies x
// again: two jobs a worker, of at most 1024 columns. Of few images there is little to copy, and
// the last job should not be long.
func (s DenseShape) jobColumns(workers int) int {
	return columnBlock * min(max(1, s.Out/(2*workers*columnBlock)), 16, max(1, s.N/2))
}

// jobRows returns how many rows of w a job of the gradients takes: about 48, so that all workers
// have equally many jobs.
func (s DenseShape) jobRows(workers int) int {
	jobs := max(1, (s.rows()+24*workers)/(48*workers)) * workers
	return divUp(s.rows(), jobs)
}

// denseForward is y = x·w with w as it is.
type denseForward struct {
	level   Level
	shape   DenseShape
	columns int // of w, in a job
}

func (*denseForward) Packs() Packs                            { return PacksNothing }
func (*denseForward) PackedSize() int                         { return 0 }
func (*denseForward) PackJobs() int                           { return 0 }
func (*denseForward) Pack(_, _ []float32, _ int, _ []float32) {}
func (p *denseForward) Jobs() int                             { return divUp(p.shape.Out, p.columns) }

func (p *denseForward) Scratch() int {
	return p.level.GemmScratch(p.shape.N, min(p.columns, p.shape.Out), p.shape.In)
}

func (p *denseForward) Run(y, x, w []float32, e Epilogue, job int, scratch []float32) {
	s := &p.shape
	j := job * p.columns
	p.level.Gemm(y[j:], s.Out, Matrix{x, s.In, 1}, Matrix{w[j:], s.Out, 1},
		s.N, min(p.columns, s.Out-j), s.In, e.from(j), scratch)
}

// densePackedForward is y = x·w with w packed.
type densePackedForward struct{ denseForward }

func (*densePackedForward) Packs() Packs      { return PacksKernel }
func (p *densePackedForward) PackedSize() int { return p.level.packedSize(p.shape.In, p.shape.Out) }
func (p *densePackedForward) PackJobs() int   { return p.Jobs() }

func (p *densePackedForward) Pack(packed, w []float32, job int, _ []float32) {
	s := &p.shape
	j := job * p.columns
	p.level.packMatrix(packed, Matrix{w, s.Out, 1}, s.In, j, min(p.columns, s.Out-j))
}

func (p *densePackedForward) Run(y, x, packed []float32, e Epilogue, job int, scratch []float32) {
	s := &p.shape
	j := job * p.columns
	p.level.gemmPacked(y[j:], s.Out, Matrix{x, s.In, 1}, packed[j*s.In:],
		s.N, min(p.columns, s.Out-j), s.In, e.from(j), scratch)
}

// denseInputGradient is dxᵀ = w·dyᵀ.
type denseInputGradient struct {
	level Level
	shape DenseShape
	rows  int // of w, in a job
}

func (*denseInputGradient) Packs() Packs      { return PacksInput }
func (p *denseInputGradient) PackedSize() int { return p.level.packedSize(p.shape.Out, p.shape.N) }
func (p *denseInputGradient) PackJobs() int   { return divUp(p.shape.N, columnBlock) }

func (p *denseInputGradient) Pack(packed, dy []float32, job int, _ []float32) {
	s := &p.shape
	n := job * columnBlock
	p.level.packMatrix(packed, Matrix{dy, 1, s.Out}, s.Out, n, min(columnBlock, s.N-n))
}

func (p *denseInputGradient) Jobs() int { return divUp(p.shape.rows(), p.rows) }

func (p *denseInputGradient) Scratch() int {
	return p.level.GemmScratch(p.rows, 1, p.shape.Out) + p.rows*p.shape.N
}

func (p *denseInputGradient) Run(dx, packed, w []float32, _ Epilogue, job int, scratch []float32) {
	s := &p.shape
	i := job * p.rows
	rows := min(p.rows, s.rows()-i)
	transposed, scratch := scratch[:rows*s.N], scratch[rows*s.N:]
	p.level.gemmPacked(transposed, s.N, Matrix{w[i*s.Out:], s.Out, 1}, packed, rows, s.N, s.Out, Epilogue{}, scratch)
	p.level.transpose(dx[s.From+i:], s.In, transposed, s.N, rows, s.N)
}

// denseGradient is dw = xᵀ·dy.
type denseGradient struct {
	level   Level
	shape   DenseShape
	columns int // of dy, in a job of packing
	rows    int // of dw, in a job
}

func (g *denseGradient) PackedSize() int { return g.level.packedSize(g.shape.N, g.shape.Out) }
func (g *denseGradient) PackJobs() int   { return divUp(g.shape.Out, g.columns) }

func (g *denseGradient) Pack(packed, dy, _ []float32, job int, _ []float32) {
	s := &g.shape
	j := job * g.columns
	g.level.packMatrix(packed, Matrix{dy, s.Out, 1}, s.N, j, min(g.columns, s.Out-j))
}

func (g *denseGradient) Splits() int     { return 1 }
func (g *denseGradient) Split(_ int) int { return 0 }
func (g *denseGradient) Jobs() int       { return divUp(g.shape.rows(), g.rows) }
func (g *denseGradient) Scratch() int    { return g.level.GemmScratch(g.rows, 1, g.shape.N) }

func (g *denseGradient) Run(dw, _, x, packed []float32, job int, scratch []float32) {
	s := &g.shape
	i := job * g.rows
	g.level.gemmPacked(dw[i*s.Out:], s.Out, Matrix{x[s.From+i:], 1, s.In}, packed,
		min(g.rows, s.rows()-i), s.Out, s.N, Epilogue{}, scratch)
}
