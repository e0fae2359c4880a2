//go:build cudnn && cgo && linux

package cudnn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/philox"
	"github.com/lamina-go/lamina/tensor"
)

// activationCase compares a forward and a backward pass that only choose among numbers with the
// reference.
func (m *machine) activationCase(open func(backend.Backend) (backend.Activation, error), xs, ys tensor.Shape, x []float32,
	forward func(y, x *activations), backward func(dx, dy, x *activations)) {
	m.Helper()
	x = m.rounded(x)
	dy := make([]float32, ys.Size())
	for i := range dy {
		dy[i] = float32(i%101 + 1) // all different
	}
	ref := newReference(m.T)
	plan, err := open(ref)
	if err != nil {
		m.Fatal(err)
	}
	rx, ry, rdx, rdy := ref.tensor(xs, x), ref.tensor(ys, nil), ref.tensor(xs, nil), ref.tensor(ys, dy)
	ref.run(backend.StepValues{}, func() { plan.Forward(ry, rx) })
	ref.run(backend.StepValues{}, func() { plan.Backward(rdx, rdy, rx) })

	gx, gy, gdy := m.activations(x), m.activations(fill(len(dy), 77)), m.activations(dy)
	forward(gy, gx)
	near(m.T, "y", gy.read(), ref.read(ry), exact)
	near(m.T, "x", gx.read(), x, exact)
	apart := m.activations(fill(len(x), 99))
	backward(apart, gdy, gx)
	near(m.T, "dx", apart.read(), ref.read(rdx), exact)
	backward(gx, gdy, gx)
	near(m.T, "dx in the place of x", gx.read(), ref.read(rdx), exact)
	near(m.T, "dy", gdy.read(), dy, exact)
}

func TestReLUKernels(t *testing.T) {
	each(t, func(m *machine) {
		for _, n := range []int{1, 3, 4, 7, 8, 9, 255, 4096, 10007} {
			rng := rand.New(rand.NewPCG(3, uint64(n)))
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			inf := float32(math.Inf(1))
			copy(x, []float32{0, float32(math.Copysign(0, -1)), 1e-30, -1e-30, 1e-45, -1e-45, inf, -inf})
			shape := tensor.Shape{1, n}
			m.activationCase(func(b backend.Backend) (backend.Activation, error) { return b.Function(shape, tensor.Rectifier()) }, shape, shape, x,
				func(y, x *activations) { m.function("function", tensor.Rectifier(), n, y, x) },
				func(dx, dy, x *activations) { m.function("function_grad", tensor.Rectifier(), n, dx, dy, x) })
		}
	})
}

// functionArgs are the arguments of a function.
func functionArgs(f tensor.Function) (args []any) {
	for _, a := range functionArguments(f) {
		args = append(args, uint32(a))
	}
	return args
}

// function launches a kernel of functions on n elements.
func (m *machine) function(name string, f tensor.Function, n int, args ...any) {
	m.Helper()
	m.launch(name, m.elements(n), slices.Concat(args, []any{int64(n)}, functionArgs(f))...)
}

// functionCases has each function, and a function with other parameters.
var functionCases = []tensor.Function{
	{}, tensor.Rectifier(), {Kind: tensor.ReLU, Alpha: 0.3}, {Kind: tensor.ReLU, Max: 6}, {Kind: tensor.ReLU, Alpha: 0.1, Max: 2, Threshold: 0.5}, {Kind: tensor.ReLU, Threshold: -1},
	{Kind: tensor.ELU, Alpha: 1}, {Kind: tensor.ELU, Alpha: 0.3}, {Kind: tensor.SELU}, {Kind: tensor.GELU}, {Kind: tensor.GELUTanh}, {Kind: tensor.SiLU},
	{Kind: tensor.Sigmoid}, {Kind: tensor.Tanh}, {Kind: tensor.HardSigmoid, Alpha: 0.2}, {Kind: tensor.HardSigmoid, Alpha: 1.0 / 6}, {Kind: tensor.HardSiLU},
	{Kind: tensor.Softplus}, {Kind: tensor.Softsign}, {Kind: tensor.Exponential}, {Kind: tensor.Mish},
}

// TestFunctionKernels allows each value some units in the last place of itself and of its argument.
// What a function makes constant has the gradient 0, and a NaN stays one.
func TestFunctionKernels(t *testing.T) {
	each(t, func(m *machine) {
		x := []float32{0, float32(math.Copysign(0, -1)), 1e-30, -1e-30, 6, 0.5, 2, -1, 3, -3, 2.5, -2.5, 12, -12, 30, -30, 80, -80, 1e4, -1e4}
		rng := rand.New(rand.NewPCG(9, 9))
		for range 1003 {
			x = append(x, float32(3*rng.NormFloat64()))
		}
		x = m.rounded(x)
		n, shape := len(x), tensor.Shape{1, len(x)}
		dy := make([]float32, n)
		for i := range dy {
			dy[i] = float32(i%9 - 4)
		}
		for _, f := range functionCases {
			ref := newReference(m.T)
			plan, err := ref.Function(shape, f)
			if err != nil {
				m.Fatal(err)
			}
			rx, ry, rdx := ref.tensor(shape, x), ref.tensor(shape, nil), ref.tensor(shape, nil)
			ref.run(backend.StepValues{}, func() { plan.Forward(ry, rx); plan.Backward(rdx, ref.tensor(shape, dy), rx) })
			wantY, wantDx := ref.read(ry), ref.read(rdx)
			gx, gy, gdx := m.activations(x), m.activations(fill(n, 5)), m.activations(dy)
			m.function("function", f, n, gy, gx)
			m.function("function_grad", f, n, gdx, gdx, gx)
			tolerance := func(want []float32, scale func(i int) float64) func(i int) float64 {
				return func(i int) float64 {
					w := math.Abs(float64(want[i]))
					ofReference := 0x1p-52 * (1 + math.Abs(float64(x[i]))) // where 1 + tanh cancels
					return 8*0x1p-24*(w+scale(i)) + m.unit*w + ofReference
				}
			}
			// Slopes of GELU and the like are sums of terms that may cancel, of up to 1 + |x|·exp(−|x|).
			near(m.T, fmt.Sprintf("%v", f), gy.read(), wantY, tolerance(wantY, func(i int) float64 {
				a := math.Abs(float64(x[i]))
				if f.Kind == tensor.Exponential || f.Kind == tensor.GELU { // whose argument is x or x²
					return a * math.Abs(float64(wantY[i])) * max(1, a)
				}
				if f.Kind == tensor.HardSigmoid || f.Kind == tensor.HardSiLU { // slope·x + 1/2 may cancel
					return 1 + a
				}
				return min(a, 16) * math.Abs(float64(wantY[i]))
			}))
			near(m.T, fmt.Sprintf("the gradient of %v", f), gdx.read(), wantDx, tolerance(wantDx, func(i int) float64 {
				a := math.Abs(float64(x[i]))
				if f.Kind == tensor.Exponential {
					return a * math.Abs(float64(wantDx[i]))
				}
				return math.Abs(float64(dy[i])) * (1 + a) * min(1, 2*math.Exp(-a/2))
			}))
			y := m.activations(fill(1, 1))
			m.function("function", f, 1, y, m.activations([]float32{float32(math.NaN())}))
			if v := y.read()[0]; v == v {
				m.Errorf("%v of NaN is %g", f, v)
			}
		}
	})
}

func TestSoftmaxKernels(t *testing.T) {
	each(t, func(m *machine) {
		for _, s := range [][2]int{{1, 1}, {3, 2}, {5, 10}, {4, 33}, {2, 100}} {
			rows, c := s[0], s[1]
			rng := rand.New(rand.NewPCG(10, uint64(c)))
			x, dy := make([]float32, rows*c), make([]float32, rows*c)
			for i := range x {
				x[i], dy[i] = float32(4*rng.NormFloat64()), float32(i%7-3)
			}
			x[0] = 200
			x = m.rounded(x)
			shape, ref := tensor.Shape{rows, c}, newReference(m.T)
			plan, err := ref.Softmax(shape)
			if err != nil {
				m.Fatal(err)
			}
			rx, ry, rdx := ref.tensor(shape, x), ref.tensor(shape, nil), ref.tensor(shape, nil)
			ref.run(backend.StepValues{}, func() { plan.Forward(ry, rx); plan.Backward(rdx, ref.tensor(shape, dy), rx) })
			wantY, wantDx := ref.read(ry), ref.read(rdx)
			g := geometry{[3]uint32{uint32(rows), 1, 1}, [3]uint32{32, 1, 1}}
			gx, gy := m.activations(x), m.activations(fill(len(x), 5))
			m.launch("softmax", g, gy, gx, c)
			near(m.T, "y", gy.read(), wantY, func(i int) float64 { return m.unit*float64(wantY[i]) + 0x1p-149 })
			m.launch("softmax_grad", g, gx, m.activations(dy), gx, c) // in the place of x
			near(m.T, "dx", gx.read(), wantDx, func(i int) float64 { return m.unit*math.Abs(float64(wantDx[i])) + 0x1p-50 })
		}
	})
}

// TestAddKernels takes whole numbers, whose sums are exact.
func TestAddKernels(t *testing.T) {
	each(t, func(m *machine) {
		for _, n := range []int{1, 7, 8, 4099} {
			for _, inputs := range []int{2, 3, addends} {
				shape, ref := tensor.Shape{1, n}, newReference(m.T)
				f := tensor.Function{Kind: tensor.ReLU, Alpha: 0.5, Max: 6}
				plan, err := ref.Add(backend.AddSpec{Shape: shape, Inputs: inputs, Function: f})
				if err != nil {
					m.Fatal(err)
				}
				var rxs []tensor.Tensor
				var args []any
				for k := range inputs {
					x := make([]float32, n)
					for i := range x {
						x[i] = float32((i*7+k*5)%9 - 4)
					}
					rxs, args = append(rxs, ref.tensor(shape, x)), append(args, m.activations(x))
				}
				for range addends - inputs {
					args = append(args, nil)
				}
				dy := make([]float32, n)
				for i := range dy {
					dy[i] = float32(i%11 - 5)
				}
				ry, rdx := ref.tensor(shape, nil), ref.tensor(shape, nil)
				ref.run(backend.StepValues{}, func() {
					plan.Forward(ry, rxs)
					plan.Backward(append([]tensor.Tensor{rdx}, make([]tensor.Tensor, inputs-1)...), ref.tensor(shape, dy), rxs)
				})
				y, dx := m.activations(fill(n, 77)), m.activations(dy)
				m.launch("add", m.elements(n), slices.Concat([]any{y, int64(n), inputs}, args, functionArgs(f))...)
				near(m.T, "y", y.read(), ref.read(ry), exact)
				m.launch("add_grad", m.elements(n), slices.Concat([]any{dx, dx, int64(n), inputs}, args, functionArgs(f))...)
				near(m.T, "dx in the place of dy", dx.read(), ref.read(rdx), exact)
			}
		}
	})
}

// Masks are those of package philox, at each step, in forward and backward.
func TestDropoutKernels(t *testing.T) {
	each(t, func(m *machine) {
		for i, n := range []int{1, 2, 3, 4, 5, 63, 1024, 4099} {
			for _, rate := range []float32{0, 0.1, 0.5, 0.9} {
				for _, step := range []uint64{0, 7, 1<<32 + 5} {
					const layer = 1 << 20
					seed := 0x9876543210 * uint64(i+1)
					x, dy := make([]float32, n), make([]float32, n)
					for k := range x {
						x[k], dy[k] = float32(k%13-6), float32(k%11+1)
					}
					threshold, scale := philox.Threshold(rate), philox.Scale(rate)
					wantY, wantDx := make([]float32, n), make([]float32, n)
					for k := range x {
						if philox.Dropout(seed, layer, step, uint32(k/4))[k%4] >= threshold {
							wantY[k], wantDx[k] = x[k]*scale, dy[k]*scale
						}
					}
					blocks := (n + 3) / 4
					keep := place[byte](blocks, 0)
					state := []stepState{{step: step}}
					y, dx := m.activations(fill(n, 5)), m.activations(dy)
					m.launch("dropout", m.elements(blocks), y, m.activations(x), keep, state, 1, 1, n, threshold, scale, seed, uint32(layer))
					m.launch("dropout_grad", m.elements(blocks), dx, dx, keep, 1, 1, n, scale)
					near(m.T, "y", y.read(), m.rounded(wantY), exact)
					near(m.T, "dx", dx.read(), m.rounded(wantDx), exact)
				}
			}
		}
	})
}

// The masks of images are numbered in another order than their elements, or by channels.
func TestDropoutOfImages(t *testing.T) {
	each(t, func(m *machine) {
		for _, shape := range []tensor.Shape{{2, 3, 5, 3}, {3, 2, 2, 8}, {2, 4, 3, 12}, {5, 1, 2, 1}} {
			const layer, seed, step, rate = 3, 77, 1<<32 + 5, 0.4
			n, h, w, c := shape.NHWC()
			x, want, wantChannels := make([]float32, shape.Size()), make([]float32, shape.Size()), make([]float32, shape.Size())
			threshold, scale := philox.Threshold(rate), philox.Scale(rate)
			kept := func(i int) bool { return philox.Dropout(seed, layer, step, uint32(i/4))[i%4] >= threshold }
			for i := range x {
				x[i] = float32(i%13 + 1)
				image, pixel, channel := i/(h*w*c), i/c%(h*w), i%c
				if kept((pixel*n+image)*c + channel) {
					want[i] = x[i] * scale
				}
				if kept(image*c + channel) {
					wantChannels[i] = x[i] * scale
				}
			}
			quads, state := (len(x)+3)/4, []stepState{{step: step}}
			keep, y, dx := place[byte](quads, 0), m.activations(fill(len(x), 5)), m.activations(x)
			m.launch("dropout", m.elements(quads), y, dx, keep, state, n, h*w, c, threshold, scale, uint64(seed), uint32(layer))
			m.launch("dropout_grad", m.elements(quads), dx, dx, keep, n, h*w, c, scale)
			near(m.T, "y", y.read(), m.rounded(want), exact)
			near(m.T, "dx", dx.read(), m.rounded(want), exact)
			keep, y = place[byte]((n*c+3)/4, 0), m.activations(x)
			m.launch("dropout_mask", m.elements((n*c+3)/4), keep, state, int64(n*c), threshold, uint64(seed), uint32(layer))
			m.launch("dropout_channels", m.columns(n*h*w, c, false), y, y, keep, n, h*w, c, scale)
			near(m.T, "y of channels", y.read(), m.rounded(wantChannels), exact)
		}
	})
}
