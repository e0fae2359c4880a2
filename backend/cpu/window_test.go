package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// windowPlans calls f with the passes of pools, padding and depthwise convolutions, each of which
// returns the tensors that it computes.
func windowPlans(b *benchTensors, f func(name string, passes func() []tensor.Tensor)) {
	shape := tensor.Shape{5, 9, 8, 24}
	win := tensor.Window{Height: 3, Width: 2, StrideH: 2, StrideW: 1}.Same(9, 8)
	x, dx, y, dy := b.activation(shape...), b.activation(shape...), b.activation(5, 5, 8, 24), b.activation(5, 5, 8, 24)
	for name, kind := range map[string]backend.PoolKind{"max": backend.MaxPool, "shared": backend.SharedMaxPool, "average": backend.AveragePool} {
		p := must(b.Pool(backend.PoolSpec{Shape: shape, Window: win, Kind: kind}))
		f(name, func() []tensor.Tensor {
			p.Forward(y, x)
			p.Backward(dx, dy, x)
			return []tensor.Tensor{y, dx}
		})
	}
	padded, dPadded := b.activation(5, 10, 10, 24), b.activation(5, 10, 10, 24)
	pad := must(b.Pad(backend.PadSpec{Shape: shape, Top: 1, Left: 2}))
	f("pad", func() []tensor.Tensor {
		pad.Forward(padded, x)
		pad.Backward(dx, dPadded, x)
		return []tensor.Tensor{padded, dx}
	})
	for m := 1; m <= 2; m++ {
		p := must(b.DepthwiseConv2D(backend.DepthwiseSpec{N: 5, H: 9, W: 8, C: 24, Multiplier: m, Window: win}))
		w, dw, bias, db := b.parameter(3, 2, 24, m), b.parameter(3, 2, 24, m), b.parameter(24*m), b.parameter(24*m)
		y, dy := b.activation(5, 5, 8, 24*m), b.activation(5, 5, 8, 24*m)
		f(fmt.Sprint("depthwise ", m), func() []tensor.Tensor {
			p.Forward(y, x, w, bias)
			p.BackwardFilter(dw, db, dy, x)
			p.BackwardData(dx, dy, w)
			return []tensor.Tensor{y, dw, db, dx}
		})
	}
}

func TestWindowPlansAllocateNothing(t *testing.T) {
	for _, bf16 := range []bool{false, true} {
		b := &benchTensors{open(t, Options{Threads: 2, BF16: bf16}), rand.New(rand.NewPCG(1, 2))}
		windowPlans(b, func(name string, passes func() []tensor.Tensor) {
			passes()
			results := func() { _ = passes() }
			// The slice of the results is the one allocation.
			if n := testing.AllocsPerRun(20, results); n > 1 {
				t.Errorf("%s, bf16 %t: %v allocations", name, bf16, n-1)
			}
		})
	}
}

func TestWindowPlansGiveTheSameBitsForAnyThreads(t *testing.T) {
	for _, bf16 := range []bool{false, true} {
		want := map[string][][]float32{}
		for _, threads := range []int{1, 2, 3, 7} {
			b := &benchTensors{open(t, Options{Threads: threads, BF16: bf16}), rand.New(rand.NewPCG(1, 2))}
			windowPlans(b, func(name string, passes func() []tensor.Tensor) {
				var got [][]float32
				for _, result := range passes() {
					x := make([]float32, result.Shape().Size())
					if err := b.Read(x, result); err != nil {
						t.Fatal(err)
					}
					got = append(got, x)
				}
				if want[name] == nil {
					want[name] = got
				}
				if !slices.EqualFunc(got, want[name], slices.Equal[[]float32]) {
					t.Errorf("%s, bf16 %t: %d threads give other results than one", name, bf16, threads)
				}
			})
		}
	}
}
