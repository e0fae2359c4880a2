package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// eachPool calls f for numbers of taps around what a kernel takes, and lengths around whole
// vectors. The taps have the numbers 0, 3, 6, …, and begin in random order, size elements in all.
func eachPool(t *testing.T, f func(t *testing.T, l Level, taps []Tap, n, size int, rng *rand.Rand)) {
	for _, l := range FloatLevels() {
		for _, count := range []int{1, 2, 4, 9, 10, 25} {
			for _, n := range []int{1, 7, 8, 9, 31, 64, 1<<16 + 13} {
				if n > 1000 && count != 2 {
					continue
				}
				t.Run(fmt.Sprintf("%v/%d/%d", l, count, n), func(t *testing.T) {
					rng := rand.New(rand.NewPCG(uint64(count), uint64(n)))
					taps := make([]Tap, count)
					for k, at := range rng.Perm(count) {
						taps[k] = Tap{X: at * (n + 3), W: 3 * k}
					}
					f(t, l, taps, n, count*(n+3), rng)
				})
			}
		}
	}
}

func TestSumTaps(t *testing.T) {
	eachPool(t, func(t *testing.T, l Level, taps []Tap, n, size int, rng *rand.Rand) {
		x, values := grid(rng, size), grid(rng, len(taps))
		var w []float32
		for k, v := range values {
			taps[k].W = len(w)
			for range Lanes {
				w = append(w, v)
			}
		}
		want := make([]float64, n)
		for i := range want {
			for k, t := range taps {
				want[i] += float64(x[t.X+i]) * float64(values[k])
			}
		}
		var g guards
		y := g.out(n)
		l.SumTaps(y, g.in(x), g.in(w), taps)
		equal(t, "y", y, want)
		l.SumTapsBF16(y, allBF16(x), g.in(w), taps)
		equal(t, "y of bf16", y, want)
		g.check(t)
	})
}

func TestMaxTaps(t *testing.T) {
	eachPool(t, func(t *testing.T, l Level, taps []Tap, n, size int, rng *rand.Rand) {
		x, dy, in := grid(rng, size), grid(rng, n), grid(rng, n)
		most, which, share := make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range n {
			most[i] = math.Inf(-1)
			for _, t := range taps {
				switch v := float64(x[t.X+i]); {
				case v > most[i]:
					most[i], which[i], share[i] = v, float64(t.W), 1
				case v == most[i]:
					share[i]++
				}
			}
			share[i] = float64(dy[i] / float32(share[i]))
		}
		var g guards
		y, largest, first, shares := g.out(n), g.out(n), g.out(n), g.out(n)
		l.MaxTaps(y, g.in(x), taps)
		l.FirstMax(first, largest, g.in(x), taps)
		l.ShareMax(shares, g.in(dy), g.in(y), g.in(x), taps)
		equal(t, "y", y, most)
		equal(t, "most", largest, most)
		equal(t, "which", first, which)
		equal(t, "share", shares, share)
		l.MaxTapsBF16(y, allBF16(x), taps)
		l.FirstMaxBF16(first, largest, allBF16(x), taps)
		l.ShareMaxBF16(shares, g.in(dy), y, allBF16(x), taps)
		equal(t, "y of bf16", y, most)
		equal(t, "most of bf16", largest, most)
		equal(t, "which of bf16", first, which)
		equal(t, "share of bf16", shares, share)

		// The pixels are windows: some have the number of the tap, some its value.
		numbers, values := grid(rng, size), grid(rng, size)
		routed, shared := make([]float64, n), make([]float64, n)
		for i := range n {
			for _, t := range taps {
				if rng.IntN(3) == 0 {
					numbers[t.X+i] = float32(t.W)
					routed[i] += float64(x[t.X+i])
				} else if numbers[t.X+i] == float32(t.W) {
					routed[i] += float64(x[t.X+i])
				}
				if values[t.X+i] == in[i] {
					shared[i] += float64(x[t.X+i])
				}
			}
		}
		dx, dxShared := g.out(n), g.out(n)
		l.RouteTaps(dx, g.in(x), g.in(numbers), taps)
		l.RouteShares(dxShared, g.in(in), g.in(x), g.in(values), taps)
		equal(t, "dx", dx, routed)
		equal(t, "dx of shares", dxShared, shared)
		g.check(t)
	})
}

// A NaN in any lane and tap must reach the output.
func TestMaxTapsPassesNaN(t *testing.T) {
	eachPool(t, func(t *testing.T, l Level, taps []Tap, n, size int, rng *rand.Rand) {
		x, y := grid(rng, size), make([]float32, n)
		at := rng.IntN(n)
		x[taps[rng.IntN(len(taps))].X+at] = float32(math.NaN())
		l.MaxTaps(y, x, taps)
		for i, v := range y {
			if (v != v) != (i == at) {
				t.Errorf("NaN at %d: element %d is %g", at, i, v)
			}
		}
	})
}
