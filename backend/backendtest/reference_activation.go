package backendtest

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/philox"
	"github.com/lamina-go/lamina/tensor"
)

// relu computes y = max(0, x). A NaN stays one.
func relu(y, x []float64) {
	for i, v := range x {
		y[i] = max(0, v)
	}
}

func reluBackward(dx, dy, x []float64) {
	for i, v := range x {
		if v > 0 {
			dx[i] = dy[i]
		} else {
			dx[i] = 0
		}
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

func (r *reference) Function(shape tensor.Shape, f tensor.Function) (backend.Activation, error) {
	if !f.IsRectifier() {
		return nil, errUnsupported
	}
	return &activation{r, shape, shape, relu, reluBackward}, nil
}

func (r *reference) Flatten(shape tensor.Shape) (backend.Activation, error) {
	n, h, w, c := shape.NHWC()
	return &activation{r, shape, tensor.Shape{n, h * w * c},
		func(y, x []float64) { copy(y, x) },
		func(dx, dy, _ []float64) { copy(dx, dy) }}, nil
}

func (r *reference) Dropout(s backend.DropoutSpec) (backend.Activation, error) {
	if !(s.Rate >= 0 && s.Rate < 1) {
		panic(errRate)
	}
	mask := func(dst, src []float64) {
		threshold, scale := philox.Threshold(s.Rate), float64(philox.Scale(s.Rate))
		for i, v := range src {
			words := philox.Dropout(s.Seed, s.Layer, r.values.Step, uint32(i/4))
			if words[i%4] >= threshold {
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
