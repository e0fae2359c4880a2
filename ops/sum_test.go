package ops

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSum(t *testing.T) {
	eachSize(t, func(t *testing.T, l Level, n int, rng *rand.Rand) {
		a, b, dy := grid(rng, n), grid(rng, n), grid(rng, n)
		sum, relu, grad := make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range a {
			sum[i] = float64(a[i]) + float64(b[i])
			if sum[i] > 0 {
				relu[i], grad[i] = sum[i], float64(dy[i])
			}
		}
		var g guards
		gotSum, gotReLU, gotGrad := g.out(n), g.out(n), g.out(n)
		inPlace, inPlaceReLU, inPlaceGrad := g.inOut(a), g.inOut(b), g.inOut(dy)
		l.Sum(gotSum, g.in(a), g.in(b))
		l.SumReLU(gotReLU, g.in(a), g.in(b))
		l.SumReLUGrad(gotGrad, g.in(dy), g.in(a), g.in(b))
		l.Sum(inPlace, inPlace, g.in(b))
		l.SumReLU(inPlaceReLU, g.in(a), inPlaceReLU)
		l.SumReLUGrad(inPlaceGrad, inPlaceGrad, g.in(a), g.in(b))
		equal(t, "sum", gotSum, sum)
		equal(t, "ReLU", gotReLU, relu)
		equal(t, "gradient", gotGrad, grad)
		equal(t, "sum in place", inPlace, sum)
		equal(t, "ReLU in place", inPlaceReLU, relu)
		equal(t, "gradient in place", inPlaceGrad, grad)
		g.check(t)

		gotReLU[n-1], gotReLU[0] = float32(math.NaN()), float32(math.NaN())
		l.SumReLU(gotReLU, gotReLU, g.in(b))
		if gotReLU[0] == gotReLU[0] || gotReLU[n-1] == gotReLU[n-1] {
			t.Error("a NaN is lost")
		}
	})
}

// TestSumBF16 has exact sums, whose bf16 does not depend on how it is rounded.
func TestSumBF16(t *testing.T) {
	for _, l := range Levels() {
		for _, n := range flatSizes {
			rng := rand.New(rand.NewPCG(3, uint64(n)))
			round := func(x []float32) []BF16 {
				y := make([]BF16, n)
				l.RoundBF16(y, x)
				return y
			}
			a, b, dy := grid(rng, n), grid(rng, n), grid(rng, n)
			wantSum, wantReLU, wantGrad := make([]float32, n), make([]float32, n), make([]float32, n)
			l.Sum(wantSum, a, b)
			l.SumReLU(wantReLU, a, b)
			l.SumReLUGrad(wantGrad, dy, a, b)
			tmp := make([]float32, 3*n)
			sum, relu, grad := round(a), round(b), round(dy)
			l.SumBF16(sum, sum, round(b), float32(math.Inf(-1)), tmp)
			l.SumBF16(relu, round(a), relu, 0, tmp)
			l.SumReLUGradBF16(grad, grad, round(a), round(b), tmp)
			for _, c := range []struct {
				what string
				got  []BF16
				want []float32
			}{{"sum", sum, wantSum}, {"ReLU", relu, wantReLU}, {"gradient", grad, wantGrad}} {
				for i, v := range c.got {
					if v.Float32() != c.want[i] {
						t.Fatalf("%v, %s of %d elements: element %d is %g, want %g", l, c.what, n, i, v.Float32(), c.want[i])
					}
				}
			}
		}
	}
}
