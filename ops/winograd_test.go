package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var winogradShapes = []ConvShape{
	{1, 2, 2, 16, 16, 3},
	{5, 2, 2, 32, 80, 3},
	{3, 4, 4, 16, 64, 3},
	{2, 7, 9, 48, 16, 3},
	{70, 3, 5, 16, 32, 3},
	{4, 8, 8, 80, 112, 3},
	{1, 13, 6, 64, 64, 3},
	{66, 4, 4, 80, 144, 3},
	{130, 4, 4, 16, 144, 3}, // kernel gradient in jobs of two column blocks and of one
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
	pixels := s.N * s.H * s.W
	x, kernel := random(rng, pixels*s.In), random(rng, 9*s.In*s.Out)
	bias, dy := random(rng, s.Out), random(rng, pixels*s.Out)

	forward := func(s ConvShape, x []float32, rotated bool, p Product, workers int) []float32 {
		u, checkU := guarded(t, l.WinogradKernelSize(w, s))
		scratch, checkScratch := guarded(t, l.WinogradKernelScratch())
		for g := range s.Groups() {
			l.WinogradKernel(u, kernel, w, s, g, rotated, scratch)
		}
		checkU()
		checkScratch()
		y, checkY := guarded(t, pixels*s.Out)
		jobs := WinogradJobs(w, s, workers)
		scratch, checkScratch = guarded(t, l.WinogradScratch(w, s, jobs))
		for i := range jobs {
			l.WinogradForward(y, x, u, w, s, &jobs[i], p, scratch)
		}
		checkY()
		checkScratch()
		return y
	}
	direct := func(s ConvShape, x []float32, rotated bool, p Product) []float32 {
		packed, scratch := make([]float32, l.PackedSize(s)), make([]float32, l.ConvScratch())
		y := make([]float32, pixels*s.Out)
		for g := range s.Groups() {
			if rotated {
				l.PackKernelTurned(packed, kernel, s, g)
			} else {
				l.PackKernel(packed, kernel, s, g)
			}
			l.ConvForward(y, x, packed, s, s.Blocks(), g, p, scratch)
		}
		return y
	}
	for _, p := range []Product{{}, {Bias: bias, ReLU: true}} {
		checkRMS(t, "y", forward(s, x, false, p, 1), direct(s, x, false, p))
	}
	if !slices.Equal(forward(s, x, false, Product{}, 1), forward(s, x, false, Product{}, 16)) {
		t.Error("y depends on the number of workers")
	}
	rotated := s
	rotated.In, rotated.Out = s.Out, s.In
	checkRMS(t, "dx", forward(rotated, dy, true, Product{}, 1), direct(rotated, dy, true, Product{}))

	gradient := func(workers int) []float32 {
		jobs, splits := w.FilterJobs(s, workers)
		scratch, checkScratch := guarded(t, l.WinogradFilterScratch(w, s, jobs))
		partials := make([][]float32, splits)
		for i := range partials {
			var check func()
			partials[i], check = guarded(t, len(kernel))
			defer check()
		}
		for i := range jobs {
			l.WinogradBackwardFilter(partials[jobs[i].Split], dy, x, w, s, &jobs[i], scratch)
		}
		checkScratch()
		dw := make([]float32, len(kernel))
		for _, p := range partials {
			Add(dw, p)
		}
		return dw
	}
	got, want := gradient(1), make([]float32, len(kernel))
	if !slices.Equal(got, gradient(16)) {
		t.Error("dw depends on the number of workers")
	}
	jobs, splits := s.FilterJobs()
	partials := make([][]float32, splits)
	for i := range partials {
		partials[i] = make([]float32, len(kernel))
	}
	scratch := make([]float32, l.FilterScratch(s, jobs))
	for _, j := range jobs {
		l.ConvBackwardFilter(partials[j.Split], dy, x, s, j, scratch)
	}
	for _, p := range partials {
		Add(want, p)
	}
	checkRMS(t, "dw", got, want)
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
