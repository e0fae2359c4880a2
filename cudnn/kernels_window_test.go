//go:build cudnn && cgo && linux

package cudnn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

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
