package cpu

import (
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// windows divides a 2x2 max pool into jobs: each takes a part of the images, for one pixel of y
// and the four of x in its window. Pixels of an odd last row or column, which no
// window has, are jobs of their own where they matter.
type windows struct {
	ops.Window
	block    int // numbers of a pixel, N·C
	size     int // of a part of them
	parts    int // of a pixel
	w, outW  int // pixels in a row of x and of y
	jobs     int
	outside  []int // pixels of x that no window has
	restJobs int
}

// newWindows divides x of shape (n, h, w, c) into parts of at most size numbers.
func newWindows(n, h, w, c, size int) windows {
	block := n * c
	size = min(size, block)
	v := windows{
		Window: ops.Window{Right: block, Down: w * block},
		block:  block, size: size, parts: blocks(block, size),
		w: w, outW: w / 2,
	}
	for i := range h * w {
		if i/w >= h/2*2 || i%w >= w/2*2 {
			v.outside = append(v.outside, i)
		}
	}
	v.jobs = (h / 2) * (w / 2) * v.parts
	v.restJobs = len(v.outside) * v.parts
	return v
}

// pooled returns the shape of y.
func (*windows) pooled(x tensor.Shape) tensor.Shape {
	n, h, w, c := x.NHWC()
	return tensor.Shape{n, h / 2, w / 2, c}
}

// of returns where the part of a job begins and ends in y, and where its first pixel
// begins in x.
func (v *windows) of(job int) (from, to, at int) {
	pixel := job / v.parts
	from, to = blockRange(v.block, v.size, job%v.parts)
	at = (2*(pixel/v.outW)*v.w+2*(pixel%v.outW))*v.block + from
	return pixel*v.block + from, pixel*v.block + to, at
}

// rest returns where part i of the pixels outside all windows begins and ends in x.
func (v *windows) rest(i int) (from, to int) {
	from, to = blockRange(v.block, v.size, i%v.parts)
	at := v.outside[i/v.parts] * v.block
	return at + from, at + to
}
