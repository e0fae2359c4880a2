package ops

// The gradient of a convolution's kernel: for each tap the product of xᵀ, moved by the tap, and
// dy, over all pixels and images that the tap sees. In the layout HWNC these are rows of
// both matrices in order, so that x is used where it stands, and dy, packed once for
// all taps, too.

// filterDepth is how many rows of dy are packed at a time, at least one position's.
const filterDepth = 512

// FilterJob is a part of the gradient of a kernel: some input channels, one group
// of output channels, summed over some rows of the picture. The jobs of one
// Split are the whole gradient summed over the same rows.
type FilterJob struct {
	Split, group   int
	i0, i1, h0, h1 int
}

// FilterJobs divides the gradient of a kernel, and tells into how many splits. It depends on
// the shape only, so that sums do not depend on the number of workers.
func (s ConvShape) FilterJobs() (jobs []FilterJob, splits int) {
	// About 16 jobs at least, and as little traffic as possible: a job of all input
	// channels reads x and dy once, but each split costs a gradient more.
	const enough = 16
	splits = max(1, min(enough/s.Groups(), s.H))
	gradient := s.taps() * s.In * s.Out
	for splits > 1 && 2*splits*gradient > s.N*s.H*s.W*(s.In+s.Out) {
		splits /= 2
	}
	parts := (s.In + 63) / 64
	for parts*8 < s.In && parts*splits*s.Groups() < enough {
		parts++
	}
	for split := range splits {
		for part := range parts {
			for group := range s.Groups() {
				jobs = append(jobs, FilterJob{
					Split: split, group: group,
					i0: s.In * part / parts, i1: s.In * (part + 1) / parts,
					h0: s.H * split / splits, h1: s.H * (split + 1) / splits,
				})
			}
		}
	}
	return jobs, splits
}

// positions returns how many positions of a row of the picture are packed at a time.
func (s ConvShape) positions() int { return max(1, min(s.W, filterDepth/s.N)) }

// FilterScratch returns the number of floats that ConvBackwardFilter needs for any job.
func (l Level) FilterScratch(s ConvShape, jobs []FilterJob) int {
	channels := 0
	for _, j := range jobs {
		channels = max(channels, j.i1-j.i0)
	}
	columns := min(GroupColumns, (s.Out+l.panelWidth()-1)/l.panelWidth()*l.panelWidth())
	return columns * (s.taps()*channels + s.positions()*s.N)
}

// ConvBackwardFilter computes a job's part of dw (k, k, In, Out), the gradient of the
// kernel.
func (l Level) ConvBackwardFilter(dw, dy, x []float32, s ConvShape, job FilterJob, scratch []float32) {
	width := l.panelWidth()
	j := job.group * GroupColumns
	columns := min(GroupColumns, s.Out-j)
	panels := (columns + width - 1) / width
	channels := job.i1 - job.i0
	pad := s.Kernel / 2

	// Sums stand in scratch as [panel][tap][channel][width]: one piece, and no columns' tail.
	sums := scratch[:panels*s.taps()*channels*width]
	packed := scratch[len(sums):]
	clear(sums)
	for h := job.h0; h < job.h1; h++ {
		for w0 := 0; w0 < s.W; w0 += s.positions() {
			w1 := min(w0+s.positions(), s.W)
			depth := (w1 - w0) * s.N
			l.packPanels(packed, depth*width, dy[(h*s.W+w0)*s.N*s.Out+j:], s.Out, 1, depth, columns)
			for t := range s.taps() {
				dh, dw := t/s.Kernel-pad, t%s.Kernel-pad
				from, to := max(w0, -dw), min(w1, s.W-dw) // positions whose tap is inside
				if h+dh < 0 || h+dh >= s.H || from >= to {
					continue
				}
				seg := [1]segment{{
					a: ((h+dh)*s.W+from+dw)*s.N*s.In + job.i0,
					b: (from - w0) * s.N * width,
				}}
				for p := range panels {
					l.panel(sums[(p*s.taps()+t)*channels*width:], width, channels, x, 1, s.In,
						packed[p*depth*width:], width, seg[:], (to-from)*s.N, nil, tileAdd, prefetch{})
				}
			}
		}
	}
	for p := range panels {
		m := min(width, columns-p*width)
		for t := range s.taps() {
			for i := range channels {
				copy(dw[(t*s.In+job.i0+i)*s.Out+j+p*width:][:m], sums[((p*s.taps()+t)*channels+i)*width:])
			}
		}
	}
}
