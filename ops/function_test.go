package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-go/lamina/tensor"
)

var functions = []tensor.Function{
	{},
	tensor.Rectifier(),
	{Kind: tensor.ReLU, Max: 2},
	{Kind: tensor.ReLU, Alpha: 0.25},
	{Kind: tensor.ReLU, Alpha: 0.5, Max: 2, Threshold: -1},
	{Kind: tensor.ELU, Alpha: 1},
	{Kind: tensor.ELU, Alpha: 0.25},
	{Kind: tensor.SELU},
	{Kind: tensor.GELU},
	{Kind: tensor.GELUTanh},
	{Kind: tensor.SiLU},
	{Kind: tensor.Sigmoid},
	{Kind: tensor.Tanh},
	{Kind: tensor.HardSigmoid, Alpha: 0.25},
	{Kind: tensor.HardSiLU},
	{Kind: tensor.Softplus},
	{Kind: tensor.Softsign},
	{Kind: tensor.Exponential},
	{Kind: tensor.Mish},
}

// exactFunction returns f(x) and f'(x) in float64. At a bend the derivative is that of the side
// below, but 0 at the maximum of a ReLU.
func exactFunction(f tensor.Function, x float64) (y, derivative float64) {
	switch f.Kind {
	case tensor.Identity:
		return x, 1
	case tensor.ReLU:
		switch slope, threshold := float64(f.Alpha), float64(f.Threshold); {
		case f.Max > 0 && x >= float64(f.Max):
			return float64(f.Max), 0
		case x > threshold:
			return x, 1
		case x == threshold:
			return x, slope
		default:
			return slope * (x - threshold), slope
		}
	}
	formula := formulaOf(f.Kind)
	return formula.value(x, float64(f.Alpha)), formula.derivative(x, float64(f.Alpha))
}

// TestFunction compares all functions with float64: at bends, far away, and along a range in which
// they change. Errors are bounded by eight roundings of the largest terms of the formulas.
func TestFunction(t *testing.T) {
	const u = 0x1p-24
	for _, f := range functions {
		for _, l := range FloatLevels() {
			t.Run(fmt.Sprintf("%+v/%v", f, l), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 2))
				for _, n := range []int{1, 7, 8, 9, 15, 16, 17, 31, 64, 65, 1<<16 + 37} {
					x, dy := make([]float32, n), grid(rng, n)
					for i := range x {
						x[i] = float32(i-n/2) * 40 / float32(n) // with 0
						if n < 100 {
							x[i] = float32(rng.IntN(33)-16) / 4 // with bends
						}
					}
					if n > 100 {
						copy(x, []float32{0, float32(math.Copysign(0, -1)), 1e-30, -1e-30, 87, -87, 88.7, -88.7, 100, -100, 1e4, -1e4, 3e38, 1})
					}
					var g guards
					y, dx := g.out(n), g.out(n)
					inPlace, overX, overDy := g.inOut(x), g.inOut(x), g.inOut(dy)
					l.Function(y, g.in(x), f)
					l.Function(inPlace, inPlace, f)
					l.FunctionGrad(dx, g.in(dy), g.in(x), f)
					l.FunctionGrad(overX, g.in(dy), overX, f)
					l.FunctionGrad(overDy, overDy, g.in(x), f)
					g.check(t)
					for i, v := range x {
						wantY, d := exactFunction(f, float64(v))
						terms := max(math.Abs(float64(v)), math.Abs(wantY), 1) + float64(f.Alpha)
						if !(math.Abs(float64(y[i])-wantY) <= 16*u*terms) && float32(wantY) != y[i] {
							t.Fatalf("n = %d: f(%g) = %g, want %g", n, v, y[i], wantY)
						}
						slopes := max(math.Abs(d), math.Abs(float64(v)), 1)
						if want := float64(dy[i]) * d; !(math.Abs(float64(dx[i])-want) <= 16*u*slopes*math.Abs(float64(dy[i]))) && float32(want) != dx[i] {
							t.Fatalf("n = %d: f'(%g) of %g = %g, want %g", n, v, dy[i], dx[i], want)
						}
					}
					same := func(what string, got, want []float32) {
						for i := range got {
							if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
								t.Fatalf("%s: element %d of %d is %g, want %g", what, i, n, got[i], want[i])
							}
						}
					}
					same("y in place", inPlace, y)
					same("dx in the memory of x", overX, dx)
					same("dx in the memory of dy", overDy, dx)
				}
				x := make([]float32, 37)
				for i := range x {
					x[i] = float32(math.NaN())
				}
				l.Function(x, x, f)
				for i, v := range x {
					if v == v {
						t.Fatalf("f(NaN) is %g in element %d", v, i)
					}
				}
			})
		}
	}
}

// TestFunctionNearZero checks that functions which are 0 at 0 have small relative errors near it.
func TestFunctionNearZero(t *testing.T) {
	for _, f := range functions {
		if y, _ := exactFunction(f, 0); y != 0 || f.Threshold != 0 {
			continue
		}
		for _, l := range FloatLevels() {
			var x []float32
			for v := float32(1); v > 1e-30; v *= 0.7 {
				x = append(x, v, -v)
			}
			y := make([]float32, len(x))
			l.Function(y, x, f)
			for i, v := range x {
				if want, _ := exactFunction(f, float64(v)); !(math.Abs(float64(y[i])-want) <= 8*0x1p-24*math.Abs(want)) {
					t.Errorf("%+v/%v: f(%g) = %g, want %g", f, l, v, y[i], want)
				}
			}
		}
	}
}
