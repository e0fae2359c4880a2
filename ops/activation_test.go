package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// eachSize runs f at every level for every length.
func eachSize(t *testing.T, f func(t *testing.T, l Level, n int, rng *rand.Rand)) {
	for _, l := range FloatLevels() {
		for _, n := range flatSizes {
			t.Run(fmt.Sprintf("%v/%d", l, n), func(t *testing.T) {
				f(t, l, n, rand.New(rand.NewPCG(1, uint64(n))))
			})
		}
	}
}

func TestReLU(t *testing.T) {
	eachSize(t, func(t *testing.T, l Level, n int, rng *rand.Rand) {
		x, dy := grid(rng, n), grid(rng, n)
		y, dx := make([]float64, n), make([]float64, n)
		for i, v := range x {
			if v > 0 {
				y[i], dx[i] = float64(v), float64(dy[i])
			}
		}
		var g guards
		got, gotGrad, inPlace := g.out(n), g.out(n), g.inOut(x)
		l.ReLU(got, g.in(x))
		l.ReLUGrad(gotGrad, g.in(dy), g.in(x))
		l.ReLUGrad(inPlace, g.in(dy), inPlace)
		equal(t, "y", got, y)
		equal(t, "dx", gotGrad, dx)
		equal(t, "dx in place", inPlace, dx)
		g.check(t)
	})
}

// spread returns a window of four blocks of n elements with gaps between them, as ranges of larger
// blocks have, the size of the tensor, and the offset of each block.
func spread(n int) (w Window2x2, size int, at [4]int) {
	w = Window2x2{Right: n + 3, Down: 2*n + 11}
	return w, w.Down + w.Right + n, [4]int{0, w.Right, w.Down, w.Down + w.Right}
}

func TestMaxPool(t *testing.T) {
	eachSize(t, func(t *testing.T, l Level, n int, rng *rand.Rand) {
		w, size, at := spread(n)
		x, dy := grid(rng, size), grid(rng, n)
		y, dx := make([]float64, n), make([]float64, size)
		for i := range size {
			dx[i] = float64(float32(guardValue))
		}
		inPlace := append([]float64(nil), dx...)
		for i, v := range x {
			inPlace[i] = float64(v)
		}
		for i := range n {
			first := 0
			for k := range at {
				dx[at[k]+i], inPlace[at[k]+i] = 0, 0
				if x[at[k]+i] > x[at[first]+i] {
					first = k
				}
			}
			y[i] = float64(x[at[first]+i])
			dx[at[first]+i], inPlace[at[first]+i] = float64(dy[i]), float64(dy[i])
		}
		var g guards
		got, gotGrad, gotInPlace := g.out(n), g.out(size), g.inOut(x)
		l.MaxPool(got, g.in(x), w)
		l.MaxPoolGrad(gotGrad, g.in(dy), g.in(x), w)
		l.MaxPoolGrad(gotInPlace, g.in(dy), gotInPlace, w)
		equal(t, "y", got, y)
		equal(t, "dx", gotGrad, dx)
		equal(t, "dx in place", gotInPlace, inPlace)
		g.check(t)
	})
}

func TestMaxPoolBF16(t *testing.T) {
	eachSize(t, func(t *testing.T, l Level, n int, rng *rand.Rand) {
		w, size, at := spread(n)
		x, dy := gridBF16(rng, size), gridBF16(rng, n)
		want, wantGrad := make([]float64, n), make([]float64, size)
		for i, v := range x { // dx is unchanged between the blocks
			wantGrad[i] = float64(v.Float32())
		}
		for i := range want {
			first := 0
			for k := range at {
				wantGrad[at[k]+i] = 0
				if x[at[k]+i].Float32() > x[at[first]+i].Float32() {
					first = k
				}
			}
			want[i] = float64(x[at[first]+i].Float32())
			wantGrad[at[first]+i] = float64(dy[i].Float32())
		}
		y, checkY := guardedBF16(t, n)
		dx, checkDX := guardedBF16(t, size)
		copy(dx, x)
		l.MaxPoolBF16(y, x, w)
		l.MaxPoolGradBF16(dx, dy, dx, w, make([]float32, 5*n))
		equalBF16(t, "y", y, want)
		equalBF16(t, "dx in place", dx, wantGrad)
		checkY()
		checkDX()
	})
}

// A NaN in any lane and block must reach the output.
func TestNaNPasses(t *testing.T) {
	const n = 19
	nan := float32(math.NaN())
	norm := &Norm{Mean: make([]float32, n), Scale: make([]float32, n), Beta: make([]float32, n)}
	w, size, at := spread(n)
	for _, l := range FloatLevels() {
		for i := range n {
			for k := range at {
				x, y := make([]float32, size), make([]float32, n)
				x[at[k]+i] = nan
				check := func(what string) {
					t.Helper()
					for j := range y {
						if isNaN := y[j] != y[j]; isNaN != (i == j) {
							t.Errorf("%v: %s of NaN at %d in block %d: element %d is %g", l, what, i, k, j, y[j])
						}
					}
				}
				l.MaxPool(y, x, w)
				check("MaxPool")
				l.NormalizePool(y, x, w, norm)
				check("NormalizePool")
				l.ReLU(y, x[at[k]:][:n])
				check("ReLU")
				l.Normalize(y, x[at[k]:][:n], norm)
				check("Normalize")
				ones, dx := make([]float32, n), make([]float32, size)
				for j := range ones {
					ones[j] = 1
				}
				grad := &NormGrad{Norm: *norm, A: norm.Beta, B: norm.Beta}
				l.NormSums(dx[:n], y, ones, x[at[k]:][:n], norm)
				check("product of NormSums")
				l.NormPoolSums(dx[:n], y, ones, x, w, norm)
				check("product of NormPoolSums")
				l.NormGrad(y, ones, x[at[k]:][:n], grad)
				check("NormGrad")
				l.NormPoolGrad(dx, ones, x, w, grad)
				copy(y, dx[at[k]:])
				check("NormPoolGrad")
				l.ReLUGrad(y, x[at[k]:][:n], ones)
				check("ReLUGrad")
				l.ReLUGrad(y, ones, x[at[k]:][:n])
				for j, v := range y {
					if (v == 1) != (i == j) {
						t.Errorf("%v: ReLU gradient of NaN at %d: element %d is %g", l, i, j, v)
					}
				}
			}
		}
	}
}
