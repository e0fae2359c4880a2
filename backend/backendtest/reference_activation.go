package backendtest

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/philox"
	"github.com/lamina-go/lamina/tensor"
)

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
