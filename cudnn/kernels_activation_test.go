//go:build cudnn && cgo && linux

package cudnn

import (
	"fmt"
	"math"
	"math/rand/v2"
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
				func(y, x *activations) { m.launch("relu", m.elements(n), y, x, int64(n)) },
				func(dx, dy, x *activations) { m.launch("relu_grad", m.elements(n), dx, dy, x, int64(n)) })
			x[n-1] = float32(math.NaN())
			y := m.activations(fill(n, 1))
			m.launch("relu", m.elements(n), y, m.activations(x), int64(n))
			if v := y.read()[n-1]; v == v {
				m.Errorf("the ReLU of NaN is %g", v)
			}
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
					m.launch("dropout", m.elements(blocks), y, m.activations(x), keep, state, int64(n), threshold, scale, seed, uint32(layer))
					m.launch("dropout_grad", m.elements(blocks), dx, dx, keep, int64(n), scale)
					near(m.T, "y", y.read(), m.rounded(wantY), exact)
					near(m.T, "dx", dx.read(), m.rounded(wantDx), exact)
				}
			}
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
		for _, s := range [][3]int{{1, 1, 8}, {1030, 3, 8}, {1030, 8, 3}, {77, 33, 40}} {
			rows, from, to := s[0], s[1], s[2]
			x, want := count(rows*from), make([]float32, rows*to)
			for r := range rows {
				copy(want[r*to:][:to], x[r*from:][:from])
			}
			y := m.activations(fill(len(want), 300))
			m.launch("resize_channels", m.elements(len(want)), y, m.activations(x), int64(len(want)), from, to)
			near(m.T, fmt.Sprintf("resize_channels %v", s), y.read(), want, exact)
		}
		for _, s := range [][4]int{{1, 1, 1, 1}, {9, 3, 8, 64}, {9, 5, 5, 7}, {1, 33, 40, 65}, {9, 64, 64, 33}} {
			taps, in, wide, out := s[0], s[1], s[2], s[3]
			x := count(taps * in * out)
			for _, nchw := range []bool{false, true} {
				want := make([]float32, taps*wide*out)
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
				m.launch("pack_kernel", tiles(out, taps*wide, 1), y, m.floatsAt(x, 1), taps, in, wide, out, nchw)
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
