package backendtest

import (
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/philox"
	"github.com/lamina-go/lamina/tensor"
)

// pooled returns the shape after a 2x2 max pool of stride 2.
func pooled(x tensor.Shape) tensor.Shape {
	n, h, w, c := x.NHWC()
	return tensor.Shape{n, h / 2, w / 2, c}
}

// eachWindow calls f for each element of the pooled image, with the indices of the four
// elements of x in its window, in row-major order.
func eachWindow(shape tensor.Shape, f func(y int, x [4]int)) {
	n, h, w, c := shape.NHWC()
	y := 0
	for n := range n {
		for ph := range h / 2 {
			for pw := range w / 2 {
				for ch := range c {
					first := ((n*h+2*ph)*w+2*pw)*c + ch
					f(y, [4]int{first, first + c, first + w*c, first + w*c + c})
					y++
				}
			}
		}
	}
}

// largest returns which of the four elements of x is the maximum, the first of equals,
// where a NaN is above all other values.
func largest(x []float64, window [4]int) int {
	best := window[0]
	for _, i := range window[1:] {
		if x[i] > x[best] || math.IsNaN(x[i]) && !math.IsNaN(x[best]) {
			best = i
		}
	}
	return best
}

func maxPool(y, x []float64, shape tensor.Shape) {
	eachWindow(shape, func(i int, window [4]int) { y[i] = x[largest(x, window)] })
}

func maxPoolBackward(dx, dy, x []float64, shape tensor.Shape) {
	to := make([]int, len(dy)) // dx may be x
	eachWindow(shape, func(i int, window [4]int) { to[i] = largest(x, window) })
	clear(dx)
	for i, d := range dy {
		dx[to[i]] = d
	}
}

// activation is a plan from two functions on plain slices.
type activation struct {
	ref      *reference
	x, y     tensor.Shape
	forward  func(y, x []float64)
	backward func(dx, dy, x []float64)
}

func (a *activation) Forward(y, x tensor.Tensor) {
	if y == x {
		panic(errSame)
	}
	a.forward(a.ref.arg(y, a.y), a.ref.arg(x, a.x))
}

func (a *activation) Backward(dx, dy, x tensor.Tensor) {
	a.backward(a.ref.arg(dx, a.x), a.ref.arg(dy, a.y), a.ref.arg(x, a.x))
}

func (r *reference) Pool(s backend.PoolSpec) (backend.Activation, error) {
	if s.Window != tensor.Square(2, 2) || s.Kind == backend.AveragePool {
		return nil, errUnsupported
	}
	shape := s.Shape
	return &activation{r, shape, pooled(shape),
		func(y, x []float64) { maxPool(y, x, shape) },
		func(dx, dy, x []float64) { maxPoolBackward(dx, dy, x, shape) }}, nil
}

func (r *reference) Flatten(shape tensor.Shape) (backend.Activation, error) {
	n, h, w, c := shape.NHWC()
	return &activation{r, shape, tensor.Shape{n, h * w * c},
		func(y, x []float64) { copy(y, x) },
		func(dx, dy, _ []float64) { copy(dx, dy) }}, nil
}

// maskIndex returns which element of the mask belongs to each element of x in row-major order.
func maskIndex(s backend.DropoutSpec) []int {
	n, h, w, c := s.Shape.NHWC()
	var index []int
	for image := range n {
		for pixel := range h * w {
			for ch := range c {
				if s.Channels {
					index = append(index, image*c+ch)
				} else {
					index = append(index, (pixel*n+image)*c+ch)
				}
			}
		}
	}
	return index
}

func (r *reference) Dropout(s backend.DropoutSpec) (backend.Activation, error) {
	if !(s.Rate >= 0 && s.Rate < 1) {
		panic(errRate)
	}
	if s.Channels && len(s.Shape) != 4 {
		panic(errChannels)
	}
	index := maskIndex(s)
	mask := func(dst, src []float64) {
		threshold, scale := philox.Threshold(s.Rate), float64(philox.Scale(s.Rate))
		for i, v := range src {
			at := index[i]
			words := philox.Dropout(s.Seed, s.Layer, r.values.Step, uint32(at/4))
			if words[at%4] >= threshold {
				dst[i] = v * scale
			} else {
				dst[i] = 0
			}
		}
	}
	return &activation{r, s.Shape, s.Shape,
		mask,
		func(dx, dy, _ []float64) { mask(dx, dy) }}, nil
}
