package ops

import (
	"math"
	"math/rand/v2"
	"testing"
)

// guards allocates slices between guard values. check finds writes outside of the slices, and to
// inputs.
type guards struct {
	whole  [][]float32
	inputs [][]float32 // a copy of whole at the start, nil for an output
}

const (
	guardLength = 9 // odd, so that slices are not aligned
	guardValue  = -12345.678
)

func (g *guards) slice(n int) (whole, inner []float32) {
	whole = make([]float32, n+2*guardLength)
	for i := range whole {
		whole[i] = guardValue
	}
	g.whole = append(g.whole, whole)
	return whole, whole[guardLength:][:n:n]
}

// in returns a copy of x that must stay as it is.
func (g *guards) in(x []float32) []float32 {
	whole, inner := g.slice(len(x))
	copy(inner, x)
	g.inputs = append(g.inputs, append([]float32(nil), whole...))
	return inner
}

// out returns n undefined elements.
func (g *guards) out(n int) []float32 {
	_, inner := g.slice(n)
	g.inputs = append(g.inputs, nil)
	return inner
}

// inOut returns a copy of x that may be written.
func (g *guards) inOut(x []float32) []float32 {
	out := g.out(len(x))
	copy(out, x)
	return out
}

func (g *guards) check(t *testing.T) {
	t.Helper()
	for s, whole := range g.whole {
		for i, v := range whole {
			outside := i < guardLength || i >= len(whole)-guardLength
			if outside && v != guardValue {
				t.Fatalf("slice %d of %d: element %d was written", s, len(whole)-2*guardLength, i-guardLength)
			}
			if in := g.inputs[s]; in != nil && math.Float32bits(in[i]) != math.Float32bits(v) {
				t.Fatalf("input %d: element %d was changed from %g to %g", s, i-guardLength, in[i], v)
			}
		}
	}
}

// grid returns n random multiples of 1/8 from −3 to 3. Sums of some products of them have no
// rounding error in float32, so kernels must be exact. Ties and zeros are common.
func grid(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.IntN(49)-24) / 8
	}
	return x
}

func equal(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range got {
		if float64(got[i]) != want[i] {
			t.Fatalf("%s: element %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

// flatSizes are lengths around whole vectors, and one longer than a call of a kernel.
var flatSizes = []int{1, 7, 8, 9, 15, 16, 17, 31, 64, 65, 1000, 1<<17 + 13}
