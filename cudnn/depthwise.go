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

// depthwise is a convolution of each channel by itself, by kernels of this package: cuDNN's are
// slow in NHWC, and some of its versions have none.
type depthwise struct {
	b             *Backend
	spec          backend.DepthwiseSpec
	x, y, w, bias tensor.Shape
	moves         []argument
}

// DepthwiseConv2D makes a plan of a convolution of each channel by itself.
func (b *Backend) DepthwiseConv2D(s backend.DepthwiseSpec) (backend.Conv2D, error) {
	s.Window.Check(s.H, s.W)
	if err := s.Function.Check(); err != nil {
		return nil, err
	}
	leave := b.enter()
	defer leave()
	h, w := s.Window.Output(s.H, s.W)
	out := s.C * s.Multiplier
	d := &depthwise{
		b: b, spec: s,
		x: tensor.Shape{s.N, s.H, s.W, s.C}, y: tensor.Shape{s.N, h, w, out},
		w: tensor.Shape{s.Window.Height, s.Window.Width, s.C, s.Multiplier}, bias: tensor.Shape{out},
		moves: moves(s.Window, s.H, s.W),
	}
	if s.Inference {
		return d, nil
	}
	grid, taps := d.sums().grid, s.Window.Taps()
	if int(grid[0])*taps > counters {
		return nil, fmt.Errorf("cudnn: a depthwise convolution of %d channels and %d pixels is more than this backend can sum: use the cpu backend", out, taps)
	}
	if err := b.reserve(&b.memory.sums, 4*int64(out)*int64(grid[1])*int64(taps)); err != nil {
		return nil, err
	}
	if s.BatchNorm {
		return d, nil
	}
	return d, b.reserveSums(s.N*h*w, out)
}

// sums returns the geometry of the sums of one tap.
func (d *depthwise) sums() geometry {
	n, h, w, out := d.y.NHWC()
	return columns(int64(n*h*w), out, d.b.vector(), d.b.card.multiprocessors, true)
}

// arguments adds the number of images, so many channels, the multiplier and the moves to pointers.
func (d *depthwise) arguments(channels int, pointers ...argument) []argument {
	return slices.Concat(pointers, []argument{integer(d.spec.N), integer(channels), integer(d.spec.Multiplier)}, d.moves)
}

// Forward computes y.
func (d *depthwise) Forward(y, x, w, b tensor.Tensor) {
	n, h, wd, out := d.y.NHWC()
	d.b.rows("depthwise", n*h*wd, out, append(d.arguments(out, pointer(address(y, d.y)), pointer(address(x, d.x)), pointer(address(w, d.w)),
		pointer(addressOrNil(b, d.bias))), functionArguments(d.spec.Function)...)...)
}

// BackwardFilter computes dw and db.
func (d *depthwise) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	if d.spec.Inference {
		panic(errInference)
	}
	n, h, w, out := d.y.NHWC()
	dyAt := address(dy, d.y)
	g := d.sums()
	g.grid[2] = uint32(d.spec.Window.Taps())
	d.b.on(g, "depthwise_grad_filter", d.arguments(out, pointer(address(dw, d.w)), pointer(dyAt), pointer(address(x, d.x)),
		pointer(d.b.memory.sums.at), pointer(d.b.kernels.counters))...)
	d.b.biasGradient(addressOrNil(db, d.bias), dyAt, n*h*w, out, d.spec.BatchNorm)
}

// BackwardData computes dx.
func (d *depthwise) BackwardData(dx, dy, w tensor.Tensor) {
	s := &d.spec
	d.b.rows("depthwise_grad_data", s.N*s.H*s.W, s.C, d.arguments(s.C, pointer(address(dx, d.x)), pointer(address(dy, d.y)), pointer(address(w, d.w)))...)
}
