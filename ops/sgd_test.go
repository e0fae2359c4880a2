package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Each product and sum must be rounded to float32 separately, as in the reference here.
func TestSGD(t *testing.T) {
	for _, s := range []SGD{
		{LearningRate: 0.1, Momentum: 0.9, Lambda: 5e-4, Nesterov: true},
		{LearningRate: 0.1, Momentum: 0.9, Lambda: 5e-4},
		{LearningRate: 0.01, Momentum: 0.9, Nesterov: true},
		{LearningRate: 0.3},
	} {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			eachSize(t, func(t *testing.T, l Level, n int, rng *rand.Rand) {
				w, v, grad := make([]float32, n), make([]float32, n), make([]float32, n)
				newW, newV := make([]float64, n), make([]float64, n)
				squares := 0.0
				for i := range n {
					w[i], v[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
					grad[i] = float32(rng.NormFloat64())
					squares += float64(w[i]) * float64(w[i])
					d := grad[i] + float32(2*s.Lambda*w[i]) // conversions keep products from being fused
					vi := float32(s.Momentum*v[i]) - float32(s.LearningRate*d)
					wi := w[i] + vi
					if s.Nesterov {
						wi = w[i] + float32(s.Momentum*vi) - float32(s.LearningRate*d)
					}
					newW[i], newV[i] = float64(wi), float64(vi)
				}
				var g guards
				gotW, gotV := g.inOut(w), g.inOut(v)
				gotSquares := l.SGD(gotW, gotV, g.in(grad), s)
				equal(t, "w", gotW, newW)
				equal(t, "v", gotV, newV)
				for what, got := range map[string]float64{"SGD": gotSquares, "SumSquares": l.SumSquares(g.in(w))} {
					if !(math.Abs(got-squares) <= 1e-13*squares) {
						t.Errorf("Σw² of %s is %v, want %v", what, got, squares)
					}
				}
				g.check(t)
			})
		})
	}
}

func TestSoftmax(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, classes := range []int{1, 2, 10, 37} {
		for _, spread := range []float64{1, 30} {
			x := make([]float32, classes)
			for i := range x {
				x[i] = float32(spread * rng.NormFloat64())
			}
			label := rng.IntN(classes)
			var sum float64
			best := 0
			for i, v := range x {
				sum += math.Exp(float64(v))
				if v > x[best] {
					best = i
				}
			}
			want := math.Log(sum) - float64(x[label])
			loss, correct := CrossEntropy{}.Loss(x, label)
			if !(math.Abs(loss-want) <= 1e-12*(1+spread*spread)) || correct != (best == label) {
				t.Errorf("%v, class %d: %v, %v, want %v, %v", x, label, loss, correct, want, best == label)
			}
			d := append([]float32(nil), x...)
			CrossEntropy{}.Grad(d, d, label, 0.25)
			for i, v := range x {
				p := math.Exp(float64(v)) / sum
				if i == label {
					p--
				}
				if !(math.Abs(float64(d[i])-p/4) <= 1e-7*math.Abs(p)+1e-15) {
					t.Errorf("gradient %d of %v, class %d: %g, want %g", i, x, label, d[i], p/4)
				}
			}
		}
	}
	if loss, correct := (CrossEntropy{}).Loss([]float32{100, 0, -100}, 2); loss != 200 || correct {
		t.Errorf("extreme logits: %v, %v, want 200, false", loss, correct)
	}
	for label, want := range []bool{false, true, false} {
		if _, correct := (CrossEntropy{}).Loss([]float32{1, 2, 2}, label); correct != want {
			t.Errorf("class %d of equal logits: correct is %v", label, correct)
		}
	}
	if loss, correct := (CrossEntropy{}).Loss([]float32{0, float32(math.NaN())}, 0); !math.IsNaN(loss) || correct {
		t.Errorf("loss of a NaN is %v, %v", loss, correct)
	}
}

func TestSwapAxes(t *testing.T) {
	const rows, cols = 3, 5
	for _, n := range []int{1, 2, 3, 4} {
		src, dst, back := make([]float32, rows*cols*n), make([]float32, rows*cols*n), make([]float32, rows*cols*n)
		for i := range src {
			src[i] = float32(i)
		}
		SwapAxes(dst, src, rows, cols, n, 0, 2)
		SwapAxes(dst, src, rows, cols, n, 2, cols)
		SwapAxes(back, dst, cols, rows, n, 0, rows)
		for i := range src {
			if got := dst[(i/n%cols*rows+i/n/cols)*n+i%n]; got != src[i] || back[i] != src[i] {
				t.Fatalf("blocks of %d: element %d became %g, and %g when swapped back", n, i, got, back[i])
			}
		}
	}
}
