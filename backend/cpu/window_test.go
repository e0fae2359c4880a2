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

// The layers of a MobileNet on CIFAR-10 at batch 128.
func BenchmarkDepthwise(b *testing.B) {
	for _, s := range []struct{ h, c, stride int }{{32, 32, 1}, {32, 64, 2}, {16, 128, 1}, {8, 256, 1}, {4, 512, 1}, {2, 1024, 1}} {
		win := tensor.Square(3, s.stride).Same(s.h, s.h)
		h, _ := win.Output(s.h, s.h)
		for _, pass := range []string{"forward", "kernel", "input"} {
			b.Run(fmt.Sprintf("%dx%d_c%d_stride%d/%s", s.h, s.h, s.c, s.stride, pass), func(b *testing.B) {
				eachBench(b, func(b *testing.B, t *benchTensors) {
					p := must(t.DepthwiseConv2D(backend.DepthwiseSpec{N: 128, H: s.h, W: s.h, C: s.c, Multiplier: 1, Window: win, BatchNorm: true}))
					x, y := t.activation(128, s.h, s.h, s.c), t.activation(128, h, h, s.c)
					w, dw := t.parameter(3, 3, s.c, 1), t.parameter(3, 3, s.c, 1)
					b.SetBytes(int64(4 * (x.Shape().Size() + y.Shape().Size())))
					for b.Loop() {
						switch pass {
						case "forward":
							p.Forward(y, x, w, nil)
						case "kernel":
							p.BackwardFilter(dw, nil, y, x)
						default:
							p.BackwardData(x, y, w)
						}
					}
				})
			})
		}
	}
}

func BenchmarkPooling(b *testing.B) {
	for _, s := range []struct {
		name string
		h, c int
		win  tensor.Window
		kind backend.PoolKind
	}{
		{"max3x3_stride2", 32, 64, tensor.Square(3, 2).Same(32, 32), backend.MaxPool},
		{"average2x2", 32, 64, tensor.Square(2, 2), backend.AveragePool},
		{"global_average", 8, 256, tensor.Square(8, 8), backend.AveragePool},
		{"global_max", 8, 256, tensor.Square(8, 8), backend.SharedMaxPool},
	} {
		h, _ := s.win.Output(s.h, s.h)
		for _, pass := range []string{"forward", "backward"} {
			b.Run(s.name+"/"+pass, func(b *testing.B) {
				eachBench(b, func(b *testing.B, t *benchTensors) {
					x, y := t.activation(128, s.h, s.h, s.c), t.activation(128, h, h, s.c)
					p := must(t.Pool(backend.PoolSpec{Shape: x.Shape(), Window: s.win, Kind: s.kind}))
					b.SetBytes(int64(4 * (x.Shape().Size() + y.Shape().Size())))
					for b.Loop() {
						if pass == "forward" {
							p.Forward(y, x)
						} else {
							p.Backward(x, y, x)
						}
					}
				})
			})
		}
	}
}
