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

const (
	errRate   = "cudnn: dropout rate outside [0, 1)"
	errMatrix = "cudnn: want a matrix (N, C)"
)

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

// Function makes a plan of an activation function.
func (b *Backend) Function(shape tensor.Shape, f tensor.Function) (backend.Activation, error) {
	if !f.IsRectifier() {
		return nil, errUnsupported
	}
	shape.NHWC()
	n := shape.Size()
	return &activation{shape, shape,
		func(y, x C.CUdeviceptr) { b.elementwise("relu", n, pointer(y), pointer(x), count(n)) },
		func(dx, dy, x C.CUdeviceptr) {
			b.elementwise("relu_grad", n, pointer(dx), pointer(dy), pointer(x), count(n))
		}}, nil
}

// pooled returns the shape after a 2x2 max pool.
func pooled(shape tensor.Shape) tensor.Shape {
	n, h, w, c := shape.NHWC()
	return tensor.Shape{n, h / 2, w / 2, c}
}

// windows returns the number of windows of a 2x2 max pool, and with those that are cut off.
func windows(shape tensor.Shape) (whole, all int) {
	n, h, w, _ := shape.NHWC()
	return n * (h / 2) * (w / 2), n * ((h + 1) / 2) * ((w + 1) / 2)
}

// extents returns the arguments n, h, w, channels.
func extents(shape tensor.Shape) []argument {
	n, h, w, c := shape.NHWC()
	return []argument{integer(n), integer(h), integer(w), integer(c)}
}

// Pool makes a plan of a pool.
func (b *Backend) Pool(s backend.PoolSpec) (backend.Activation, error) {
	if s.Window != tensor.Square(2, 2) || s.Kind != backend.MaxPool {
		return nil, errUnsupported
	}
	shape := s.Shape
	_, _, _, c := shape.NHWC()
	whole, all := windows(shape)
	return &activation{shape, pooled(shape),
		func(y, x C.CUdeviceptr) {
			b.rows("max_pool", whole, c, append([]argument{pointer(y), pointer(x)}, extents(shape)...)...)
		},
		func(dx, dy, x C.CUdeviceptr) {
			b.rows("max_pool_grad", all, c, append([]argument{pointer(dx), pointer(dy), pointer(x)}, extents(shape)...)...)
		}}, nil
}

// Flatten makes a plan that copies, since the order of NHWC is that of the matrix.
func (b *Backend) Flatten(shape tensor.Shape) (backend.Activation, error) {
	n, h, w, c := shape.NHWC()
	size := b.bytes(shape.Size())
	copied := func(to, from C.CUdeviceptr) {
		if b.err == nil && to != from {
			b.fail(cuda(b, "cuMemcpyDtoDAsync", C.lamina_cuMemcpyDtoDAsync_v2(b.api, to, from, C.size_t(size), b.stream)))
		}
	}
	return &activation{shape, tensor.Shape{n, h * w * c}, copied,
		func(dx, dy, _ C.CUdeviceptr) { copied(dx, dy) }}, nil
}

// Dropout makes a plan of a dropout layer. It keeps the mask, a byte for four elements.
func (b *Backend) Dropout(s backend.DropoutSpec) (backend.Activation, error) {
	if !(s.Rate >= 0 && s.Rate < 1) {
		panic(errRate)
	}
	if _, h, w, _ := s.Shape.NHWC(); h != 1 || w != 1 {
		panic(errMatrix)
	}
	leave := b.enter()
	defer leave()
	shape := slices.Clone(s.Shape)
	n := shape.Size()
	keep, err := b.alloc(int64(n+3) / 4)
	scale := number(philox.Scale(s.Rate))
	return &activation{shape, shape,
		func(y, x C.CUdeviceptr) {
			b.elementwise("dropout", (n+3)/4, pointer(y), pointer(x), pointer(keep), pointer(b.state.card), count(n),
				argument(philox.Threshold(s.Rate)), scale, argument(s.Seed), argument(s.Layer))
		},
		func(dx, dy, _ C.CUdeviceptr) {
			b.elementwise("dropout_grad", (n+3)/4, pointer(dx), pointer(dy), pointer(keep), count(n), scale)
		}}, err
}
