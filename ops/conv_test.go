package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/tensor"
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
	{1, 1, 1, 1, 1, tensor.Centered(3)},
	{1, 1, 1, 3, 5, tensor.Centered(1)},
	{2, 1, 5, 4, 3, tensor.Centered(3)},
	{1, 5, 1, 3, 16, tensor.Centered(3)},
	{3, 2, 2, 7, 17, tensor.Centered(3)},
	{5, 3, 4, 8, 63, tensor.Centered(3)},
	{1, 6, 5, 16, 64, tensor.Centered(3)},
	{1, 4, 4, 70, 150, tensor.Centered(3)}, // gathered, deeper than gemmDepth
	{1, 9, 9, 5, 20, tensor.Centered(3)},
	{2, 4, 4, 17, 65, tensor.Centered(3)},
	{7, 2, 3, 33, 10, tensor.Centered(1)},
	{1, 9, 8, 3, 64, tensor.Centered(3)},
	{4, 2, 2, 70, 130, tensor.Centered(3)},
	{1, 2, 2, 600, 20, tensor.Centered(3)}, // a tap is deeper than convDepth
	{300, 1, 2, 5, 6, tensor.Centered(3)},  // more images than convRows
	{3, 1, 3, 260, 96, tensor.Centered(1)},
}

// windowShapes have kernels of other sizes, strides and paddings.
var windowShapes = []ConvShape{
	{3, 7, 6, 5, 17, tensor.Square(3, 2).Same(7, 6)},
	{3, 7, 7, 4, 17, tensor.Window{Height: 3, Width: 3, StrideH: 2, StrideW: 2, Top: 1, Bottom: 1, Left: 1, Right: 1}},
	{1, 8, 9, 17, 65, tensor.Square(3, 2).Same(8, 9)}, // gathered
	{1, 24, 30, 6, 20, tensor.Square(3, 2).Same(24, 30)},
	{1, 9, 13, 70, 5, tensor.Square(3, 1)}, // deeper than what joins taps
	{2, 9, 13, 3, 5, tensor.Square(3, 1)},
	{4, 5, 6, 33, 65, tensor.Square(1, 2).Same(5, 6)}, // most pixels of dx see nothing
	{1, 5, 6, 3, 4, tensor.Square(1, 3)},
	{3, 16, 15, 3, 64, tensor.Square(7, 2).Same(16, 15)},
	{1, 16, 22, 3, 20, tensor.Square(7, 2).Same(16, 22)}, // taps in a row are joined
	{2, 6, 6, 8, 9, tensor.Centered(5)},
	{1, 11, 10, 4, 9, tensor.Centered(5)},
	{2, 4, 9, 5, 6, tensor.Window{Height: 1, Width: 3, StrideH: 1, StrideW: 2, Left: 1}},
	{5, 7, 4, 40, 6, tensor.Window{Height: 3, Width: 2, StrideH: 3, StrideW: 1, Top: 2, Right: 1}},
	{2, 4, 4, 3, 5, tensor.Window{Height: 3, Width: 3, StrideH: 1, StrideW: 1, Top: 2, Bottom: 2, Left: 2, Right: 2}},
	{3, 7, 9, 5, 20, tensor.Window{Height: 3, Width: 3, StrideH: 1, StrideW: 2, Top: 1, Bottom: -2, Right: -3}},
	{2, 3, 8, 32, 33, tensor.Square(3, 3)}, // pixels of x are seen once at most
	{130, 3, 5, 33, 9, tensor.Square(3, 2).Same(3, 5)},
	{300, 3, 3, 5, 6, tensor.Square(2, 2).Same(3, 3)},
	{3, 7, 8, 1, 70, tensor.Square(3, 2).Same(7, 8)}, // one channel: taps are rows
	{1, 9, 8, 1, 20, tensor.Centered(5)},
	{1, 1, 70, 2, 3, tensor.Window{Height: 1, Width: 2, StrideH: 1, StrideW: 5}},
}

func TestConv(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		for _, s := range slices.Concat(convShapes, windowShapes) {
			t.Run(fmt.Sprint(s), func(t *testing.T) {
				testConv(t, l, s)
			})
		}
	})
}

// convSum is the definition of a convolution: it calls f for each pixel of y and each tap that sees
// a pixel of x there, of each image. Pixels are counted in the layout HWNC.
func convSum(s ConvShape, f func(y, x, tap int)) {
	height, width := s.OutputSize()
	v := s.Window
	for h := range height {
		for w := range width {
			for tap := range s.taps() {
				xh, xw := h*v.StrideH+tap/v.Width-v.Top, w*v.StrideW+tap%v.Width-v.Left
				if xh < 0 || xh >= s.H || xw < 0 || xw >= s.W {
					continue
				}
				for n := range s.N {
					f((h*width+w)*s.N+n, (xh*s.W+xw)*s.N+n, tap)
				}
			}
		}
	}
}

// testConv compares the three passes of the direct algorithm with sums as in the definition.
func testConv(t *testing.T, l Level, s ConvShape) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizeX, sizeY := s.N*s.H*s.W*s.In, s.rows()*s.Out
	x, w, bias, dy := random(rng, sizeX), random(rng, s.depth()*s.Out), random(rng, s.Out), random(rng, sizeY)
	y, dx, dw := make([]sum, sizeY), make([]sum, sizeX), make([]sum, len(w))
	for i := range y {
		y[i].add(bias[i%s.Out], 1)
	}
	convSum(s, func(yRow, xRow, tap int) {
		for i := range s.In {
			for o := range s.Out {
				y, x, w := &y[yRow*s.Out+o], x[xRow*s.In+i], w[(tap*s.In+i)*s.Out+o]
				dy := dy[yRow*s.Out+o]
				y.add(x, w)
				dx[xRow*s.In+i].add(dy, w)
				dw[(tap*s.In+i)*s.Out+o].add(x, dy)
			}
		}
	})
	check := func(what string, got []float32, want []sum) {
		for i := range want {
			want[i].check(t, got[i], what, i)
		}
	}

	check("dx", same(t, func(workers int) []float32 {
		return runPass(t, Direct.InputGradient(l, s, workers), sizeX, dy, w, Epilogue{})
	}), dx)
	gradient := Direct.KernelGradient(l, s, 1)
	for i := range dw {
		dw[i].terms += gradient.Splits()
	}
	check("dw", added(runGradient(t, gradient, len(w), dy, x)), dw)
	for _, relu := range []bool{false, true} {
		got := same(t, func(workers int) []float32 {
			return runPass(t, Direct.Forward(l, s, workers), sizeY, x, w, Epilogue{Bias: bias, ReLU: relu})
		})
		for i := range y {
			if relu {
				y[i].value = max(0, y[i].value)
			}
		}
		check("y", got, y)
	}
}

func FuzzConv(f *testing.F) {
	f.Add(uint8(2), uint8(3), uint8(4), uint8(5), uint8(6), uint16(0x111), uint16(0))
	f.Add(uint8(1), uint8(6), uint8(6), uint8(2), uint8(6), uint16(0x222), uint16(0x1111))
	f.Fuzz(func(t *testing.T, n, h, w, in, out uint8, window, padding uint16) {
		s := ConvShape{N: int(n)%9 + 1, H: int(h)%7 + 1, W: int(w)%7 + 1, In: int(in)%40 + 1, Out: int(out)%90 + 1}
		digit := func(x uint16, i, below int) int { return int(x>>(4*i)) % 16 % below }
		v := tensor.Window{Height: digit(window, 0, 5) + 1, Width: digit(window, 1, 5) + 1,
			StrideH: digit(window, 2, 4) + 1, StrideW: digit(window, 3, 4) + 1}
		v.Top, v.Bottom = digit(padding, 0, v.Height), digit(padding, 1, v.Height)
		v.Left, v.Right = digit(padding, 2, v.Width), digit(padding, 3, v.Width)
		v.Bottom, v.Right = v.Bottom-int(window>>14), v.Right-int(padding>>14) // may be cut off
		if height, width := v.Output(s.H, s.W); s.H+v.Top+v.Bottom < v.Height || s.W+v.Left+v.Right < v.Width || height < 1 || width < 1 {
			return
		}
		s.Window = v
		for _, l := range FloatLevels() {
			testConv(t, l, s)
		}
	})
}
