package ops

import "math"

// The forward pass of a convolution by Winograd's algorithms, and the backward pass to the
// input, which is a forward pass with the kernel turned.

// WinogradKernelSize returns the number of floats of a transformed kernel.
func (l Level) WinogradKernelSize(w Winograd, s ConvShape) int {
	t := w.tile().t
	return t * t * l.kernelStride(s)
}

// kernelStride is the distance of the matrices of a transformed kernel.
func (l Level) kernelStride(s ConvShape) int { return planeStride(l.packedSize(s.In, s.Out)) }

// WinogradKernelScratch returns the number of floats that WinogradKernel needs.
func (l Level) WinogradKernelScratch() int {
	return tmpSize + 36*planeStride(GroupColumns*GroupColumns)
}

// WinogradKernel transforms one group of the kernel (3, 3, In, Out) and packs it: t² matrices
// of In rows and Out columns. turned is as in PackKernelTurned.
func (l Level) WinogradKernel(u, kernel []float32, w Winograd, s ConvShape, group int, turned bool, scratch []float32) {
	tmp, block := scratch[:tmpSize], scratch[tmpSize:]
	t := w.tile().t
	width, stride := l.panelWidth(), l.kernelStride(s)
	first := group * GroupColumns
	last := min(first+GroupColumns, s.Out)
	var src, dst planes
	if !turned {
		for j := first; j < last; j += width {
			for tap := range 9 {
				src[tap] = kernel[tap*s.In*s.Out+j:]
			}
			dst.evenly(u[j*s.In:], t*t, stride)
			if last-j < width {
				for k := range t * t {
					clear(dst[k][:s.In*width])
				}
			}
			l.apply(w, toKernel, &dst, &src, s.In, min(width, last-j), width, s.Out, 0, tmp)
		}
		return
	}
	// Blocks of 64 by 64 channels are transformed as they stand, and turned when packed.
	dst.evenly(block, t*t, planeStride(GroupColumns*GroupColumns))
	for i := 0; i < s.In; i += GroupColumns {
		depth := min(GroupColumns, s.In-i)
		for tap := range 9 {
			src[tap] = kernel[((8-tap)*s.Out+first)*s.In+i:]
		}
		l.apply(w, toKernel, &dst, &src, last-first, depth, depth, s.In, 0, tmp)
		for k := range t * t {
			l.packPanels(u[k*stride+first*s.In+i*width:], s.In*width, dst[k], 1, depth, depth, last-first)
		}
	}
}

// WinogradJob is a part of a pass: some rows, and the columns of some groups.
type WinogradJob struct {
	block         winogradBlock
	group, groups int
}

// WinogradJobs divides a pass among workers. A job that computes all columns transforms its inputs
// once; only where there are fewer blocks than workers the columns are divided too. The
// result does not depend on it.
func WinogradJobs(w Winograd, s ConvShape, workers int) []WinogradJob {
	blocks := w.blocks(s, passRows(s))
	parts := (workers + len(blocks) - 1) / len(blocks)
	groups := max(1, s.Groups()/parts)
	var jobs []WinogradJob
	for _, b := range blocks {
		for g := 0; g < s.Groups(); g += groups {
			jobs = append(jobs, WinogradJob{b, g, min(groups, s.Groups()-g)})
		}
	}
	return jobs
}

// passRows is about how many rows a block of a pass should have: many use what is read of the
// kernel well, few leave the matrices V and M in the second-level cache.
func passRows(s ConvShape) int {
	switch {
	case s.In <= 64:
		return 48
	case s.In <= 128:
		return 32
	}
	return 64
}

// WinogradScratch returns the number of floats that WinogradForward needs for any job.
func (l Level) WinogradScratch(w Winograd, s ConvShape, jobs []WinogradJob) int {
	t := w.tile().t
	need := 0
	for i := range jobs {
		j := &jobs[i]
		rows, columns := j.block.rows(), l.columns(s, j.group, j.groups)
		need = max(need, tmpSize+t*t*(planeStride(rows*s.In)+planeStride(rows*columns))+j.block.images*max(s.In, s.Out)+columns)
	}
	return need
}

// columns returns the number of columns of the panels of some groups.
func (l Level) columns(s ConvShape, group, groups int) int {
	width := l.panelWidth()
	return (min(groups*GroupColumns, s.Out-group*GroupColumns) + width - 1) / width * width
}

// WinogradForward computes a job of y = conv(x, kernel) and what p asks for, with a
// kernel from WinogradKernel.
func (l Level) WinogradForward(y, x, u []float32, w Winograd, s ConvShape, job *WinogradJob, p Product, scratch []float32) {
	g, b := w.tile(), &job.block
	products := g.t * g.t
	width, rows := l.panelWidth(), b.rows()
	columns := l.columns(s, job.group, job.groups)
	first := job.group * GroupColumns
	valid := min(columns, s.Out-first)
	vStride, mStride, uStride := planeStride(rows*s.In), planeStride(rows*columns), l.kernelStride(s)
	take := func(n int) []float32 {
		part := scratch[:n]
		scratch = scratch[n:]
		return part
	}
	tmp, v, m := take(tmpSize), take(products*vStride), take(products*mStride)
	other, bias := take(b.images*max(s.In, s.Out)), take(columns)

	var src, dst planes
	clear(other)
	for t := range b.tiles {
		src.pixels(x, s, w, b.tile+t, g.in, g.halo, b.n, s.In, other)
		dst.evenly(v[t*b.images*s.In:], products, vStride)
		l.apply(w, toInput, &dst, &src, b.images, s.In, s.In, s.In, 0, tmp)
	}

	clear(bias)
	if p.Bias != nil {
		copy(bias, p.Bias[first:first+valid])
	}
	// One column of Aᵀ is all ones: what is added to that product comes to every output.
	ones := (g.t + 1) * g.ones
	var zero [1]segment
	for k := range products {
		for j := 0; j < columns; j += width {
			var start []float32
			if k == ones {
				start = bias[j:]
			}
			// The panels are many times what the second-level cache holds: fetch the next one meanwhile.
			next := k*uStride + (first+j+width)*s.In
			if j+width == columns {
				next = (k+1)*uStride + first*s.In
			}
			l.panel(m[k*mStride+j:], columns, rows, v[k*vStride:], s.In, 1,
				u[k*uStride+(first+j)*s.In:], width, zero[:], s.In, start, 0, prefetch{from: u[min(next, len(u)):]})
		}
	}

	floor := float32(math.Inf(-1))
	if p.ReLU {
		floor = 0
	}
	for t := range b.tiles {
		src.evenly(m[t*b.images*columns:], products, mStride)
		dst.pixels(y[first:], s, w, b.tile+t, g.out, 0, b.n, s.Out, other)
		l.apply(w, toOutput, &dst, &src, b.images, valid, s.Out, columns, floor, tmp)
	}
}
