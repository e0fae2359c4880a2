package cpu

import (
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// windowTaps lists, for each pixel that a plan computes, the pixels that it reads and by which tap
// of the window: those of the window for a pixel of y, and for one of x those of y whose windows
// cover it.
type windowTaps struct {
	rows, columns []axisTaps  // by row and by column of what is computed
	runs          []int       // columns from one on whose taps are the same, each one pixel further
	width         int         // columns of what is read
	window        int         // columns of the window
	found         [][]ops.Tap // by worker
}

// axisTaps are count taps along one axis. They read consecutive rows or columns from first on, and
// are the taps tap, tap + step… of the window.
type axisTaps struct{ first, tap, step, count int }

// newWindowTaps returns the taps for the pixels of y, and those for the pixels of x.
func newWindowTaps(b *Backend, h, w int, win tensor.Window) (forward, backward *windowTaps) {
	outH, outW := win.Output(h, w)
	rows, rowsBack := tapsOfAxis(h, outH, win.Height, win.StrideH, win.Top)
	columns, columnsBack := tapsOfAxis(w, outW, win.Width, win.StrideW, win.Left)
	of := func(rows, columns []axisTaps, width int) *windowTaps {
		t := &windowTaps{rows, columns, columnRuns(columns), width, win.Width, make([][]ops.Tap, b.pool.workers)}
		for i := range t.found {
			t.found[i] = make([]ops.Tap, 0, longest(rows)*longest(columns))
		}
		return t
	}
	return of(rows, columns, w), of(rowsBack, columnsBack, outW)
}

func longest(taps []axisTaps) (most int) {
	for _, t := range taps {
		most = max(most, t.count)
	}
	return most
}

// tapsOfAxis returns the taps of each position of y along an axis, and of each position of x. It
// takes no time for taps in the padding, of which a window may have billions.
func tapsOfAxis(size, out, window, stride, before int) (forward, backward []axisTaps) {
	forward, backward = make([]axisTaps, out), make([]axisTaps, size)
	for o := range forward {
		at := o*stride - before // of tap 0
		tap := max(0, -at)
		forward[o] = axisTaps{at + tap, tap, 1, max(0, min(window, size-at)-tap)}
	}
	for i := range backward {
		last := i + before // the tap that output 0 has there
		o := max(0, last-window+stride) / stride
		backward[i] = axisTaps{o, last - o*stride, -stride, max(0, min(out-1, last/stride)-o+1)}
	}
	return forward, backward
}

// columnRuns returns the runs of columns.
func columnRuns(columns []axisTaps) []int {
	runs := make([]int, len(columns))
	for c := len(columns) - 1; c >= 0; c-- {
		runs[c] = 1
		next := columns[c]
		next.first++
		if c+1 < len(columns) && columns[c+1] == next {
			runs[c] += runs[c+1]
		}
	}
	return runs
}

// run returns how many pixels before end have the taps of the first. As pixels follow one another
// in memory, they can be computed like one pixel of so many more images.
func (t *windowTaps) run(first, end int) int {
	return min(end-first, t.runs[first%len(t.columns)])
}

// of returns the taps of a pixel, in row-major order of what is read, valid until the worker's next
// call. They begin at element from of pixels of size elements; a tap has weights elements of w.
func (t *windowTaps) of(worker, pixel, size, from, weights int) []ops.Tap {
	taps := t.found[worker][:0]
	rows, columns := t.rows[pixel/len(t.columns)], t.columns[pixel%len(t.columns)]
	for r := range rows.count {
		row, tapRow := rows.first+r, rows.tap+r*rows.step
		for c := range columns.count {
			taps = append(taps, ops.Tap{X: (row*t.width+columns.first+c)*size + from,
				W: (tapRow*t.window + columns.tap + c*columns.step) * weights})
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
