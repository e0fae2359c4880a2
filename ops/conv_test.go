package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// eachLevel runs f for every level of this machine that has float32 kernels of its own.
func eachLevel(t *testing.T, f func(t *testing.T, l Level)) {
	for _, l := range FloatLevels() {
		t.Run(l.String(), func(t *testing.T) { f(t, l) })
	}
}

func random(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// unit is the rounding error of a float32 operation, relative.
const unit = 1.0 / (1 << 24)

// sum is a sum of products in float64 with the sum of their absolute values, which bounds
// the error of the same sum in float32.
type sum struct {
	value, absolute float64
	terms           int
}

func (s *sum) add(a, b float32) {
	p := float64(a) * float64(b)
	s.value += p
	s.absolute += math.Abs(p)
	s.terms++
}

// check fails the test if got is further from the sum than rounding explains: K products
// and K additions have an error of at most (K+1)·u·Σ|a||b|.
func (s *sum) check(t *testing.T, got float32, where ...any) {
	t.Helper()
	tolerance := float64(s.terms+1) * unit * s.absolute
	if d := math.Abs(float64(got) - s.value); !(d <= tolerance) {
		t.Fatalf("%v: %g, want %g: off by %.3g, tolerance %.3g", where, got, s.value, d, tolerance)
	}
}

var convShapes = []ConvShape{
	{1, 1, 1, 1, 1, 3},
	{1, 1, 1, 3, 5, 1},
	{2, 1, 5, 4, 3, 3},
	{1, 5, 1, 3, 16, 3},
	{3, 2, 2, 7, 17, 3},
	{5, 3, 4, 8, 63, 3},
	{1, 6, 5, 16, 64, 3},
	{1, 4, 4, 70, 150, 3}, // gathered, deeper than gemmDepth
	{1, 9, 9, 5, 20, 3},
	{2, 4, 4, 17, 65, 3},
	{7, 2, 3, 33, 10, 1},
	{1, 9, 8, 3, 64, 3},
	{4, 2, 2, 70, 130, 3},
	{1, 2, 2, 600, 20, 3}, // a tap is deeper than convDepth
	{300, 1, 2, 5, 6, 3},  // more images than convRows
	{3, 1, 3, 260, 96, 1},
}

func TestConv(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		for _, s := range convShapes {
			t.Run(fmt.Sprint(s), func(t *testing.T) {
				testConv(t, l, s)
			})
		}
	})
}

// testConv compares the three passes of the direct algorithm with sums as in the definition.
func testConv(t *testing.T, l Level, s ConvShape) {
	rng := rand.New(rand.NewPCG(1, 2))
	pixels := s.rows()
	x, w, bias, dy := random(rng, pixels*s.In), random(rng, s.depth()*s.Out), random(rng, s.Out), random(rng, pixels*s.Out)
	xAt := func(n, h, w, c int) float32 { return x[((h*s.W+w)*s.N+n)*s.In+c] }
	dyAt := func(n, h, w, c int) float32 { return dy[((h*s.W+w)*s.N+n)*s.Out+c] }
	wAt := func(tap, i, o int) float32 { return w[(tap*s.In+i)*s.Out+o] }
	inside := func(h, w int) bool { return h >= 0 && h < s.H && w >= 0 && w < s.W }

	for _, relu := range []bool{false, true} {
		y := same(t, func(workers int) []float32 {
			return runPass(t, Direct.Forward(l, s, workers), pixels*s.Out, x, w, Epilogue{Bias: bias, ReLU: relu})
		})
		for n := range s.N {
			for h := range s.H {
				for c := range s.W {
					for o := range s.Out {
						want := sum{}
						want.add(bias[o], 1)
						for tap := range s.taps() {
							down, right := s.offset(tap)
							if inside(h+down, c+right) {
								for i := range s.In {
									want.add(xAt(n, h+down, c+right, i), wAt(tap, i, o))
								}
							}
						}
						if relu {
							want.value = max(0, want.value)
						}
						want.check(t, y[((h*s.W+c)*s.N+n)*s.Out+o], "y", n, h, c, o)
					}
				}
			}
		}
	}

	dx := same(t, func(workers int) []float32 {
		return runPass(t, Direct.InputGradient(l, s, workers), pixels*s.In, dy, w, Epilogue{})
	})
	for n := range s.N {
		for h := range s.H {
			for c := range s.W {
				for i := range s.In {
					want := sum{}
					for tap := range s.taps() {
						down, right := s.offset(tap)
						if inside(h-down, c-right) {
							for o := range s.Out {
								want.add(dyAt(n, h-down, c-right, o), wAt(tap, i, o))
							}
						}
					}
					want.check(t, dx[((h*s.W+c)*s.N+n)*s.In+i], "dx", n, h, c, i)
				}
			}
		}
	}

	gradient := Direct.KernelGradient(l, s, 1)
	dw := added(runGradient(t, gradient, len(w), dy, x))
	for tap := range s.taps() {
		for i := range s.In {
			for o := range s.Out {
				want := sum{}
				for n := range s.N {
					for h := range s.H {
						for c := range s.W {
							down, right := s.offset(tap)
							if inside(h+down, c+right) {
								want.add(xAt(n, h+down, c+right, i), dyAt(n, h, c, o))
							}
						}
					}
				}
				want.terms += gradient.Splits()
				want.check(t, dw[(tap*s.In+i)*s.Out+o], "dw", tap, i, o)
			}
		}
	}
}

func FuzzConv(f *testing.F) {
	f.Add(uint8(2), uint8(3), uint8(4), uint8(5), uint8(6), true)
	f.Fuzz(func(t *testing.T, n, h, w, in, out uint8, three bool) {
		s := ConvShape{N: int(n)%9 + 1, H: int(h)%7 + 1, W: int(w)%7 + 1, In: int(in)%40 + 1, Out: int(out)%90 + 1, Kernel: 1}
		if three {
			s.Kernel = 3
		}
		for _, l := range FloatLevels() {
			testConv(t, l, s)
		}
	})
}
