package cpu

import (
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// array is the numbers of an activation: float32, or bfloat16, which a job widens to
// float32 part by part, computes on, and rounds again:
//
//	x := in.load(l, tmp, from, to)
//	y := out.place(tmp, from, to)
//	compute(y, x)
//	out.store(l, y, from)
//
// With float32 load and place give the numbers themselves, and store does nothing.
type array struct {
	f32  []float32
	bf16 []ops.BF16
}

// numbers returns the numbers of t, which a plan is to read, after checking its shape.
func numbers(t tensor.Tensor, shape tensor.Shape) array {
	tensor.Check(t, shape)
	return own(t).array
}

// output returns the numbers of a tensor that a plan is to write, after checking its shape.
func (b *Backend) output(t tensor.Tensor, shape tensor.Shape) array {
	a := numbers(t, shape)
	b.changed(a.f32)
	return a
}

// len returns how many numbers there are.
func (a array) len() int { return len(a.f32) + len(a.bf16) }

// slice returns the numbers from from to to.
func (a array) slice(from, to int) array {
	if a.bf16 == nil {
		return array{f32: a.f32[from:to:to]}
	}
	return array{bf16: a.bf16[from:to:to]}
}

// from returns the numbers from at on.
func (a array) from(at int) array { return a.slice(at, a.len()) }

// load returns the elements from from to to; bfloat16 is widened to tmp.
func (a array) load(l ops.Level, tmp []float32, from, to int) []float32 {
	if a.bf16 == nil {
		return a.f32[from:to]
	}
	tmp = tmp[:to-from]
	l.WidenBF16(tmp, a.bf16[from:to])
	return tmp
}

// place returns where the elements from from to to are to be computed: tmp, for bfloat16.
func (a array) place(tmp []float32, from, to int) []float32 {
	if a.bf16 == nil {
		return a.f32[from:to]
	}
	return tmp[:to-from]
}

// store rounds what was computed in place to the elements from from on.
func (a array) store(l ops.Level, x []float32, from int) {
	if a.bf16 != nil {
		l.RoundBF16(a.bf16[from:][:len(x)], x)
	}
}

// swapAxes is ops.SwapAxes of both kinds of numbers.
func swapAxes(dst, src array, rows, cols, n int) {
	if dst.bf16 == nil {
		ops.SwapAxes(dst.f32, src.f32, rows, cols, n, 0, cols)
	} else {
		ops.SwapAxes(dst.bf16, src.bf16, rows, cols, n, 0, cols)
	}
}

// reserveTemporaries makes room for temporaries of n numbers.
func (b *Backend) reserveTemporaries(n int) error { return b.reserve(5 * n) }

// temporaries returns a worker's room for four blocks of n numbers and for one more: for
// the elements of a job that are not stored as float32, at the larger and the smaller side
// of a pool.
func (b *Backend) temporaries(worker, n int) (four, one []float32) {
	s := b.scratch(worker)
	return s[:4*n], s[4*n:][:n]
}
