package ops

// The gradient of a convolution's kernel by Winograd's algorithms: for each of the t² products
// dU = Vᵀ·(A·dY·Aᵀ), summed over tiles and images, then dw = Gᵀ·dU·G.

// WinogradFilterJob is a part of the gradient of a kernel: some groups of output channels, summed
// over some of the blocks.
type WinogradFilterJob struct {
	Split         int
	group, groups int // first, and how many
	blocks        []winogradBlock
}

// FilterJobs divides the gradient of a kernel among workers, and tells into how many splits, as
// ConvShape.FilterJobs does. A job transforms x once for all its groups; how many these are depends on the
// workers, but the result does not.
func (w Winograd) FilterJobs(s ConvShape, workers int) (jobs []WinogradFilterJob, splits int) {
	const enough = 16
	blocks := w.blocks(s, filterRows)
	splits = max(1, min(enough/s.Groups(), len(blocks)))
	gradient := s.taps() * s.In * s.Out
	for splits > 1 && 2*splits*gradient > s.N*s.H*s.W*(s.In+s.Out) {
		splits /= 2
	}
	// Two groups to a job, if two jobs are left for each worker and the sums of all workers stay in the
	// third-level cache.
	groups := 1
	if s.In <= 256 && splits*s.Groups() >= 4*workers {
		groups = 2
	}
	for split := range splits {
		part := blocks[len(blocks)*split/splits : len(blocks)*(split+1)/splits]
		for g := 0; g < s.Groups(); g += groups {
			jobs = append(jobs, WinogradFilterJob{split, g, min(groups, s.Groups()-g), part})
		}
	}
	return jobs, splits
}

// filterRows is about how many rows of the matrices a block has. Few leave them and the
// gradients in the second-level cache, many add to the gradients less often.
const filterRows = 48

// maxRows returns the number of rows of the largest block.
func (j *WinogradFilterJob) maxRows() int {
	rows := 0
	for i := range j.blocks {
		rows = max(rows, j.blocks[i].rows())
	}
	return rows
}

// WinogradFilterScratch returns the number of floats that WinogradBackwardFilter needs for any
// job.
func (l Level) WinogradFilterScratch(w Winograd, s ConvShape, jobs []WinogradFilterJob) int {
	rows, columns := 0, 0
	for i := range jobs {
		rows, columns = max(rows, jobs[i].maxRows()), max(columns, l.columns(s, jobs[i].group, jobs[i].groups))
	}
	t := w.tile().t
	return tmpSize + t*t*(planeStride(s.In*columns)+planeStride(rows*columns)+planeStride(rows*GroupColumns)) + rows*max(s.In, s.Out)
}

// WinogradBackwardFilter computes a job's part of dw (3, 3, In, Out).
func (l Level) WinogradBackwardFilter(dw, dy, x []float32, w Winograd, s ConvShape, job *WinogradFilterJob, scratch []float32) {
	g := w.tile()
	products := g.t * g.t
	width := l.panelWidth()
	rows := job.maxRows()
	columns := l.columns(s, job.group, job.groups)
	uStride, dStride, vStride := planeStride(s.In*columns), planeStride(rows*columns), planeStride(rows*GroupColumns)
	take := func(n int) []float32 {
		part := scratch[:n]
		scratch = scratch[n:]
		return part
	}
	tmp, du := take(tmpSize), take(products*uStride)
	d, v := take(products*dStride), take(products*vStride)
	other := take(rows * max(s.In, s.Out))
	clear(other)
	clear(du) // [product][In][columns]
	j0 := job.group * GroupColumns
	valid := min(columns, s.Out-j0)
	if valid < columns {
		clear(d)
	}

	var src, dst planes
	var zero [1]segment
	for i := range job.blocks {
		b := &job.blocks[i]
		rows := b.rows()
		for tile := range b.tiles {
			src.pixels(dy[j0:], s, w, b.tile+tile, g.out, 0, b.n, s.Out, other)
			dst.evenly(d[tile*b.images*columns:], products, dStride)
			l.apply(w, toGradient, &dst, &src, b.images, valid, columns, s.Out, 0, tmp)
		}
		for i0 := 0; i0 < s.In; i0 += GroupColumns {
			channels := min(GroupColumns, s.In-i0)
			for tile := range b.tiles {
				src.pixels(x[i0:], s, w, b.tile+tile, g.in, g.halo, b.n, s.In, other)
				dst.evenly(v[tile*b.images*channels:], products, vStride)
				l.apply(w, toInput, &dst, &src, b.images, channels, channels, s.In, 0, tmp)
			}
			for k := range products {
				for j := 0; j < columns; j += width {
					l.panel(du[k*uStride+i0*columns+j:], columns, channels, v[k*vStride:], 1, channels,
						d[k*dStride+j:], columns, zero[:], rows, nil, tileAdd, prefetch{})
				}
			}
		}
	}
	src.evenly(du, products, uStride)
	for tap := range 9 {
		dst[tap] = dw[tap*s.In*s.Out+j0:]
	}
	l.apply(w, fromKernel, &dst, &src, s.In, valid, s.Out, columns, 0, tmp)
}
