package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

const errPad = "cpu: negative padding"

// Pad makes a plan that puts zeros around images.
func (b *Backend) Pad(s backend.PadSpec) (backend.Activation, error) {
	if min(s.Top, s.Bottom, s.Left, s.Right) < 0 {
		panic(errPad)
	}
	n, h, w, c := s.Shape.NHWC()
	height, width := s.Top+h+s.Bottom, s.Left+w+s.Right
	a := &activation{b: b, x: s.Shape, y: tensor.Shape{n, height, width, c}, forwardJobs: height, backwardJobs: h}
	size := n * c // of a pixel
	a.forwardTask = func(_, row int) {
		y := a.yData.slice(row*width*size, (row+1)*width*size)
		if row < s.Top || row >= s.Top+h {
			y.clear()
			return
		}
		from, to := s.Left*size, (s.Left+w)*size
		y.slice(0, from).clear()
		y.slice(from, to).copy(a.xData.slice((row-s.Top)*w*size, (row-s.Top+1)*w*size))
		y.from(to).clear()
	}
	a.backwardTask = func(_, row int) {
		at := ((s.Top+row)*width + s.Left) * size
		a.dx.slice(row*w*size, (row+1)*w*size).copy(a.dy.slice(at, at+w*size))
	}
	return a, nil
}

// clear sets all elements to zero.
func (a array) clear() {
	clear(a.f32)
	clear(a.bf16)
}

// copy copies as many elements of the same type.
func (a array) copy(src array) {
	copy(a.f32, src.f32)
	copy(a.bf16, src.bf16)
}
