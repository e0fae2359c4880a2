package ops

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-go/lamina/internal/philox"
)

// TestDropoutMask covers blocks that wrap around, counters and keys of full width, and thresholds
// that keep everything and almost nothing.
func TestDropoutMask(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		rng := rand.New(rand.NewPCG(7, 8))
		for _, n := range []int{0, 1, 3, 4, 5, 8, 63, 64, 65, 1024, 1<<14 + 7} {
			for _, threshold := range []uint32{0, 1, 1 << 31, rng.Uint32(), math.MaxUint32} {
				for _, first := range []int{0, 8, 1 << 13, 1<<34 - 32} {
					seed, layer, step := rng.Uint64(), rng.Uint32(), rng.Uint64()
					whole := bytes.Repeat([]byte{0xa5}, n+2)
					keep := whole[1 : n+1]
					l.DropoutMask(keep, first, seed, layer, step, threshold)
					for i, got := range keep {
						var want byte
						for bit := range 8 {
							element := first + 8*i + bit
							if philox.Dropout(seed, layer, step, uint32(element/4))[element%4] >= threshold {
								want |= 1 << bit
							}
						}
						if got != want {
							t.Fatalf("%d bytes from element %d on, threshold %#x: byte %d is %08b, want %08b",
								n, first, threshold, i, got, want)
						}
					}
					if whole[0] != 0xa5 || whole[n+1] != 0xa5 {
						t.Fatal("written outside the slice")
					}
				}
			}
		}
	})
}

func TestDropout(t *testing.T) {
	eachSize(t, func(t *testing.T, l Level, n int, rng *rand.Rand) {
		x := grid(rng, n)
		keep := make([]byte, (n+7)/8)
		for i := range keep {
			keep[i] = byte(rng.Uint32())
		}
		y := make([]float64, n)
		for i, v := range x {
			if keep[i/8]>>(i%8)&1 == 1 {
				y[i] = 2.5 * float64(v)
			}
		}
		var g guards
		got, inPlace := g.out(n), g.inOut(x)
		l.Dropout(got, g.in(x), keep, 2.5)
		l.Dropout(inPlace, inPlace, keep, 2.5)
		equal(t, "y", got, y)
		equal(t, "y in place", inPlace, y)
		g.check(t)
	})
}
