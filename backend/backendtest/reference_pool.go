package backendtest

import (
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// windowOutput returns the shape of images of shape x over which a window has moved.
func windowOutput(x tensor.Shape, win tensor.Window) tensor.Shape {
	n, h, w, c := x.NHWC()
	win.Check(h, w)
	h, w = win.Output(h, w)
	return tensor.Shape{n, h, w, c}
}

// eachPool calls f for each element of the pooled images, with the indices of the elements of x in
// its window, in row-major order.
func eachPool(x tensor.Shape, win tensor.Window, f func(y int, xs []int)) {
	n, h, w, c := x.NHWC()
	covered := make([][]int, windowOutput(x, win).Size()/c) // pixels of x, by pixel of y
	eachTap(n, h, w, win, func(yPixel, xPixel, _ int) { covered[yPixel] = append(covered[yPixel], xPixel) })
	var xs []int
	for yPixel, pixels := range covered {
		for ch := range c {
			xs = xs[:0]
			for _, xPixel := range pixels {
				xs = append(xs, xPixel*c+ch)
			}
			f(yPixel*c+ch, xs)
		}
	}
}

// largest returns which of some elements of x is the maximum, the first of equals, where a NaN is
// above all other values.
func largest(x []float64, elements []int) int {
	best := elements[0]
	for _, i := range elements[1:] {
		if x[i] > x[best] || math.IsNaN(x[i]) && !math.IsNaN(x[best]) {
			best = i
		}
	}
	return best
}

// equals returns those of some elements of x that are equal to element i, in their order.
func equals(x []float64, elements []int, i int) (all []int) {
	for _, j := range elements {
		if x[j] == x[i] || math.IsNaN(x[j]) && math.IsNaN(x[i]) {
			all = append(all, j)
		}
	}
	return all
}

func poolForward(y, x []float64, s backend.PoolSpec) {
	eachPool(s.Shape, s.Window, func(i int, xs []int) {
		if s.Kind != backend.AveragePool {
			y[i] = x[largest(x, xs)]
			return
		}
		var sum float64
		for _, j := range xs {
			sum += x[j]
		}
		y[i] = sum / float64(len(xs))
	})
}

func poolBackward(dx, dy, x []float64, s backend.PoolSpec) {
	sums := make([]float64, len(dx)) // dx may be x
	eachPool(s.Shape, s.Window, func(i int, xs []int) {
		to := xs
		if s.Kind != backend.AveragePool {
			to = equals(x, xs, largest(x, xs))
		}
		if s.Kind == backend.MaxPool {
			to = to[:1]
		}
		for _, j := range to {
			sums[j] += dy[i] / float64(len(to))
		}
	})
	copy(dx, sums)
}

func (r *reference) Pool(s backend.PoolSpec) (backend.Activation, error) {
	return &activation{r, s.Shape, windowOutput(s.Shape, s.Window),
		func(y, x []float64) { poolForward(y, x, s) },
		func(dx, dy, x []float64) { poolBackward(dx, dy, x, s) }}, nil
}

// The pool that batch normalization includes is a 2x2 max pool of stride 2.

func square(shape tensor.Shape) backend.PoolSpec {
	return backend.PoolSpec{Shape: shape, Window: tensor.Square(2, 2)}
}

func pooled(x tensor.Shape) tensor.Shape {
	n, h, w, c := x.NHWC()
	return tensor.Shape{n, h / 2, w / 2, c}
}

func eachWindow(shape tensor.Shape, f func(y int, x [4]int)) {
	eachPool(shape, square(shape).Window, func(y int, xs []int) { f(y, [4]int(xs)) })
}

func maxPool(y, x []float64, shape tensor.Shape) { poolForward(y, x, square(shape)) }

func maxPoolBackward(dx, dy, x []float64, shape tensor.Shape) {
	poolBackward(dx, dy, x, square(shape))
}

func (r *reference) Pad(s backend.PadSpec) (backend.Activation, error) {
	if min(s.Top, s.Bottom, s.Left, s.Right) < 0 {
		panic(errPad)
	}
	n, h, w, c := s.Shape.NHWC()
	y := tensor.Shape{n, s.Top + h + s.Bottom, s.Left + w + s.Right, c}
	// eachRow calls f for each row of the images, with where it begins in y and in x.
	eachRow := func(f func(y, x int)) {
		for image := range n {
			for row := range h {
				f(((image*y[1]+s.Top+row)*y[2]+s.Left)*c, (image*h+row)*w*c)
			}
		}
	}
	return &activation{r, s.Shape, y,
		func(y, x []float64) {
			clear(y)
			eachRow(func(to, from int) { copy(y[to:], x[from:][:w*c]) })
		},
		func(dx, dy, _ []float64) {
			eachRow(func(from, to int) { copy(dx[to:][:w*c], dy[from:]) })
		}}, nil
}
