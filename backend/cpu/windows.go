package cpu

import (
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// windows divides a 2x2 max pool into jobs. Each takes a range of the images, for one pixel of y
// and the four of x in its window. Pixels of an odd last row or column are in no window; where they
// matter they are jobs of their own.
type windows struct {
	ops.Window2x2
	block    int // elements of a pixel, N·C
	size     int // elements of a job
	splits   int // jobs of a pixel
	w, outW  int // pixels in a row of x and of y
	jobs     int
	outside  []int // pixels of x in no window
	restJobs int
}

// newWindows divides x of shape (n, h, w, c) into jobs of at most size elements.
func newWindows(n, h, w, c, size int) windows {
	block := n * c
	size = min(size, block)
	v := windows{
		Window2x2: ops.Window2x2{Right: block, Down: w * block},
		block:     block, size: size, splits: blocks(block, size),
		w: w, outW: w / 2,
	}
	for i := range h * w {
		if i/w >= h/2*2 || i%w >= w/2*2 {
			v.outside = append(v.outside, i)
		}
	}
	v.jobs = (h / 2) * (w / 2) * v.splits
	v.restJobs = len(v.outside) * v.splits
	return v
}

// pooled returns the shape of y.
func (*windows) pooled(x tensor.Shape) tensor.Shape {
	n, h, w, c := x.NHWC()
	return tensor.Shape{n, h / 2, w / 2, c}
}

// of returns the range of a job in y, and the start of its first pixel in x.
func (v *windows) of(job int) (from, to, at int) {
	pixel := job / v.splits
	from, to = blockRange(v.block, v.size, job%v.splits)
	at = (2*(pixel/v.outW)*v.w+2*(pixel%v.outW))*v.block + from
	return pixel*v.block + from, pixel*v.block + to, at
}

// rest returns the range in x of job i of the pixels outside all windows.
func (v *windows) rest(i int) (from, to int) {
	from, to = blockRange(v.block, v.size, i%v.splits)
	at := v.outside[i/v.splits] * v.block
	return at + from, at + to
}
