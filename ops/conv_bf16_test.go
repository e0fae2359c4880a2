package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/internal/fmapeak"
	"github.com/lamina-go/lamina/tensor"
)

// checkBF16 is check for a sum that was rounded to bf16 at the end, by at most 2⁻⁸ of it.
func (s *sum) checkBF16(t *testing.T, got BF16, where ...any) {
	t.Helper()
	tolerance := float64(s.terms+1) * unit * s.absolute
	tolerance += 0x1p-8 * (math.Abs(s.value) + tolerance)
	if d := math.Abs(float64(got.Float32()) - s.value); !(d <= tolerance) {
		t.Fatalf("%v: %g, want %g: off by %.3g, tolerance %.3g", where, got.Float32(), s.value, d, tolerance)
	}
}

// vggShapes are the convolutions of VGG with few images.
func vggShapes() []ConvShape {
	var shapes []ConvShape
	for _, b := range benchShapes {
		s := b.shape
		s.N = 3
		shapes = append(shapes, s)
	}
	return append(shapes, ConvShape{3, 8, 8, 256, 256, tensor.Centered(1)}, ConvShape{3, 2, 2, 512, 512, tensor.Centered(1)})
}

func TestConvBF16(t *testing.T) {
	shapes := slices.Concat(vggShapes(), convShapes, windowShapes)
	shapes = append(shapes,
		ConvShape{5, 7, 6, 32, 64, tensor.Centered(3)},
		ConvShape{5, 4, 3, 1, 64, tensor.Centered(3)}, // rows of few elements are copied by four
		ConvShape{5, 3, 4, 2, 64, tensor.Centered(3)},
		ConvShape{6, 3, 4, 4, 64, tensor.Centered(3)},
		ConvShape{33, 3, 9, 64, 40, tensor.Centered(3)},
		ConvShape{3, 3, 70, 32, 64, tensor.Centered(3)},   // a row of the image is transposed in blocks
		ConvShape{2, 2, 600, 32, 40, tensor.Centered(3)},  // and of one image at a time
		ConvShape{70, 2, 16, 64, 128, tensor.Centered(3)}, // a job sums images in blocks
		ConvShape{130, 2, 3, 32, 9, tensor.Centered(3)},   // splits by images and by rows
	)
	eachBF16Level(t, func(t *testing.T, l Level) {
		for _, s := range shapes {
			t.Run(fmt.Sprint(s), func(t *testing.T) { testConvBF16(t, l, s) })
		}
	})
}

// each calls f with all i below n, or with some, if all would take long.
func each(rng *rand.Rand, n, work int, f func(i int)) {
	some := max(200, 2e6/work)
	if n <= some {
		for i := range n {
			f(i)
		}
		return
	}
	f(0)
	f(n - 1)
	for range some {
		f(rng.IntN(n))
	}
}

// testConvBF16 compares the three passes with sums as in the definition.
func testConvBF16(t *testing.T, l Level, s ConvShape) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizeX, sizeY := s.N*s.H*s.W*s.In, s.rows()*s.Out
	x, w, dy := randomBF16(rng, sizeX), randomBF16(rng, s.depth()*s.Out), randomBF16(rng, sizeY)
	bias := random(rng, s.Out)
	kernel := packedBF16(l, w, s.depth(), s.Out)
	type pair struct{ row, tap int }
	ofY, ofX, ofTap := make([][]pair, sizeY/s.Out), make([][]pair, sizeX/s.In), make([][]pair, s.taps())
	convSum(s, func(y, x, tap int) {
		ofY[y] = append(ofY[y], pair{x, tap})
		ofX[x] = append(ofX[x], pair{y, tap})
		ofTap[tap] = append(ofTap[tap], pair{y, x})
	})

	for _, e := range []Epilogue{{}, {Bias: bias, ReLU: true}} {
		y := runPass(t, DirectBF16.Forward(l, s, 1), sizeY, x, kernel, e)
		each(rng, len(y), s.depth(), func(i int) {
			o := i % s.Out
			want := sum{}
			if e.Bias != nil {
				want.add(bias[o], 1)
			}
			for _, p := range ofY[i/s.Out] {
				for i := range s.In {
					want.add(x[p.row*s.In+i].Float32(), w[(p.tap*s.In+i)*s.Out+o].Float32())
				}
			}
			if e.ReLU {
				want.value = max(0, want.value)
			}
			want.checkBF16(t, y[i], "y", i)
		})
	}

	dx := runPass(t, DirectBF16.InputGradient(l, s, 1), sizeX, dy, kernel, Epilogue{})
	each(rng, len(dx), s.taps()*s.Out, func(at int) {
		want := sum{}
		for _, p := range ofX[at/s.In] {
			for o := range s.Out {
				want.add(dy[p.row*s.Out+o].Float32(), w[(p.tap*s.In+at%s.In)*s.Out+o].Float32())
			}
		}
		want.checkBF16(t, dx[at], "dx", at)
	})

	gradient := DirectBF16.KernelGradient(l, s, 1)
	dw := added(runGradient(t, gradient, len(w), dy, x))
	each(rng, len(w), s.rows(), func(at int) {
		tap, i, o := at/s.Out/s.In, at/s.Out%s.In, at%s.Out
		want := sum{}
		for _, p := range ofTap[tap] { // of y and x
			want.add(x[p.tap*s.In+i].Float32(), dy[p.row*s.Out+o].Float32())
		}
		want.terms += gradient.Splits()
		want.check(t, dw[at], "dw", tap, i, o)
	})
}

// TestGemmBF16 multiplies by a in rows and by a packed, of which these are not the first rows and
// whose last column is missing where b has zeros.
func TestGemmBF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	eachBF16Level(t, func(t *testing.T, l Level) {
		for _, m := range []int{1, 6, 17, gemmRowsBF16, gemmRowsBF16 + 1} {
			for _, n := range []int{1, 10, 63, 64, 65, 130} {
				for _, k := range []int{32, 96, gemmDepthBF16, gemmDepthBF16 + 32} {
					lda, ldc := k+3, n+2
					a, b := randomBF16(rng, m*lda), randomBF16(rng, k*n)
					clear(b[(k-1)*n:])
					packed := make([]BF16, PackedMatrixSizeBF16(k, n))
					l.packMatrixBF16(packed, matrixBF16{b, n, 1}, k, 0, n)
					const i0 = 6
					packedA := make([]BF16, PackedMatrixSizeBF16(i0+m, k-1))
					shifted := append(randomBF16(rng, i0*lda), a...)
					for j := 0; j < k-1; j += panelBF16 {
						l.packMatrixBF16(packedA, matrixBF16{shifted, lda, 1}, i0+m, j, min(panelBF16, k-1-j))
					}
					before := random(rng, m*ldc)
					scratch, checkScratch := guarded(t, l.gemmScratchBF16(m, k))
					for name, multiply := range map[string]func(c []float32){
						"gemmBF16":       func(c []float32) { l.gemmBF16(c, ldc, a, lda, packed, m, n, k, scratch) },
						"gemmPackedRows": func(c []float32) { l.gemmPackedRows(c, ldc, packedA, i0+m, i0, packed, m, n, k-1, scratch) },
					} {
						c, checkC := guarded(t, m*ldc)
						copy(c, before)
						multiply(c)
						checkC()
						checkScratch()
						each(rng, m*ldc, 20*k, func(at int) {
							i, j := at/ldc, at%ldc
							if j >= n {
								if c[at] != before[at] {
									t.Fatal("written between the rows of c")
								}
								return
							}
							want := sum{}
							for p := range k {
								want.add(a[i*lda+p].Float32(), b[p*n+j].Float32())
							}
							want.check(t, c[at], name, m, n, k, "c", i, j)
						})
					}
				}
			}
		}
	})
}

// TestConvBF16PassesNaN has NaN in an image: it must come out of each pixel that sees it, with a
// ReLU too.
func TestConvBF16PassesNaN(t *testing.T) {
	eachBF16Level(t, func(t *testing.T, l Level) {
		for _, s := range []ConvShape{{33, 3, 3, 32, 64, tensor.Centered(1)}, {33, 3, 3, 3, 64, tensor.Centered(1)}, {2, 3, 3, 32, 10, tensor.Centered(1)}} {
			pixels := s.rows()
			rng := rand.New(rand.NewPCG(1, 2))
			x, w := randomBF16(rng, pixels*s.In), make([]BF16, s.In*s.Out)
			const sick = 17
			x[sick*s.In+1] = 0x7fc0
			l.RoundBF16(w, random(rng, len(w)))
			y := runPass(t, DirectBF16.Forward(l, s, 1), pixels*s.Out, x, packedBF16(l, w, s.depth(), s.Out), Epilogue{ReLU: true})
			for i, v := range y {
				if isNaN := v.Float32() != v.Float32(); isNaN != (i/s.Out == sick) {
					t.Fatalf("%v: element %d of pixel %d is %g", s, i%s.Out, i/s.Out, v.Float32())
				}
			}
		}
	})
}

// TestBF16AllocatesNothing runs the passes of a convolution with and without padded rows.
func TestBF16AllocatesNothing(t *testing.T) {
	eachBF16Level(t, func(t *testing.T, l Level) {
		for _, s := range []ConvShape{{2, 3, 3, 3, 8, tensor.Centered(3)}, {2, 3, 3, 32, 64, tensor.Centered(3)}, {2, 9, 9, 32, 64, tensor.Square(7, 2)}} {
			forward, backward := forwardBF16(l, s), gradientBF16(l, s)
			if n := testing.AllocsPerRun(5, func() { forward(); backward() }); n != 0 {
				t.Errorf("%v: %g allocations", s, n)
			}
		}
	})
}

// forwardBF16 returns a forward pass with random operands.
func forwardBF16(l Level, s ConvShape) func() {
	rng := rand.New(rand.NewPCG(1, 2))
	x, y := make([]BF16, s.N*s.H*s.W*s.In), make([]BF16, s.rows()*s.Out)
	l.RoundBF16(x, relu(random(rng, len(x)))) // half are zero, as in a network
	w := packedBF16(l, randomBF16(rng, s.depth()*s.Out), s.depth(), s.Out)
	return benchPass(DirectBF16.Forward(l, s, 1), y, x, w)
}

func relu(x []float32) []float32 {
	Generic.ReLU(x, x)
	return x
}

// gradientBF16 returns a kernel gradient with random operands.
func gradientBF16(l Level, s ConvShape) func() {
	rng := rand.New(rand.NewPCG(1, 2))
	x, dy := randomBF16(rng, s.N*s.H*s.W*s.In), randomBF16(rng, s.rows()*s.Out)
	return benchGradient(DirectBF16.KernelGradient(l, s, 1), s.depth()*s.Out, dy, x)
}

// benchConvBF16 runs f for each shape at the levels with kernels in assembly, on one core. The
// share is of the peak of what the level multiplies: float32 where it widens.
func benchConvBF16(b *testing.B, f func(l Level, s ConvShape) (pass func())) {
	for _, v := range benchShapes {
		for _, l := range Levels() {
			if l < AVX2 {
				continue
			}
			b.Run("vgg16/"+v.name+"/"+l.String(), func(b *testing.B) {
				pass := f(l, v.shape)
				for b.Loop() {
					pass()
				}
				reportSpeed(b, usefulFlop(v.shape), fmapeak.Measure(l.String(), 1))
			})
		}
	}
}

func BenchmarkConvForwardBF16(b *testing.B) { benchConvBF16(b, forwardBF16) }

func BenchmarkConvBackwardFilterBF16(b *testing.B) { benchConvBF16(b, gradientBF16) }
