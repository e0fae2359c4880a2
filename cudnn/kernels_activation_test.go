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

func TestMaxPoolKernels(t *testing.T) {
	each(t, func(m *machine) {
		for _, xs := range normShapes {
			if len(xs) == 2 || xs[1] == 1 {
				continue
			}
			n, h, w, c := xs.NHWC()
			ys := tensor.Shape{n, h / 2, w / 2, c}
			rng := rand.New(rand.NewPCG(4, uint64(n*h*w*c)))
			x := make([]float32, xs.Size())
			for i := range x {
				x[i] = float32(rng.IntN(4)) // most windows have equal maxima
			}
			forward := func(y, x *activations) {
				m.launch("max_pool", m.columns(n*(h/2)*(w/2), c, false), y, x, n, h, w, c)
			}
			m.activationCase(func(b backend.Backend) (backend.Activation, error) {
				return b.Pool(backend.PoolSpec{Shape: xs, Window: tensor.Square(2, 2)})
			}, xs, ys, x, forward,
				func(dx, dy, x *activations) {
					m.launch("max_pool_grad", m.columns(n*((h+1)/2)*((w+1)/2), c, false), dx, dy, x, n, h, w, c)
				})
			for _, at := range []int{0, c, w * c, (w + 1) * c} { // each place of the first window
				poisoned := append([]float32(nil), x...)
				poisoned[at] = float32(math.NaN())
				y := m.activations(fill(ys.Size(), 1))
				forward(y, m.activations(poisoned))
				for i, v := range y.read() {
					if (v != v) != (i == 0) {
						m.Fatalf("with a NaN in the first window element %d is %g", i, v)
					}
				}
			}
		}
	})
}

// windowShapes are images, windows over them, and channels.
var windowShapes = []struct {
	n, h, w, c int
	window     tensor.Window
}{
	{2, 5, 7, 3, tensor.Square(3, 2)},
	{2, 6, 7, 8, tensor.Square(3, 2).Same(6, 7)},
	{1, 8, 5, 12, tensor.Square(2, 2).Same(8, 5)},
	{3, 4, 4, 16, tensor.Square(4, 1)},
	{2, 5, 4, 33, tensor.Centered(3)},
	{1, 9, 6, 5, tensor.Window{Height: 2, Width: 4, StrideH: 3, StrideW: 1, Top: 1, Right: 3}},
	{1, 7, 7, 64, tensor.Square(1, 2)},
	{1, 1, 1, 8, tensor.Square(1, 1)},
}

// movesArgs are the arguments of a window.
func movesArgs(win tensor.Window, h, w int) (args []any) {
	for _, a := range moves(win, h, w) {
		args = append(args, uint32(a))
	}
	return args
}

func TestPoolKernels(t *testing.T) {
	each(t, func(m *machine) {
		for _, s := range windowShapes {
			high, wide := s.window.Output(s.h, s.w)
			xs, ys := tensor.Shape{s.n, s.h, s.w, s.c}, tensor.Shape{s.n, high, wide, s.c}
			rng := rand.New(rand.NewPCG(12, uint64(xs.Size())))
			x := make([]float32, xs.Size())
			for i := range x {
				x[i] = float32(rng.IntN(4)) // most windows have equal maxima
			}
			if len(x) > 20 {
				x[11] = float32(math.NaN())
			}
			dy := make([]float32, ys.Size())
			for i := range dy {
				dy[i] = float32(i%13 + 1)
			}
			for _, kind := range []backend.PoolKind{backend.MaxPool, backend.SharedMaxPool, backend.AveragePool} {
				ref := newReference(m.T)
				plan, err := ref.Pool(backend.PoolSpec{Shape: xs, Window: s.window, Kind: kind})
				if err != nil {
					m.Fatal(err)
				}
				rx, ry, rdx := ref.tensor(xs, x), ref.tensor(ys, nil), ref.tensor(xs, nil)
				ref.run(backend.StepValues{}, func() { plan.Forward(ry, rx); plan.Backward(rdx, ref.tensor(ys, dy), rx) })
				wantY, wantDx := ref.read(ry), ref.read(rdx)

				name := fmt.Sprintf("pool %d of %v, %+v: ", kind, xs, s.window)
				at, images := movesArgs(s.window, s.h, s.w), []any{s.n, s.c}
				gx, gy, gdy := m.activations(x), m.activations(fill(len(dy), 77)), m.activations(dy)
				perY, perX := m.columns(s.n*high*wide, s.c, false), m.columns(s.n*s.h*s.w, s.c, false)
				m.launch("pool", perY, slices.Concat([]any{gy, gx}, images, []any{int(kind)}, at)...)
				// Some quotients and sums of less than 13 each.
				tolerance := func(want []float32) func(i int) float64 {
					if kind == backend.MaxPool {
						return exact
					}
					return func(i int) float64 { return 16*0x1p-24*13 + m.unit*math.Abs(float64(want[i])) }
				}
				near(m.T, name+"y", gy.read(), wantY, tolerance(wantY))
				routes, best := make([]int32, len(dy)), any(nil)
				if kind == backend.SharedMaxPool {
					best = m.activations(fill(len(dy), 77))
				}
				if kind != backend.AveragePool {
					m.launch("pool_routes", perY, slices.Concat([]any{routes, best, gx}, images, at)...)
				}
				m.launch("pool_grad", perX, slices.Concat([]any{gx, gdy, gx, routes, best}, images, []any{int(kind)}, at)...)
				near(m.T, name+"dx in the place of x", gx.read(), wantDx, tolerance(wantDx))
				near(m.T, name+"dy", gdy.read(), dy, exact)
			}
		}
	})
}

// TestDepthwiseKernels takes small whole numbers, whose sums are exact.
func TestDepthwiseKernels(t *testing.T) {
	each(t, func(m *machine) {
		whole := func(n, seed int) []float32 {
			rng := rand.New(rand.NewPCG(13, uint64(seed)))
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(rng.IntN(5) - 2)
			}
			return x
		}
		for _, s := range windowShapes {
			for _, multiplier := range []int{1, 2, 4} {
				for _, biased := range []bool{false, true} {
					high, wide := s.window.Output(s.h, s.w)
					out := s.c * multiplier
					xs, ys := tensor.Shape{s.n, s.h, s.w, s.c}, tensor.Shape{s.n, high, wide, out}
					ws := tensor.Shape{s.window.Height, s.window.Width, s.c, multiplier}
					x, dy, w, bias := whole(xs.Size(), 1), whole(ys.Size(), 2), whole(ws.Size(), 3), whole(out, 4)
					f := tensor.Function{}
					if biased {
						f = tensor.Rectifier()
					}
					ref := newReference(m.T)
					spec := backend.DepthwiseSpec{N: s.n, H: s.h, W: s.w, C: s.c, Multiplier: multiplier, Window: s.window}
					plan, err := ref.DepthwiseConv2D(spec)
					if err != nil {
						m.Fatal(err)
					}
					spec.Function, spec.Inference = f, true
					inferring, err := ref.DepthwiseConv2D(spec)
					if err != nil {
						m.Fatal(err)
					}
					rx, ry, rw, rdy := ref.tensor(xs, x), ref.tensor(ys, nil), ref.tensor(ws, w), ref.tensor(ys, dy)
					rdx, rdw := ref.tensor(xs, nil), ref.tensor(ws, nil)
					var rbias tensor.Tensor
					var gbias *floats
					if biased {
						rbias, gbias = ref.tensor(tensor.Shape{out}, bias), m.floatsAt(bias, 3)
					}
					ref.run(backend.StepValues{}, func() { inferring.Forward(ry, rx, rw, rbias) })
					ref.run(backend.StepValues{}, func() { plan.BackwardFilter(rdw, nil, rdy, rx); plan.BackwardData(rdx, rdy, rw) })

					name := fmt.Sprintf("%d times %v, %+v: ", multiplier, xs, s.window)
					at := movesArgs(s.window, s.h, s.w)
					gx, gy, gdy, gw := m.activations(x), m.activations(fill(len(dy), 77)), m.activations(dy), m.floatsAt(w, 1)
					m.launch("depthwise", m.columns(s.n*high*wide, out, false),
						slices.Concat([]any{gy, gx, gw, gbias, s.n, out, multiplier}, at, functionArgs(f))...)
					near(m.T, name+"y", gy.read(), m.rounded(ref.read(ry)), exact)
					gdw, g := m.floatsAt(fill(len(w), 77), 3), m.columns(s.n*high*wide, out, true)
					taps := s.window.Taps()
					partials := m.floats(fill(taps*out*int(g.grid[1]), float32(math.NaN())))
					g.grid[2] = uint32(taps)
					m.launch("depthwise_grad_filter", g, slices.Concat([]any{gdw, gdy, gx, partials, m.counters, s.n, out, multiplier}, at)...)
					near(m.T, name+"dw", gdw.values, ref.read(rdw), exact)
					m.launch("depthwise_grad_data", m.columns(s.n*s.h*s.w, s.c, false), slices.Concat([]any{gx, gdy, gw, s.n, s.c, multiplier}, at)...)
					near(m.T, name+"dx", gx.read(), m.rounded(ref.read(rdx)), exact)
				}
			}
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

func TestConvertKernels(t *testing.T) {
	each(t, func(m *machine) {
		for _, n := range []int{1, 7, 8, 9, 33, 5000} {
			rng := rand.New(rand.NewPCG(5, uint64(n)))
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(rng.NormFloat64() * math.Pow(10, float64(i%60-30)))
			}
			// Halfway between two bfloat16 numbers, to the even one; over the largest; denormal.
			copy(x, []float32{math.Float32frombits(0x3f808000), math.Float32frombits(0x3f818000), math.Float32frombits(0x7f7fffff),
				math.Float32frombits(0x00018000), float32(math.Inf(-1)), math.Float32frombits(0x00000001)})
			want := m.rounded(x)
			for offset := range 4 {
				y := m.activations(fill(n, 5))
				m.launch("from_float", m.elements(n), y, m.floatsAt(x, offset), int64(n))
				near(m.T, "from_float", y.read(), want, exact)
				back := m.floatsAt(fill(n, 5), offset)
				m.launch("to_float", m.elements(n), back, y, int64(n))
				near(m.T, "to_float", back.values, want, exact)
			}
		}
		nan := m.activations([]float32{0, 0})
		m.launch("from_float", m.elements(2), nan, m.floats([]float32{math.Float32frombits(0x7f800001), math.Float32frombits(0xffffffff)}), int64(2))
		for _, v := range nan.read() {
			if v == v {
				m.Errorf("NaN becomes %g", v)
			}
		}
	})
}

func TestLayoutKernels(t *testing.T) {
	tiles := func(cols, rows, batch int) geometry {
		return geometry{[3]uint32{uint32(cols+31) / 32, uint32(rows+31) / 32, uint32(batch)}, [3]uint32{32, 8, 1}}
	}
	count := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(i % 251)
		}
		return x
	}
	each(t, func(m *machine) {
		for _, s := range [][3]int{{1, 1, 1}, {3, 5, 33}, {2, 64, 32}, {5, 31, 100}, {2, 1024, 3}} {
			batch, rows, cols := s[0], s[1], s[2]
			x := count(batch * rows * cols)
			want := make([]float32, len(x))
			for b := range batch {
				for r := range rows {
					for c := range cols {
						want[(b*cols+c)*rows+r] = x[(b*rows+r)*cols+c]
					}
				}
			}
			y := m.activations(fill(len(x), 300))
			m.launch("swap_axes", tiles(cols, rows, 2), y, m.activations(x), batch, rows, cols)
			near(m.T, fmt.Sprintf("swap_axes %v", s), y.read(), want, exact)
		}
		for _, s := range []struct {
			from, to  tensor.Shape
			top, left int
		}{
			{tensor.Shape{1, 1, 1, 1}, tensor.Shape{1, 1, 1, 8}, 0, 0},
			{tensor.Shape{2, 15, 17, 3}, tensor.Shape{2, 15, 17, 8}, 0, 0},
			{tensor.Shape{2, 15, 17, 8}, tensor.Shape{2, 15, 17, 3}, 0, 0},
			{tensor.Shape{2, 5, 3, 33}, tensor.Shape{2, 8, 5, 40}, 2, 1},
			{tensor.Shape{2, 8, 5, 40}, tensor.Shape{2, 5, 3, 33}, -2, -1},
			{tensor.Shape{3, 4, 6, 16}, tensor.Shape{3, 5, 7, 16}, 0, 1},
			{tensor.Shape{3, 5, 7, 16}, tensor.Shape{3, 2, 3, 16}, -1, -2},
		} {
			x, want := count(s.from.Size()), make([]float32, s.to.Size())
			for i := range want {
				c, column, row, image := i%s.to[3], i/s.to[3]%s.to[2]-s.left, i/s.to[3]/s.to[2]%s.to[1]-s.top, i/s.to[3]/s.to[2]/s.to[1]
				if c < s.from[3] && column >= 0 && column < s.from[2] && row >= 0 && row < s.from[1] {
					want[i] = x[((image*s.from[1]+row)*s.from[2]+column)*s.from[3]+c]
				}
			}
			y := m.activations(fill(len(want), 300))
			m.launch("place_images", m.columns(len(want)/s.to[3], s.to[3], false), y, m.activations(x), s.to[0], s.to[1], s.to[2], s.to[3],
				s.from[1], s.from[2], s.from[3], s.top, s.left)
			near(m.T, fmt.Sprintf("place_images %v", s), y.read(), want, exact)
		}
		for _, s := range [][3]int{{8, 16, 24}, {3, 5, 8}, {8, 3, 11}, {4, 16, 20}, {64, 8, 72}} { // channels of two tensors, and of both together
			const rows = 300
			a, b := count(rows*s[0]), fill(rows*s[1], 260)
			together := m.activations(fill(rows*s[2], 300))
			ga, gb := m.activations(a), m.activations(b)
			second := together.from(s[0])
			m.launch("copy_channels", m.columns(rows, s[0], false), together, s[2], ga, s[0], int64(rows), s[0])
			m.launch("copy_channels", m.columns(rows, s[1], false), second, s[2], gb, s[1], int64(rows), s[1])
			for i, v := range together.read() {
				want := float32(260)
				if c := i % s[2]; c < s[0] {
					want = a[i/s[2]*s[0]+c]
				}
				if v != want {
					m.Fatalf("copy_channels %v: element %d is %g, want %g", s, i, v, want)
				}
			}
			back := m.activations(fill(len(b), 300))
			m.launch("copy_channels", m.columns(rows, s[1], false), back, s[1], second, s[2], int64(rows), s[1])
			near(m.T, fmt.Sprintf("copy_channels %v, back", s), back.read(), gb.read(), exact)
		}
		for _, s := range [][5]int{{1, 1, 1, 1, 1}, {9, 3, 8, 64, 64}, {9, 5, 5, 7, 7}, {1, 33, 40, 65, 72}, {9, 64, 64, 33, 33}, {6, 3, 4, 10, 12}} {
			taps, in, wide, out, more := s[0], s[1], s[2], s[3], s[4]
			x := count(taps * in * out)
			for _, nchw := range []bool{false, true} {
				want := make([]float32, taps*wide*more)
				for t := range taps {
					for i := range in {
						for o := range out {
							at := (o*taps+t)*wide + i
							if nchw {
								at = (o*wide+i)*taps + t
							}
							want[at] = x[(t*in+i)*out+o]
						}
					}
				}
				y := m.activations(fill(len(want), 300))
				m.launch("pack_kernel", tiles(more, taps*wide, 1), y, m.floatsAt(x, 1), taps, in, wide, out, more, nchw)
				near(m.T, fmt.Sprintf("pack_kernel %v, NCHW %t", s, nchw), y.read(), want, exact)
				back := m.floatsAt(fill(len(x), 300), 3)
				zero := m.floatsAt(fill(out, 300), 1)
				m.launch("unpack_kernel", tiles(out, taps*wide, 1), back, y, zero, taps, in, wide, out, nchw)
				near(m.T, "zero", zero.values, make([]float32, out), exact)
				near(m.T, fmt.Sprintf("unpack_kernel %v, NCHW %t", s, nchw), back.values, x, exact)
			}
		}
	})
}
