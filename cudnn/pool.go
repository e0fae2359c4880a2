//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

const errPad = "cudnn: padding below 0"

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

// moves returns the arguments of Moves in kernels/pool.cu, for images of height x width.
func moves(win tensor.Window, height, width int) []argument {
	high, wide := win.Output(height, width)
	return []argument{integer(height), integer(width), integer(high), integer(wide), integer(win.Height), integer(win.Width),
		integer(win.StrideH), integer(win.StrideW), integer(win.Top), integer(win.Left)}
}

// Pool makes a plan of a pool. The routes of the gradient of a maximum take 4 bytes, and those of a
// shared one the size of an activation more, for each element of y.
func (b *Backend) Pool(s backend.PoolSpec) (backend.Activation, error) {
	shape := slices.Clone(s.Shape)
	n, h, w, c := shape.NHWC()
	s.Window.Check(h, w)
	if s.Window == tensor.Square(2, 2) && s.Kind == backend.MaxPool {
		return b.squarePool(shape), nil
	}
	leave := b.enter()
	defer leave()
	high, wide := s.Window.Output(h, w)
	y := tensor.Shape{n, high, wide, c}
	var routes, best C.CUdeviceptr
	var err error
	if s.Kind != backend.AveragePool {
		if routes, err = b.alloc(4 * int64(y.Size())); err != nil {
			return nil, err
		}
	}
	if s.Kind == backend.SharedMaxPool {
		if best, err = b.alloc(b.bytes(y.Size())); err != nil {
			return nil, err
		}
	}
	at := moves(s.Window, h, w)
	images := []argument{integer(n), integer(c)}
	kind := []argument{integer(int(s.Kind))}
	return &activation{shape, y,
		func(y, x C.CUdeviceptr) {
			b.rows("pool", n*high*wide, c, slices.Concat([]argument{pointer(y), pointer(x)}, images, kind, at)...)
		},
		func(dx, dy, x C.CUdeviceptr) {
			if routes != 0 {
				b.rows("pool_routes", n*high*wide, c, slices.Concat([]argument{pointer(routes), pointer(best), pointer(x)}, images, at)...)
			}
			b.rows("pool_grad", n*h*w, c, slices.Concat([]argument{pointer(dx), pointer(dy), pointer(x), pointer(routes), pointer(best)}, images, kind, at)...)
		}}, nil
}

// squarePool makes a plan of a 2x2 max pool of stride 2.
func (b *Backend) squarePool(shape tensor.Shape) *activation {
	_, _, _, c := shape.NHWC()
	whole, all := windows(shape)
	return &activation{shape, pooled(shape),
		func(y, x C.CUdeviceptr) {
			b.rows("max_pool", whole, c, append([]argument{pointer(y), pointer(x)}, extents(shape)...)...)
		},
		func(dx, dy, x C.CUdeviceptr) {
			b.rows("max_pool_grad", all, c, append([]argument{pointer(dx), pointer(dy), pointer(x)}, extents(shape)...)...)
		}}
}

// Pad makes a plan of a padding.
func (b *Backend) Pad(s backend.PadSpec) (backend.Activation, error) {
	if min(s.Top, s.Bottom, s.Left, s.Right) < 0 {
		panic(errPad)
	}
	x := slices.Clone(s.Shape)
	n, h, w, c := x.NHWC()
	y := tensor.Shape{n, s.Top + h + s.Bottom, s.Left + w + s.Right, c}
	return &activation{x, y,
		func(yAt, xAt C.CUdeviceptr) { b.place(yAt, xAt, y, x, s.Top, s.Left) },
		func(dx, dy, _ C.CUdeviceptr) { b.place(dx, dy, x, y, -s.Top, -s.Left) }}, nil
}

// place puts images into others, from a row and a column on.
func (b *Backend) place(dst, src C.CUdeviceptr, to, from tensor.Shape, top, left int) {
	n, h, w, c := to.NHWC()
	b.rows("place_images", n*h*w, c, slices.Concat([]argument{pointer(dst), pointer(src)}, extents(to), extents(from)[1:], []argument{integer(top), integer(left)})...)
}
