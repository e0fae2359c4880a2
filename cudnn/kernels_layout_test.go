//go:build cudnn && cgo && linux

package cudnn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-go/lamina/tensor"
)

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
