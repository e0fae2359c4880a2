package ops

// DenseBF16 computes a dense layer on bf16:
//
//	y = x·w          jobs are columns of w; the rows of x are padded first
//	dxᵀ = w·dyᵀ      jobs are rows of w; dyᵀ is packed first; dx is the transpose
//	dw = xᵀ·dy       jobs are rows of dw; xᵀ is made and dy is packed first
//
// The kernel that the passes read is all of w, packed.
var DenseBF16 Algorithm[DenseShape, BF16] = denseBF16{}

type denseBF16 struct{}

func (denseBF16) Forward(l Level, s DenseShape, _ int) Pass[BF16] {
	return &denseForwardBF16{l, s}
}

func (denseBF16) InputGradient(l Level, s DenseShape, _ int) Pass[BF16] {
	return &denseInputGradientBF16{l, s}
}

func (denseBF16) KernelGradient(l Level, s DenseShape, _ int) Gradient[BF16] {
	return &denseGradientBF16{l, s}
}

// How many columns of w a job of y takes, and how many rows a job of dx: with fewer the other
// operand is read more often, with more there are too few jobs.
const (
	denseColumnsBF16 = 4 * columnBlock
	denseRowsBF16    = 2 * columnBlock
)

// denseForwardBF16 is y = x·w.
type denseForwardBF16 struct {
	level Level
	shape DenseShape
}

func (*denseForwardBF16) Packs() Packs      { return PacksInput }
func (p *denseForwardBF16) PackedSize() int { return p.shape.N * strideBF16(p.shape.In) / 2 }
func (p *denseForwardBF16) PackJobs() int   { return p.shape.N }

func (p *denseForwardBF16) Pack(packed, x []BF16, row int, _ []float32) {
	in := p.shape.In
	to := packed[row*strideBF16(in):][:padBF16(in)]
	copy(to, x[row*in:][:in])
	clear(to[in:])
}

func (p *denseForwardBF16) Jobs() int { return divUp(p.shape.Out, denseColumnsBF16) }

func (p *denseForwardBF16) Scratch() int {
	return denseColumnsBF16*p.shape.N + p.level.gemmScratchBF16(p.shape.N, padBF16(p.shape.In))
}

func (p *denseForwardBF16) Run(y, packed, w []BF16, e Epilogue, job int, scratch []float32) {
	l, s := p.level, &p.shape
	j := job * denseColumnsBF16
	columns, k := min(denseColumnsBF16, s.Out-j), padBF16(s.In)
	sums, scratch := scratch[:s.N*columns], scratch[s.N*columns:]
	l.gemmBF16(sums, columns, packed, strideBF16(s.In), w[j*k:], s.N, columns, k, scratch)
	for n := range s.N {
		row := sums[n*columns:][:columns]
		if e.Bias != nil {
			Add(row, e.Bias[j:][:columns])
		}
		if e.ReLU {
			l.ReLU(row, row)
		}
		l.finish(blockC{row, columns, 1, columns}, e.Function)
		l.RoundBF16(y[n*s.Out+j:][:columns], row)
	}
}

// denseInputGradientBF16 is dxᵀ = w·dyᵀ.
type denseInputGradientBF16 struct {
	level Level
	shape DenseShape
}

func (*denseInputGradientBF16) Packs() Packs { return PacksInput }
func (p *denseInputGradientBF16) PackedSize() int {
	return PackedMatrixSizeBF16(p.shape.Out, p.shape.N) / 2
}
func (p *denseInputGradientBF16) PackJobs() int { return divUp(p.shape.N, columnBlock) }

func (p *denseInputGradientBF16) Pack(packed, dy []BF16, job int, _ []float32) {
	s := &p.shape
	n := job * columnBlock
	p.level.packMatrixBF16(packed, matrixBF16{dy, 1, s.Out}, s.Out, n, min(columnBlock, s.N-n))
}

func (p *denseInputGradientBF16) Jobs() int { return divUp(p.shape.rows(), denseRowsBF16) }

func (p *denseInputGradientBF16) Scratch() int {
	return 2*denseRowsBF16*p.shape.N + p.level.gemmScratchBF16(denseRowsBF16, padBF16(p.shape.Out))
}

func (p *denseInputGradientBF16) Run(dx, packed, w []BF16, _ Epilogue, job int, scratch []float32) {
	l, s := p.level, &p.shape
	i := job * denseRowsBF16
	rows := min(denseRowsBF16, s.rows()-i)
	transposed, scratch := scratch[:rows*s.N], scratch[rows*s.N:]
	l.gemmPackedRows(transposed, s.N, w, s.In, s.From+i, packed, rows, s.N, s.Out, scratch)
	sums := scratch[:s.N*rows]
	l.transpose(sums, rows, transposed, s.N, rows, s.N)
	for n := range s.N {
		l.RoundBF16(dx[n*s.In+s.From+i:][:rows], sums[n*rows:][:rows])
	}
}

// denseGradientBF16 is dw = xᵀ·dy. Its packed operands are xᵀ, and dy behind it.
type denseGradientBF16 struct {
	level Level
	shape DenseShape
}

// denseSumsBF16 is how many columns of dw are summed in the caches before they are stored.
const denseSumsBF16 = 512

// operands returns xᵀ and dy of what is packed.
func (g *denseGradientBF16) operands(packed []BF16) (x, dy []BF16) {
	size := g.shape.rows() * strideBF16(g.shape.N)
	return packed[:size], packed[size:]
}

func (g *denseGradientBF16) PackedSize() int {
	return (g.shape.rows()*strideBF16(g.shape.N) + PackedMatrixSizeBF16(g.shape.N, g.shape.Out)) / 2
}

func (g *denseGradientBF16) PackJobs() int { return g.Jobs() + divUp(g.shape.Out, columnBlock) }

// Pack transposes some columns of x, or packs a column block of dy.
func (g *denseGradientBF16) Pack(packed, dy, x []BF16, job int, scratch []float32) {
	s := &g.shape
	toX, toDY := g.operands(packed)
	if job < g.Jobs() {
		i := job * columnBlock
		stride := strideBF16(s.N)
		g.level.transposeBF16(toX[i*stride:], stride, x[s.From+i:], s.In, s.N, min(columnBlock, s.rows()-i), scratch)
		return
	}
	j := (job - g.Jobs()) * columnBlock
	g.level.packMatrixBF16(toDY, matrixBF16{dy, s.Out, 1}, s.N, j, min(columnBlock, s.Out-j))
}

func (g *denseGradientBF16) Splits() int     { return 1 }
func (g *denseGradientBF16) Split(_ int) int { return 0 }
func (g *denseGradientBF16) Jobs() int       { return divUp(g.shape.rows(), columnBlock) }

func (g *denseGradientBF16) Scratch() int {
	n := g.shape.N
	return max(transposeScratchBF16(n), columnBlock*denseSumsBF16+g.level.gemmScratchBF16(columnBlock, padBF16(n)))
}

func (g *denseGradientBF16) Run(dw []float32, _, _, packed []BF16, job int, scratch []float32) {
	l, s := g.level, &g.shape
	i := job * columnBlock
	rows, n, stride := min(columnBlock, s.rows()-i), padBF16(s.N), strideBF16(s.N)
	x, dy := g.operands(packed)
	sums, scratch := scratch[:rows*denseSumsBF16], scratch[rows*denseSumsBF16:]
	for j := 0; j < s.Out; j += denseSumsBF16 {
		columns := min(denseSumsBF16, s.Out-j)
		l.gemmBF16(sums, columns, x[i*stride:], stride, dy[j*n:], rows, columns, n, scratch)
		l.storeRows(dw[i*s.Out+j:], s.Out, sums, columns, rows, columns)
	}
}
