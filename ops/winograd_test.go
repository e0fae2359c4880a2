package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/tensor"
)

var winogradShapes = []ConvShape{
	{1, 2, 2, 16, 16, tensor.Centered(3)},
	{5, 2, 2, 32, 80, tensor.Centered(3)},
	{3, 4, 4, 16, 64, tensor.Centered(3)},
	{2, 7, 9, 48, 16, tensor.Centered(3)},
	{70, 3, 5, 16, 32, tensor.Centered(3)},
	{4, 8, 8, 80, 112, tensor.Centered(3)},
	{1, 13, 6, 64, 64, tensor.Centered(3)},
	{66, 4, 4, 80, 144, tensor.Centered(3)},
	{130, 4, 4, 16, 144, tensor.Centered(3)}, // the kernel gradient in jobs of two column blocks and of one
	{3, 7, 9, 16, 32, tensor.Square(3, 1)},
	{5, 7, 6, 24, 64, tensor.Centered(3)},
	{9, 5, 8, 40, 56, tensor.Centered(3)},
	{2, 6, 5, 32, 16, tensor.Window{Height: 3, Width: 3, StrideH: 1, StrideW: 1, Top: 2, Bottom: 1, Right: 2}},
	{3, 9, 8, 16, 32, tensor.Window{Height: 3, Width: 3, StrideH: 1, StrideW: 1, Bottom: -1, Left: 1, Right: -2}},
}

func TestWinograd(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		for _, w := range []Winograd{F4, F2, Map2} {
			for _, s := range winogradShapes {
				if !w.Fits(s) {
					continue
				}
				t.Run(fmt.Sprint(w, s), func(t *testing.T) {
					testWinograd(t, l, w, s)
				})
			}
		}
	})
}

// testWinograd compares the three passes with the direct algorithm. The error of an element depends
// on its neighbours, so the test compares root mean squares: F4 has an error of a few 1e-6 (single
// elements may have several times that).
func testWinograd(t *testing.T, l Level, w Winograd, s ConvShape) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizeX, sizeY := s.N*s.H*s.W*s.In, s.rows()*s.Out
	x, kernel, bias, dy := random(rng, sizeX), random(rng, 9*s.In*s.Out), random(rng, s.Out), random(rng, sizeY)
	compare := func(what string, f func(a ConvAlgorithm[float32], workers int) []float32) {
		got := f(w, 1)
		checkRMS(t, what, got, f(Direct, 1))
		if !slices.Equal(got, f(w, 16)) {
			t.Errorf("%s depends on the number of workers", what)
		}
	}
	for _, e := range []Epilogue{{}, {Bias: bias, ReLU: true}} {
		compare("y", func(a ConvAlgorithm[float32], workers int) []float32 {
			return runPass(t, a.Forward(l, s, workers), sizeY, x, kernel, e)
		})
	}
	compare("dx", func(a ConvAlgorithm[float32], workers int) []float32 {
		return runPass(t, a.InputGradient(l, s, workers), sizeX, dy, kernel, Epilogue{})
	})
	compare("dw", func(a ConvAlgorithm[float32], workers int) []float32 {
		return added(runGradient(t, a.KernelGradient(l, s, workers), len(kernel), dy, x))
	})
}

func checkRMS(t *testing.T, what string, got, want []float32) {
	t.Helper()
	var squares, errors float64
	for i := range want {
		squares += float64(want[i]) * float64(want[i])
		d := float64(got[i]) - float64(want[i])
		errors += d * d
	}
	relative := math.Sqrt(errors / squares)
	if !(relative < 4e-6) {
		t.Errorf("%s: relative error %.3g", what, relative)
	}
}
