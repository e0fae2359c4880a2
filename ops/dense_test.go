package ops

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Gradients are those of all rows, of the first ones, of some between and of the last.
var denseShapes = []DenseShape{
	{1, 1, 1, 0, 1},
	{3, 7, 70, 0, 7},
	{5, 150, 10, 0, 64},
	{66, 150, 70, 64, 128},
	{33, 140, 600, 128, 140},
	{130, 530, 65, 0, 530},
}

// TestDense compares the passes of a dense layer with sums as in the definition.
func TestDense(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		for _, s := range denseShapes {
			t.Run(fmt.Sprint(s), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 2))
				d := denseTest[float32]{
					s, random(rng, s.N*s.In), random(rng, s.In*s.Out), random(rng, s.N*s.Out), random(rng, s.Out),
					func(x float32) float32 { return x }, (*sum).check,
				}
				for _, a := range []Algorithm[DenseShape, float32]{Dense, DensePacked} {
					d.run(t, l, a, d.w, d.w[s.From*s.Out:s.To*s.Out])
				}
			})
		}
	})
}

func TestDenseBF16(t *testing.T) {
	eachBF16Level(t, func(t *testing.T, l Level) {
		for _, s := range denseShapes {
			t.Run(fmt.Sprint(s), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 2))
				d := denseTest[BF16]{
					s, randomBF16(rng, s.N*s.In), randomBF16(rng, s.In*s.Out), randomBF16(rng, s.N*s.Out), random(rng, s.Out),
					BF16.Float32, (*sum).checkBF16,
				}
				packed := packedBF16(l, d.w, s.In, s.Out)
				d.run(t, l, DenseBF16, packed, packed)
			})
		}
	})
}

// packedBF16 packs a kernel of some rows and columns as the passes read it.
func packedBF16(l Level, w []BF16, rows, columns int) []BF16 {
	wide, scratch := make([]float32, len(w)), make([]float32, RoundedScratch)
	l.WidenBF16(wide, w)
	packed := make([]BF16, PackedMatrixSizeBF16(rows, columns))
	l.PackRounded(packed, rows, wide, columns, 0, rows, columns, scratch)
	return packed
}

type denseTest[T Element] struct {
	DenseShape
	x, w, dy []T
	bias     []float32
	value    func(T) float32
	check    func(s *sum, t *testing.T, got T, where ...any)
}

// run tests an algorithm, given the kernels of the forward pass and of the input gradient.
func (d *denseTest[T]) run(t *testing.T, l Level, a Algorithm[DenseShape, T], forward, backward []T) {
	s := d.DenseShape
	for _, e := range []Epilogue{{}, {Bias: d.bias, ReLU: true}} {
		y := same(t, func(workers int) []T {
			return runPass(t, a.Forward(l, s, workers), s.N*s.Out, d.x, forward, e)
		})
		for i := range y {
			n, o := i/s.Out, i%s.Out
			var want sum
			if e.Bias != nil {
				want.add(d.bias[o], 1)
			}
			for i := range s.In {
				want.add(d.value(d.x[n*s.In+i]), d.value(d.w[i*s.Out+o]))
			}
			if e.ReLU {
				want.value = max(0, want.value)
			}
			d.check(&want, t, y[i], "y", n, o)
		}
	}

	dx := same(t, func(workers int) []T {
		return runPass(t, a.InputGradient(l, s, workers), s.N*s.In, d.dy, backward, Epilogue{})
	})
	for at := range dx {
		n, i := at/s.In, at%s.In
		if i < s.From || i >= s.To {
			if dx[at] != guard {
				t.Fatalf("dx %d, %d was written", n, i)
			}
			continue
		}
		var want sum
		for o := range s.Out {
			want.add(d.value(d.dy[n*s.Out+o]), d.value(d.w[i*s.Out+o]))
		}
		d.check(&want, t, dx[at], "dx", n, i)
	}

	dw := same(t, func(workers int) []float32 {
		return added(runGradient(t, a.KernelGradient(l, s, workers), s.rows()*s.Out, d.dy, d.x))
	})
	for at := range dw {
		i, o := at/s.Out, at%s.Out
		var want sum
		for n := range s.N {
			want.add(d.value(d.x[n*s.In+s.From+i]), d.value(d.dy[n*s.Out+o]))
		}
		want.check(t, dw[at], "dw", i, o)
	}
}

// same returns what f returns for one worker, and checks that it is the same for any number.
func same[T Element](t *testing.T, f func(workers int) []T) []T {
	t.Helper()
	want := f(1)
	for _, workers := range []int{2, 5} {
		if !slices.Equal(f(workers), want) {
			t.Fatalf("%d workers: other results than with one", workers)
		}
	}
	return want
}
