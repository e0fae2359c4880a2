package ops

// winogradGradient is a kernel gradient by one of Winograd's algorithms: for each of the t²
// products dU = Vᵀ·(A·dY·Aᵀ), summed over tiles and images, then dw = Gᵀ·dU·G.
type winogradGradient struct {
	unpacked[float32]
	level     Level
	algorithm Winograd
	shape     convPass // the forward pass
	jobs      []winogradGradientJob
	splits    int
}

// winogradGradientJob is some output channels of dw, from the first on, summed over some blocks of
// rows.
type winogradGradientJob struct {
	split          int
	first, columns int
	blocks         []winogradBlock
}

// newWinogradGradient divides the gradient among workers. A job transforms x once for all its
// columns. How many these are depends on the workers, but the splits and the result don't.
func newWinogradGradient(l Level, w Winograd, s ConvShape, workers int) *winogradGradient {
	const enough = 16
	blocks := w.blocks(s.forward(), winogradGradientRows)
	splits := s.worthSplits(max(1, min(enough/s.columnBlocks(), len(blocks))))
	// Two column blocks to a job, if that leaves two jobs to each worker and the sums of all
	// workers stay in L3.
	columns := columnBlock
	if s.In <= 256 && splits*s.columnBlocks() >= 4*workers {
		columns = 2 * columnBlock
	}
	g := &winogradGradient{level: l.forColumns(s.Out), algorithm: w, shape: s.forward(), splits: splits}
	for split := range splits {
		rows := blocks[len(blocks)*split/splits : len(blocks)*(split+1)/splits]
		for j := 0; j < s.Out; j += columns {
			g.jobs = append(g.jobs, winogradGradientJob{split, j, min(columns, s.Out-j), rows})
		}
	}
	return g
}

// winogradGradientRows is about how many rows of the matrices a block has. With few they and the
// gradients stay in L2, with many the gradients are added to less often.
const winogradGradientRows = 48

// maxRows returns the number of rows of the largest block.
func (j *winogradGradientJob) maxRows() int {
	rows := 0
	for i := range j.blocks {
		rows = max(rows, j.blocks[i].rows())
	}
	return rows
}

func (g *winogradGradient) Splits() int       { return g.splits }
func (g *winogradGradient) Jobs() int         { return len(g.jobs) }
func (g *winogradGradient) Split(job int) int { return g.jobs[job].split }

func (g *winogradGradient) Scratch() int {
	rows, columns := 0, 0
	for i := range g.jobs {
		rows, columns = max(rows, g.jobs[i].maxRows()), max(columns, g.level.wholePanels(g.jobs[i].columns))
	}
	s := &g.shape
	return tmpSize + rows*max(s.In, s.Out) +
		g.algorithm.products()*(planeStride(s.In*columns)+planeStride(rows*columns)+planeStride(rows*columnBlock))
}

func (g *winogradGradient) Run(dw, dy, x, _ []float32, jobIndex int, scratch []float32) {
	l, w, s, job := g.level, g.algorithm, &g.shape, &g.jobs[jobIndex]
	products := w.products()
	width := l.panelWidth()
	rows := job.maxRows()
	columns := l.wholePanels(job.columns)
	uStride, dStride, vStride := planeStride(s.In*columns), planeStride(rows*columns), planeStride(rows*columnBlock)
	space := workspace(scratch)
	tmp, du := space.take(tmpSize), space.take(products*uStride)
	d, v := space.take(products*dStride), space.take(products*vStride)
	other := space.take(rows * max(s.In, s.Out))
	clear(other)
	clear(du) // [product][In][columns]
	if job.columns < columns {
		clear(d)
	}

	var src, dst planes
	var zero [1]segment
	var all [36]int
	for i := range job.blocks {
		b := &job.blocks[i]
		rows, needed := b.rows(), w.needed(s, b, &all)
		for t := range b.tiles {
			src.outputs(dy[job.first:], s, w, b.tile+t, b.n, other)
			dst.evenly(d[t*b.images*columns:], products, dStride)
			l.apply(w, toGradient, &dst, &src, b.images, job.columns, columns, s.Out, 0, tmp)
		}
		for i0 := 0; i0 < s.In; i0 += columnBlock {
			channels := min(columnBlock, s.In-i0)
			for t := range b.tiles {
				src.inputs(x[i0:], s, w, b.tile+t, b.n, other)
				dst.evenly(v[t*b.images*channels:], products, vStride)
				l.apply(w, toInput, &dst, &src, b.images, channels, channels, s.In, 0, tmp)
			}
			for _, k := range needed {
				for j := 0; j < columns; j += width {
					l.panel(du[k*uStride+i0*columns+j:], columns, channels, v[k*vStride:], 1, channels,
						d[k*dStride+j:], columns, zero[:], rows, nil, tileAdd, prefetch{})
				}
			}
		}
	}
	src.evenly(du, products, uStride)
	for tap := range 9 {
		dst[tap] = dw[tap*s.In*s.Out+job.first:]
	}
	l.apply(w, fromKernel, &dst, &src, s.In, job.columns, s.Out, columns, 0, tmp)
}
