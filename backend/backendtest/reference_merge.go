package backendtest

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// add is y = Function(Σ xs).
type add struct {
	ref *reference
	backend.AddSpec
}

func (r *reference) Add(s backend.AddSpec) (backend.Merge, error) {
	if err := s.Function.Check(); err != nil {
		return nil, err
	}
	if s.Inputs < 2 {
		panic(errInputs)
	}
	return &add{r, s}, nil
}

// sum returns Σ xs.
func (a *add) sum(xs []tensor.Tensor) []float64 {
	if len(xs) != a.Inputs {
		panic(errInputs)
	}
	z := make([]float64, a.Shape.Size())
	for _, x := range xs {
		for i, v := range a.ref.arg(x, a.Shape) {
			z[i] += v
		}
	}
	return z
}

func (a *add) Forward(y tensor.Tensor, xs []tensor.Tensor) {
	function(a.ref.arg(y, a.Shape), a.sum(xs), a.Function)
}

func (a *add) Backward(dxs []tensor.Tensor, dy tensor.Tensor, xs []tensor.Tensor) {
	if dxs[0] != nil {
		functionBackward(a.ref.arg(dxs[0], a.Shape), a.ref.arg(dy, a.Shape), a.sum(xs), a.Function)
	}
}

// concat puts the channels of its inputs one after the other.
type concat struct {
	ref    *reference
	shapes []tensor.Shape
	y      tensor.Shape
}

func (r *reference) Concat(s backend.ConcatSpec) (backend.Merge, error) {
	return &concat{r, s.Shapes, concatenated(s.Shapes)}, nil
}

// concatenated returns the shape of the output of a Concat.
func concatenated(shapes []tensor.Shape) tensor.Shape {
	if len(shapes) == 0 {
		panic(errInputs)
	}
	y := append(tensor.Shape(nil), shapes[0]...)
	last := len(y) - 1
	for _, x := range shapes[1:] {
		if !y[:last].Equal(x[:len(x)-1]) {
			panic(errInputs)
		}
		y[last] += x[last]
	}
	return y
}

// eachRun calls f for the channels of each pixel of each input, with their places in y and in x.
func (c *concat) eachRun(f func(input, inY, inX, channels int)) {
	_, _, _, all := c.y.NHWC()
	before := 0 // channels of earlier inputs
	for input, shape := range c.shapes {
		n, h, w, channels := shape.NHWC()
		for pixel := range n * h * w {
			f(input, pixel*all+before, pixel*channels, channels)
		}
		before += channels
	}
}

func (c *concat) Forward(y tensor.Tensor, xs []tensor.Tensor) {
	if len(xs) != len(c.shapes) {
		panic(errInputs)
	}
	yv := c.ref.arg(y, c.y)
	c.eachRun(func(input, inY, inX, channels int) {
		copy(yv[inY:][:channels], c.ref.arg(xs[input], c.shapes[input])[inX:])
	})
}

func (c *concat) Backward(dxs []tensor.Tensor, dy tensor.Tensor, _ []tensor.Tensor) {
	if len(dxs) != len(c.shapes) {
		panic(errInputs)
	}
	dyv := c.ref.arg(dy, c.y)
	c.eachRun(func(input, inY, inX, channels int) {
		if dxs[input] != nil {
			copy(c.ref.arg(dxs[input], c.shapes[input])[inX:][:channels], dyv[inY:])
		}
	})
}
