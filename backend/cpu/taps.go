package cpu

import (
	"slices"

	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// windowTaps lists, for each pixel that a plan computes, the pixels that it reads and by which tap
// of the window: those of the window for a pixel of y, and for one of x those of y whose windows
// cover it.
type windowTaps struct {
	rows, columns [][]axisTap // by row and by column of what is computed
	runs          []int       // columns from one on whose taps are the same, each one pixel further
	width         int         // columns of what is read
	window        int         // columns of the window
	found         [][]ops.Tap // by worker
}

// axisTap is a tap along one axis: a row or column of what is read, and one of the window.
type axisTap struct{ at, tap int }

// newWindowTaps returns the taps for the pixels of y, and those for the pixels of x.
func newWindowTaps(b *Backend, h, w int, win tensor.Window) (forward, backward *windowTaps) {
	outH, outW := win.Output(h, w)
	rows, rowsBack := axisTaps(h, outH, win.Height, win.StrideH, win.Top)
	columns, columnsBack := axisTaps(w, outW, win.Width, win.StrideW, win.Left)
	of := func(rows, columns [][]axisTap, width int) *windowTaps {
		t := &windowTaps{rows, columns, columnRuns(columns), width, win.Width, make([][]ops.Tap, b.pool.workers)}
		for i := range t.found {
			t.found[i] = make([]ops.Tap, 0, longest(rows)*longest(columns))
		}
		return t
	}
	return of(rows, columns, w), of(rowsBack, columnsBack, outW)
}

func longest(taps [][]axisTap) (most int) {
	for _, t := range taps {
		most = max(most, len(t))
	}
	return most
}

// axisTaps returns the taps of each position of y along an axis, and of each position of x.
func axisTaps(size, out, window, stride, before int) (forward, backward [][]axisTap) {
	forward, backward = make([][]axisTap, out), make([][]axisTap, size)
	for o := range out {
		for tap := range window {
			if i := o*stride + tap - before; i >= 0 && i < size {
				forward[o] = append(forward[o], axisTap{i, tap})
				backward[i] = append(backward[i], axisTap{o, tap})
			}
		}
	}
	return forward, backward
}

// columnRuns returns the runs of columns.
func columnRuns(columns [][]axisTap) []int {
	runs := make([]int, len(columns))
	for c := len(columns) - 1; c >= 0; c-- {
		runs[c] = 1
		if c+1 < len(columns) && slices.EqualFunc(columns[c], columns[c+1], func(a, b axisTap) bool {
			return b == axisTap{a.at + 1, a.tap}
		}) {
			runs[c] += runs[c+1]
		}
	}
	return runs
}

// run returns how many pixels before end have the taps of the first. As pixels follow one another in
// memory, they can be computed like one pixel of so many more images.
func (t *windowTaps) run(first, end int) int {
	return min(end-first, t.runs[first%len(t.columns)])
}

// of returns the taps of a pixel, in row-major order of what is read, valid until the worker's next
// call. They begin at element from of pixels of size elements; a tap has weights elements of w.
func (t *windowTaps) of(worker, pixel, size, from, weights int) []ops.Tap {
	taps := t.found[worker][:0]
	for _, r := range t.rows[pixel/len(t.columns)] {
		for _, c := range t.columns[pixel%len(t.columns)] {
			taps = append(taps, ops.Tap{X: (r.at*t.width+c.at)*size + from, W: (r.tap*t.window + c.tap) * weights})
		}
	}
	return taps
}

// pixelJobs divides pixels of size elements into jobs: several pixels, or a range of the elements
// of one. Jobs of the same range follow one another, so that they find what overlapping windows
// have read in the caches.
type pixelJobs struct {
	pixels, size int
	part         int // elements of a range
	group        int // pixels of a job
	groups, jobs int
}

// newPixelJobs makes jobs of about most elements. A range is a multiple of unit.
func newPixelJobs(pixels, size, unit, most int) pixelJobs {
	j := pixelJobs{pixels: pixels, size: size, part: min(size, max(1, most/unit)*unit), group: 1}
	parts := blocks(size, j.part)
	if parts == 1 {
		j.group = max(1, most/size)
	}
	j.groups = blocks(pixels, j.group)
	j.jobs = j.groups * parts
	return j
}

// most returns the largest number of elements that a job computes.
func (j *pixelJobs) most() int { return j.group * j.part }

// of returns the pixels of a job and the range of their elements.
func (j *pixelJobs) of(job int) (first, end, from, to int) {
	first, end = blockRange(j.pixels, j.group, job%j.groups)
	from, to = blockRange(j.size, j.part, job/j.groups)
	return first, end, from, to
}
