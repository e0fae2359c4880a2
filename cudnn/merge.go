//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"fmt"
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

const errInputs = "cudnn: wrong number or shape of inputs"

// addends is ADDENDS of kernels/merge.cu.
const addends = 8

// add is the function of a sum.
type add struct {
	b    *Backend
	spec backend.AddSpec
}

// Add makes a plan of the sum of several inputs.
func (b *Backend) Add(s backend.AddSpec) (backend.Merge, error) {
	if err := s.Function.Check(); err != nil {
		return nil, err
	}
	if s.Inputs < 1 {
		panic(errInputs)
	}
	if s.Inputs > addends {
		return nil, fmt.Errorf("cudnn: a sum of %d tensors is not supported on a card: want at most %d, or use the cpu backend", s.Inputs, addends)
	}
	s.Shape = slices.Clone(s.Shape)
	return &add{b, s}, nil
}

// launch starts a kernel on the sum of xs.
func (a *add) launch(name string, xs []tensor.Tensor, pointers ...argument) {
	if len(xs) != a.spec.Inputs {
		panic(errInputs)
	}
	n := a.spec.Shape.Size()
	arguments := append(pointers, count(n), integer(len(xs)))
	for _, x := range xs {
		arguments = append(arguments, pointer(address(x, a.spec.Shape)))
	}
	for range addends - len(xs) {
		arguments = append(arguments, 0)
	}
	a.b.elementwise(name, n, append(arguments, functionArguments(a.spec.Function)...)...)
}

// Forward computes y.
func (a *add) Forward(y tensor.Tensor, xs []tensor.Tensor) {
	a.launch("add", xs, pointer(address(y, a.spec.Shape)))
}

// Backward computes the gradient of all inputs in dxs[0].
func (a *add) Backward(dxs []tensor.Tensor, dy tensor.Tensor, xs []tensor.Tensor) {
	if dxs[0] == nil {
		return
	}
	dx, dyAt := address(dxs[0], a.spec.Shape), address(dy, a.spec.Shape)
	if a.spec.Function == (tensor.Function{}) {
		a.b.copy(dx, dyAt, a.b.bytes(a.spec.Shape.Size()))
		return
	}
	a.launch("add_grad", xs, pointer(dx), pointer(dyAt))
}

// concat puts the channels of its inputs one after the other.
type concat struct {
	b  *Backend
	xs []tensor.Shape
	y  tensor.Shape
}

// Concat makes a plan of a concatenation.
func (b *Backend) Concat(s backend.ConcatSpec) (backend.Merge, error) {
	if len(s.Shapes) == 0 {
		panic(errInputs)
	}
	c := &concat{b: b, y: slices.Clone(s.Shapes[0])}
	last := len(c.y) - 1
	c.y[last] = 0
	for _, x := range s.Shapes {
		if len(x) != len(c.y) || !slices.Equal(x[:last], c.y[:last]) {
			panic(errInputs)
		}
		c.xs = append(c.xs, slices.Clone(x))
		c.y[last] += x[last]
	}
	return c, nil
}

// each calls f for each input that is not nil, with the address of its channels in the output.
func (c *concat) each(y tensor.Tensor, xs []tensor.Tensor, f func(y, x C.CUdeviceptr, rows, channels int)) {
	if len(xs) != len(c.xs) {
		panic(errInputs)
	}
	at := address(y, c.y)
	for i, shape := range c.xs {
		n, h, w, channels := shape.NHWC()
		if xs[i] != nil {
			f(at, address(xs[i], shape), n*h*w, channels)
		}
		at += C.CUdeviceptr(c.b.bytes(channels))
	}
}

// Forward computes y.
func (c *concat) Forward(y tensor.Tensor, xs []tensor.Tensor) {
	_, _, _, all := c.y.NHWC()
	c.each(y, xs, func(y, x C.CUdeviceptr, rows, channels int) {
		c.b.rows("copy_channels", rows, channels, pointer(y), integer(all), pointer(x), integer(channels), count(rows), integer(channels))
	})
}

// Backward computes dxs.
func (c *concat) Backward(dxs []tensor.Tensor, dy tensor.Tensor, _ []tensor.Tensor) {
	_, _, _, all := c.y.NHWC()
	c.each(dy, dxs, func(dy, dx C.CUdeviceptr, rows, channels int) {
		c.b.rows("copy_channels", rows, channels, pointer(dx), integer(channels), pointer(dy), integer(all), count(rows), integer(channels))
	})
}
