package cpu

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// eachLevel runs a test of backendtest at every level, each with another number of threads.
func eachLevel(t *testing.T, test func(t *testing.T, open func(t *testing.T) backend.Backend)) {
	for i, level := range ops.FloatLevels() {
		t.Run(level.String(), func(t *testing.T) {
			test(t, func(t *testing.T) backend.Backend {
				return open(t, Options{Threads: i%3 + 1, Level: level, Conv: "im2col"})
			})
		})
	}
}

func TestConformance(t *testing.T) {
	eachLevel(t, func(t *testing.T, open func(t *testing.T) backend.Backend) {
		backendtest.Run(t, open, backendtest.Options{})
	})
}

// TestConvAlgorithms runs the suite's convolutions by Winograd's algorithms, at
// each level that would choose them.
func TestConvAlgorithms(t *testing.T) {
	for _, level := range ops.FloatLevels() {
		for _, w := range []ops.Winograd{ops.F4, ops.F2} {
			if level == ops.Generic {
				continue // package ops tests its transforms
			}
			t.Run(level.String()+"/"+w.String(), func(t *testing.T) {
				backendtest.RunConvolutions(t, func(t *testing.T) backend.Backend {
					return open(t, Options{Threads: 2, Level: level, Conv: w.String()})
				}, backendtest.Options{Winograd: func(s backend.Conv2DSpec) *backendtest.Winograd { return winogradOf(w, s) }})
			})
		}
	}
}

// winogradOf returns the matrices by which a convolution is computed if w was chosen.
func winogradOf(w ops.Winograd, s backend.Conv2DSpec) *backendtest.Winograd {
	shape := ops.ConvShape{N: s.N, H: s.H, W: s.W, In: s.In, Out: s.Out, Window: s.Window}
	switch {
	case !w.Fits(shape):
		return nil
	case ops.Map2.Fits(shape):
		return backendtest.Map2
	case w == ops.F4:
		return backendtest.F4
	}
	return backendtest.F2
}

// TestConvAllocatesNothing runs the passes of a convolution by each algorithm.
func TestConvAllocatesNothing(t *testing.T) {
	for _, conv := range ConvAlgorithms() {
		b := open(t, Options{Threads: 2, Conv: conv})
		for _, size := range []int{2, 5} {
			spec := backend.Conv2DSpec{N: 40, H: size, W: size, In: 64, Out: 64, Window: tensor.Centered(3)}
			p := must(b.Conv2D(spec))
			x, y := must(b.Activations(tensor.Shape{40, size, size, 64})), must(b.Activations(tensor.Shape{40, size, size, 64}))
			w, dw := must(b.Parameters(tensor.Shape{3, 3, 64, 64})), must(b.Parameters(tensor.Shape{3, 3, 64, 64}))
			bias, db := must(b.Parameters(tensor.Shape{64})), must(b.Parameters(tensor.Shape{64}))
			// In so many runs a thread that the runtime may start counts as nothing.
			if n := testing.AllocsPerRun(20, func() {
				p.Forward(y, x, w, bias)
				p.BackwardFilter(dw, db, y, x)
				p.BackwardData(x, y, w)
			}); n != 0 {
				t.Errorf("%s, %dx%d pixels: %v allocations", conv, size, size, n)
			}
		}
	}
}

func TestGolden(t *testing.T) {
	eachLevel(t, backendtest.Golden)
	for _, conv := range []string{"f4", "f2"} {
		t.Run(conv, func(t *testing.T) {
			backendtest.Golden(t, func(t *testing.T) backend.Backend { return open(t, Options{Conv: conv}) })
		})
	}
}

// TestConformanceBF16 runs the suite with activations of 8 significant bits, at every level that
// computes their products in its own way.
func TestConformanceBF16(t *testing.T) {
	for i, level := range ops.Levels() {
		t.Run(level.String(), func(t *testing.T) {
			backendtest.Run(t, func(t *testing.T) backend.Backend {
				return open(t, Options{Threads: i%3 + 1, Level: level, BF16: true})
			}, backendtest.Options{Unit: 0x1p-8})
		})
	}
}

// TestConstantKernelsAreMadeOnce changes the weights of plans that assume they never change.
// bf16 keeps all weights.
func TestConstantKernelsAreMadeOnce(t *testing.T) {
	for _, o := range []Options{{Conv: "im2col"}, {Conv: "f4"}} {
		o.Threads = 2
		b := &benchTensors{open(t, o), rand.New(rand.NewPCG(1, 2))}
		for _, c := range []struct {
			name    string
			x, y, w tensor.Shape
			plan    backend.Dense
		}{
			{"conv", tensor.Shape{3, 4, 4, 32}, tensor.Shape{3, 4, 4, 80}, tensor.Shape{3, 3, 32, 80}, must(b.Conv2D(
				backend.Conv2DSpec{N: 3, H: 4, W: 4, In: 32, Out: 80, Window: tensor.Centered(3), Inference: true, Constant: true}))},
			{"dense", tensor.Shape{3, 50}, tensor.Shape{3, 70}, tensor.Shape{50, 70}, must(b.Dense(
				backend.DenseSpec{N: 3, In: 50, Out: 70, Inference: true, Constant: true}))},
		} {
			x, y, w, bias := b.activation(c.x...), b.activation(c.y...), b.kernel(c.w...), b.parameter(c.y[len(c.y)-1])
			var results [2][]float32
			for i := range results {
				c.plan.Forward(y, x, w, bias)
				results[i] = make([]float32, c.y.Size())
				if err := b.Read(results[i], y); err != nil {
					t.Fatal(err)
				}
				b.fill(w)
			}
			if !slices.Equal(results[0], results[1]) {
				t.Errorf("%+v, %s: the kernel was made again", o, c.name)
			}
		}
	}
}
