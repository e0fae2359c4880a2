package ops

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestAdamW compares a step with float64. What an element sums up is bounded by its terms.
func TestAdamW(t *testing.T) {
	const u = 0x1p-24
	s := AdamW{Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-6, WeightDecay: 0.05, Lambda: 0.25, LearningRate: 0.01, Step: 3}
	c := s.coefficients()
	eachSize(t, func(t *testing.T, l Level, n int, rng *rand.Rand) {
		w, m, v, dw := grid(rng, n), grid(rng, n), grid(rng, n), grid(rng, n)
		for i := range v {
			v[i] = float32(math.Abs(float64(v[i])))
		}
		var g guards
		gotW, gotM, gotV := g.inOut(w), g.inOut(m), g.inOut(v)
		squares := l.AdamW(gotW, gotM, gotV, g.in(dw), s)
		g.check(t)
		want := 0.0
		near := func(what string, i int, got float32, want, terms float64) {
			if !(math.Abs(float64(got)-want) <= 8*u*terms) {
				t.Fatalf("%s[%d] = %g, want %g", what, i, got, want)
			}
		}
		for i := range w {
			wi, mi, vi := float64(w[i]), float64(m[i]), float64(v[i])
			want += wi * wi
			d := float64(dw[i]) + float64(c.decay)*wi
			mi += (d - mi) * float64(c.new1)
			vi += (d*d - vi) * float64(c.new2)
			terms := math.Abs(float64(dw[i])) + 0.5*math.Abs(wi)
			near("m", i, gotM[i], mi, math.Abs(float64(m[i]))+terms)
			near("v", i, gotV[i], vi, math.Abs(float64(v[i]))+terms*terms)
			// The division is by what was stored.
			move := float64(c.rate) * float64(gotM[i]) / (math.Sqrt(float64(gotV[i])) + float64(c.epsilon))
			near("w", i, gotW[i], float64(c.keep)*wi-move, math.Abs(wi)+math.Abs(move))
		}
		if squares != want { // multiples of 1/64
			t.Errorf("sum of squares %g, want %g", squares, want)
		}
	})
}
