package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestWinogradTolerances computes tiles in float32 by the matrices. The largest error must lie
// between a twentieth and a half of the tolerance, but exceed it where any constant is off by 2⁻¹²,
// in the forward pass or in the gradient of the kernel.
func TestWinogradTolerances(t *testing.T) {
	for name, w := range map[string]*Winograd{"f4": F4, "f2": F2, "map2": Map2} {
		for _, n := range []int{16, 256} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				forward, filter := w.worst(w, n, 10)
				t.Logf("errors of up to %.2f of the tolerance in the forward pass, %.2f in the kernel's gradient", forward, filter)
				for _, worst := range []float64{forward, filter} {
					if !(worst >= 0.05 && worst <= 0.5) {
						t.Errorf("an error of %.2f of the tolerance", worst)
					}
				}
				wrong := w.clone()
				for m, matrix := range map[string][][]float64{"Bᵀ": wrong.BT, "G": wrong.G, "Aᵀ": wrong.AT} {
					for i, row := range matrix {
						for j, v := range row {
							if v == 0 {
								continue
							}
							row[j] = v * (1 + 0x1p-12)
							if forward, filter := w.worst(wrong, n, 1); !(forward > 1 || filter > 1) {
								t.Errorf("%s[%d][%d] wrong: errors of %.2f and %.2f of the tolerance", m, i, j, forward, filter)
							}
							row[j] = v
						}
					}
				}
			})
		}
	}
}

func (w *Winograd) clone() *Winograd {
	return &Winograd{transposed(transposed(w.BT)), transposed(transposed(w.G)), transposed(transposed(w.AT))}
}

// worst returns the largest errors, as shares of the tolerances of w, of what other computes in
// float32: outputs of n channels, and gradients of kernels of n tiles, so many of each. Inputs,
// kernels and gradients of outputs are normal numbers.
func (w *Winograd) worst(other *Winograd, n, rounds int) (forward, filter float64) {
	rng := rand.New(rand.NewPCG(1, 2))
	in, out := len(w.BT[0]), len(w.AT)
	random := func(side int) [][]float32 {
		m := make([][]float32, side)
		for i := range m {
			for range side {
				m[i] = append(m[i], float32(rng.NormFloat64()))
			}
		}
		return m
	}
	first := (in - out - 2) / 2 // input that tap 0 of output 0 sees: of Map2 it is padding
	toleranceY := w.passError(n, math.Sqrt(float64(w.taps()*w.taps()*n)))
	toleranceW := w.filterError(n, math.Sqrt(float64(out*out*n)))
	for range rounds {
		var sumY, sumW [][]float32
		wantY, wantW := make([]float64, out*out), make([]float64, 9)
		for range n {
			x, kernel, dy := random(in), random(3), random(out)
			v := sandwich(other.BT, x)
			multiplyAdd(&sumY, v, sandwich(other.G, kernel))
			multiplyAdd(&sumW, v, sandwich(transposed(other.AT), dy))
			for k := range out * out {
				for tap := range 9 {
					i, j := k/out+tap/3+first, k%out+tap%3+first
					if i >= 0 && i < in && j >= 0 && j < in {
						wantY[k] += float64(x[i][j]) * float64(kernel[tap/3][tap%3])
						wantW[tap] += float64(x[i][j]) * float64(dy[k/out][k%out])
					}
				}
			}
		}
		y, dw := sandwich(other.AT, sumY), sandwich(transposed(other.G), sumW)
		for k, want := range wantY {
			forward = max(forward, math.Abs(float64(y[k/out][k%out])-want)/toleranceY)
		}
		for k, want := range wantW {
			filter = max(filter, math.Abs(float64(dw[k/3][k%3])-want)/toleranceW)
		}
	}
	return forward, filter
}

// sandwich returns m·x·mᵀ in float32.
func sandwich(m [][]float64, x [][]float32) [][]float32 {
	left := func(x [][]float32) [][]float32 { // (m·x)ᵀ
		y := make([][]float32, len(x[0]))
		for j := range y {
			for _, row := range m {
				var sum float32
				for i, v := range row {
					sum += float32(v) * x[i][j]
				}
				y[j] = append(y[j], sum)
			}
		}
		return y
	}
	return left(left(x))
}

// multiplyAdd adds the products of the elements of x and y to those of sum.
func multiplyAdd(sum *[][]float32, x, y [][]float32) {
	if *sum == nil {
		for _, row := range x {
			*sum = append(*sum, make([]float32, len(row)))
		}
	}
	for i, row := range x {
		for j, v := range row {
			(*sum)[i][j] += v * y[i][j]
		}
	}
}
