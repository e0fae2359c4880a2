package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// eachTaps calls f for numbers of taps around what a kernel takes, and blocks around whole vectors.
func eachTaps(t *testing.T, f func(t *testing.T, l Level, taps []Tap, b Block, size int, rng *rand.Rand)) {
	for _, l := range FloatLevels() {
		for i, count := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 25} {
			for k, columns := range []int{1, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 40, 67} {
				b := Block{Rows: 1 + (i+k)%5, Columns: columns, Stride: columns + (i+k)%3*5}
				if count == 9 && columns == 40 {
					b.Rows = (1<<16)/columns + 3 // more than a call of a kernel takes
				}
				t.Run(fmt.Sprintf("%v/%d/%+v", l, count, b), func(t *testing.T) {
					rng := rand.New(rand.NewPCG(uint64(count), uint64(columns)))
					pixels := rng.Perm(count + 2)
					taps := make([]Tap, count)
					for n := range taps {
						taps[n] = Tap{X: pixels[n] * (b.size() + 3), W: n * (columns + 1)}
					}
					f(t, l, taps, b, (count+2)*(b.size()+3), rng)
				})
			}
		}
	}
}

// allBF16 returns the elements of x, which are values of bf16.
func allBF16(x []float32) []BF16 {
	y := make([]BF16, len(x))
	for i, v := range x {
		y[i] = roundBF16(v)
	}
	return y
}

func TestDepthwise(t *testing.T) {
	eachTaps(t, func(t *testing.T, l Level, taps []Tap, b Block, size int, rng *rand.Rand) {
		x, w, bias := grid(rng, size), grid(rng, len(taps)*(b.Columns+1)), grid(rng, b.Columns)
		if len(taps)%2 == 0 {
			clear(bias)
		}
		before := grid(rng, b.size())
		want := make([]float64, b.size())
		for i, v := range before {
			want[i] = float64(v)
			if c := i % b.Stride; c < b.Columns {
				want[i] = float64(bias[c])
				for _, t := range taps {
					want[i] += float64(x[t.X+i]) * float64(w[t.W+c])
				}
			}
		}
		var g guards
		y := g.inOut(before)
		in := g.in(bias)
		if len(taps)%2 == 0 {
			in = nil
		}
		l.Depthwise(y, g.in(x), g.in(w), taps, in, b)
		equal(t, "y", y, want)
		y = g.inOut(before)
		l.DepthwiseBF16(y, allBF16(x), g.in(w), taps, in, b)
		equal(t, "y of bf16", y, want)
		g.check(t)
	})
}

func TestDepthwiseGrad(t *testing.T) {
	eachTaps(t, func(t *testing.T, l Level, taps []Tap, b Block, size int, rng *rand.Rand) {
		if b.Rows > 100 {
			return // the sums are not exact
		}
		x, dy, before := grid(rng, size), grid(rng, b.size()), grid(rng, len(taps)*(b.Columns+1))
		want := make([]float64, len(before))
		for i, v := range before {
			want[i] = float64(v)
		}
		for _, t := range taps {
			for i, d := range dy {
				if c := i % b.Stride; c < b.Columns {
					want[t.W+c] += float64(d) * float64(x[t.X+i])
				}
			}
		}
		var g guards
		dw := g.inOut(before)
		l.DepthwiseGrad(dw, g.in(dy), g.in(x), taps, b)
		equal(t, "dw", dw, want)
		dw = g.inOut(before)
		l.DepthwiseGradBF16(dw, allBF16(dy), allBF16(x), taps, b)
		equal(t, "dw of bf16", dw, want)
		g.check(t)
	})
}
