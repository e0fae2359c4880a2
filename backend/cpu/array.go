package cpu

import (
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// array is the elements of an activation: float32, or bf16, which a job widens to float32 block
// by block, computes on, and rounds again:
//
//	x := in.load(l, tmp, from, to)
//	y := out.dst(tmp, from, to)
//	compute(y, x)
//	out.store(l, y, from)
//
// With float32 load and dst return the elements themselves, and store does nothing.
type array struct {
	f32  []float32
	bf16 []ops.BF16
}

// input returns the elements of t, which a plan is to read, after checking its shape.
func input(t tensor.Tensor, shape tensor.Shape) array {
	tensor.Check(t, shape)
	return own(t).array
}

// output returns the elements of a tensor that a plan is to write, after checking its shape.
func output(t tensor.Tensor, shape tensor.Shape) array {
	tensor.Check(t, shape)
	x := own(t)
	x.changed()
	return x.array
}

// elements returns the elements of a, which are T.
func elements[T ops.Element](a array) []T {
	if x, ok := any(a.f32).([]T); ok {
		return x
	}
	return any(a.bf16).([]T)
}

// asElements returns memory as elements of T.
func asElements[T ops.Element](memory []float32) []T {
	return elements[T](array{memory, ops.AsBF16(memory)})
}

// len returns how many elements there are.
func (a array) len() int { return len(a.f32) + len(a.bf16) }

// slice returns the elements from from to to.
func (a array) slice(from, to int) array {
	if a.bf16 == nil {
		return array{f32: a.f32[from:to:to]}
	}
	return array{bf16: a.bf16[from:to:to]}
}

// from returns the elements from at on.
func (a array) from(at int) array { return a.slice(at, a.len()) }

// load returns the elements from from to to; bf16 is widened to tmp.
func (a array) load(l ops.Level, tmp []float32, from, to int) []float32 {
	if a.bf16 == nil {
		return a.f32[from:to]
	}
	tmp = tmp[:to-from]
	l.WidenBF16(tmp, a.bf16[from:to])
	return tmp
}

// dst returns where a job computes the elements from from to to: tmp, for bf16.
func (a array) dst(tmp []float32, from, to int) []float32 {
	if a.bf16 == nil {
		return a.f32[from:to]
	}
	return tmp[:to-from]
}

// store rounds x, which was computed in dst, to the elements from from on.
func (a array) store(l ops.Level, x []float32, from int) {
	if a.bf16 != nil {
		l.RoundBF16(a.bf16[from:][:len(x)], x)
	}
}

// swapAxes is ops.SwapAxes of both kinds of elements.
func swapAxes(dst, src array, rows, cols, n int) {
	if dst.bf16 == nil {
		ops.SwapAxes(dst.f32, src.f32, rows, cols, n, 0, cols)
	} else {
		ops.SwapAxes(dst.bf16, src.bf16, rows, cols, n, 0, cols)
	}
}

// reserveTemporaries reserves temporaries of n elements.
func (b *Backend) reserveTemporaries(n int) error { return b.reserve(5 * n) }

// temporaries returns buffers of a worker for four blocks of n floats and for one more: for the
// elements of a job that are not stored as float32, at the larger and the smaller side of a
// pool.
func (b *Backend) temporaries(worker, n int) (four, one []float32) {
	s := b.scratch(worker)
	return s[:4*n], s[4*n:][:n]
}
