//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/philox"
	"github.com/lamina-go/lamina/tensor"
)

const errRate = "cudnn: dropout rate outside [0, 1)"

// activation is a plan without parameters.
type activation struct {
	x, y     tensor.Shape
	forward  func(y, x C.CUdeviceptr)
	backward func(dx, dy, x C.CUdeviceptr)
}

// Forward computes y.
func (a *activation) Forward(y, x tensor.Tensor) { a.forward(address(y, a.y), address(x, a.x)) }

// Backward computes dx.
func (a *activation) Backward(dx, dy, x tensor.Tensor) {
	a.backward(address(dx, a.x), address(dy, a.y), address(x, a.x))
}

// functionKinds has the kinds in the order of kernels/function.cu, but for the first ReLU there,
// max(0, x).
var functionKinds = []tensor.FunctionKind{tensor.Identity, "", tensor.ReLU, tensor.ELU, tensor.SELU, tensor.GELU, tensor.GELUTanh, tensor.SiLU,
	tensor.Sigmoid, tensor.Tanh, tensor.HardSigmoid, tensor.HardSiLU, tensor.Softplus, tensor.Softsign, tensor.Exponential, tensor.Mish}

// isFloor reports whether a function is a Floor of kernels/function.cu.
func isFloor(f tensor.Function) bool { return f == tensor.Function{} || f.IsRectifier() }

// functionArguments returns the arguments kind, alpha, max and threshold.
func functionArguments(f tensor.Function) []argument {
	kind := slices.Index(functionKinds, f.Kind)
	if f.IsRectifier() {
		kind = 1
	}
	return []argument{integer(kind), number(f.Alpha), number(f.Max), number(f.Threshold)}
}

// floorOr returns the name of a kernel with a Floor and its last argument, or of that with any
// function and its last arguments.
func floorOr(name string, f tensor.Function) (string, []argument) {
	if isFloor(f) {
		return name, []argument{flag(f.IsRectifier())}
	}
	return name + "_function", functionArguments(f)
}

// Function makes a plan of an activation function.
func (b *Backend) Function(shape tensor.Shape, f tensor.Function) (backend.Activation, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	shape = slices.Clone(shape)
	shape.NHWC()
	n, arguments := shape.Size(), functionArguments(f)
	return &activation{shape, shape,
		func(y, x C.CUdeviceptr) {
			b.elementwise("function", n, append([]argument{pointer(y), pointer(x), count(n)}, arguments...)...)
		},
		func(dx, dy, x C.CUdeviceptr) {
			b.elementwise("function_grad", n, append([]argument{pointer(dx), pointer(dy), pointer(x), count(n)}, arguments...)...)
		}}, nil
}

// Softmax makes a plan of a softmax.
func (b *Backend) Softmax(shape tensor.Shape) (backend.Activation, error) {
	shape = slices.Clone(shape)
	n, h, w, c := shape.NHWC()
	return &activation{shape, shape,
		func(y, x C.CUdeviceptr) { b.eachRow("softmax", n*h*w, pointer(y), pointer(x), integer(c)) },
		func(dx, dy, x C.CUdeviceptr) {
			b.eachRow("softmax_grad", n*h*w, pointer(dx), pointer(dy), pointer(x), integer(c))
		}}, nil
}

// Flatten makes a plan that copies, since the order of NHWC is that of the matrix.
func (b *Backend) Flatten(shape tensor.Shape) (backend.Activation, error) {
	n, h, w, c := shape.NHWC()
	size := b.bytes(shape.Size())
	return &activation{slices.Clone(shape), tensor.Shape{n, h * w * c},
		func(y, x C.CUdeviceptr) { b.copy(y, x, size) },
		func(dx, dy, _ C.CUdeviceptr) { b.copy(dx, dy, size) }}, nil
}

// copy copies bytes on the card, unless both places are the same.
func (b *Backend) copy(to, from C.CUdeviceptr, bytes int64) {
	if b.err == nil && to != from {
		b.fail(cuda(b, "cuMemcpyDtoDAsync", C.lamina_cuMemcpyDtoDAsync_v2(b.api, to, from, C.size_t(bytes), b.stream)))
	}
}

// Dropout makes a plan of a dropout layer. It keeps the mask, a byte for four elements.
func (b *Backend) Dropout(s backend.DropoutSpec) (backend.Activation, error) {
	if !(s.Rate >= 0 && s.Rate < 1) {
		panic(errRate)
	}
	leave := b.enter()
	defer leave()
	shape := slices.Clone(s.Shape)
	n, h, w, c := shape.NHWC()
	size := n * h * w * c // of the mask
	if s.Channels {
		size = n * c
	}
	quads := (size + 3) / 4
	keep, err := b.alloc(int64(quads))
	scale := number(philox.Scale(s.Rate))
	extents := []argument{integer(n), integer(h * w), integer(c)}
	random := []argument{argument(philox.Threshold(s.Rate)), scale, argument(s.Seed), argument(s.Layer)}
	if !s.Channels {
		return &activation{shape, shape,
			func(y, x C.CUdeviceptr) {
				b.elementwise("dropout", quads, slices.Concat([]argument{pointer(y), pointer(x), pointer(keep), pointer(b.state.card)}, extents, random)...)
			},
			func(dx, dy, _ C.CUdeviceptr) {
				b.elementwise("dropout_grad", quads, slices.Concat([]argument{pointer(dx), pointer(dy), pointer(keep)}, extents, []argument{scale})...)
			}}, err
	}
	apply := func(y, x C.CUdeviceptr) {
		b.rows("dropout_channels", n*h*w, c, slices.Concat([]argument{pointer(y), pointer(x), pointer(keep)}, extents, []argument{scale})...)
	}
	return &activation{shape, shape,
		func(y, x C.CUdeviceptr) {
			b.elementwise("dropout_mask", quads, pointer(keep), pointer(b.state.card), count(size), random[0], random[2], random[3])
			apply(y, x)
		},
		func(dx, dy, _ C.CUdeviceptr) { apply(dx, dy) }}, err
}
