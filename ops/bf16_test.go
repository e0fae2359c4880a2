package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// randomBF16 returns normally distributed values.
func randomBF16(rng *rand.Rand, n int) []BF16 {
	x := make([]BF16, n)
	Generic.RoundBF16(x, random(rng, n))
	return x
}

func TestWidenBF16(t *testing.T) {
	src := make([]BF16, 1<<16)
	for i := range src {
		src[i] = BF16(i)
	}
	eachLevel(t, func(t *testing.T, l Level) {
		for _, n := range append([]int{0, len(src)}, flatSizes[:len(flatSizes)-1]...) {
			src := src[len(src)-n:]
			dst, check := guarded(t, n)
			l.WidenBF16(dst, src)
			check()
			for i, v := range dst {
				if math.Float32bits(v) != uint32(src[i])<<16 {
					t.Fatalf("%d elements: %#04x gives %#08x", n, src[i], math.Float32bits(v))
				}
			}
		}
	})
}

// nearest finds the bf16 nearest to x by distances in float64.
func nearest(x float32) BF16 {
	toZero := BF16(math.Float32bits(x) >> 16)
	away := toZero + 1
	value := func(b BF16) float64 {
		if b&0x7fff == 0x7f80 { // infinity stands for the next larger value
			return math.Copysign(0x1p128, float64(x))
		}
		return float64(b.Float32())
	}
	below, above := math.Abs(float64(x)-value(toZero)), math.Abs(value(away)-float64(x))
	if below < above || below == above && toZero%2 == 0 {
		return toZero
	}
	return away
}

// TestRoundBF16 covers each upper half of a float32, with lower halves around the tie.
func TestRoundBF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var src []float32
	for upper := range uint32(1 << 16) {
		for _, lower := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, rng.Uint32() >> 16} {
			src = append(src, math.Float32frombits(upper<<16|lower))
		}
	}
	eachLevel(t, func(t *testing.T, l Level) {
		for _, n := range append([]int{0, len(src)}, flatSizes...) {
			src := src[rng.IntN(len(src)-n+1):][:n]
			dst, check := guardedBF16(t, n)
			l.RoundBF16(dst, src)
			check()
			for i, got := range dst {
				x := src[i]
				switch {
				case x != x:
					if want := BF16(math.Float32bits(x)>>16) | 0x40; got != want {
						t.Fatalf("NaN %#08x gives %#04x, want %#04x", math.Float32bits(x), got, want)
					}
				case math.IsInf(float64(x), 0):
					if got.Float32() != x {
						t.Fatalf("%g gives %g", x, got.Float32())
					}
				case got != nearest(x):
					t.Fatalf("%g (%#08x) gives %g, want %g",
						x, math.Float32bits(x), got.Float32(), nearest(x).Float32())
				}
			}
		}
	})
}

func TestPackMatrixBF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	eachLevel(t, func(t *testing.T, l Level) {
		for _, k := range []int{1, 2, 3, 16, 31, 32, 33, 48, 65, 128} {
			for _, n := range []int{1, 8, 15, 16, 17, 63, 64, 65, 130} {
				rs, cs := n+n%3, k+k%4 // even and odd
				for _, b := range []matrixBF16{
					{randomBF16(rng, k*rs), rs, 1},
					{randomBF16(rng, n*cs), 1, cs},
				} {
					packed, check := guardedBF16(t, PackedMatrixSizeBF16(k, n))
					for j := 0; j < n; j += columnBlock {
						l.packMatrixBF16(packed, b, k, j, min(columnBlock, n-j))
					}
					check()
					depth := padBF16(k)
					for i, got := range packed {
						panel, i := i/(depth*64), i%(depth*64)
						p, j := i/128*2+i%2, panel*64+i%128/2
						want := BF16(0)
						if p < k && j < n {
							want = b.Data[p*b.RowStride+j*b.ColStride]
						}
						if got != want {
							t.Fatalf("%d x %d, strides %d, %d: element %d, %d is %#04x, want %#04x",
								k, n, b.RowStride, b.ColStride, p, j, got, want)
						}
					}
				}
			}
		}
	})
}

// TestPackRounded packs a matrix in two ranges of rows, to an aligned slice or not, and compares
// with packMatrixBF16 of the rounded matrix.
func TestPackRounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	eachLevel(t, func(t *testing.T, l Level) {
		for _, k := range []int{1, 2, 31, 32, 33, 65, 128, 300} {
			for _, n := range []int{1, 16, 63, 65, roundedElements/2 + 1} {
				ldb := n + n%3
				b := random(rng, k*ldb)
				size := PackedMatrixSizeBF16(k, n)
				got, check := guardedBF16(t, size)
				if k%2 == 0 {
					got, check = make([]BF16, size+32), func() {}
					got = got[-uintptr(unsafe.Pointer(&got[0]))%64/2:][:size]
				}
				for i := range got {
					got[i] = 1
				}
				scratch, checkScratch := guarded(t, RoundedScratch)
				first := k / 2 &^ 1
				if first > 0 {
					l.PackRounded(got, k, b, ldb, 0, first, n, scratch)
				}
				l.PackRounded(got, k, b[first*ldb:], ldb, first, k-first, n, scratch)
				check()
				checkScratch()
				rounded, want := make([]BF16, len(b)), make([]BF16, len(got))
				Generic.RoundBF16(rounded, b)
				for j := 0; j < n; j += panelBF16 {
					Generic.packMatrixBF16(want, matrixBF16{rounded, ldb, 1}, k, j, min(panelBF16, n-j))
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%d x %d, ldb %d: not the matrix rounded and packed", k, n, ldb)
				}
			}
		}
	})
}

func TestTransposeBF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	eachLevel(t, func(t *testing.T, l Level) {
		for _, n := range []int{1, 2, 7, 31, 32, 33, 64, 100} {
			for _, c := range []int{1, 3, 8, 16, 33, 64, 65, 150} {
				src := randomBF16(rng, n*(c+1))
				ldd := strideBF16(n)
				dst, check := guardedBF16(t, c*ldd)
				before := slices.Clone(dst)
				scratch, checkScratch := guarded(t, transposeScratchBF16(n))
				l.transposeBF16(dst, ldd, src, c+1, n, c, scratch)
				check()
				checkScratch()
				for at, got := range dst {
					j, i := at/ldd, at%ldd
					want := BF16(0)
					switch {
					case i < n:
						want = src[i*(c+1)+j]
					case i >= padBF16(n):
						want = before[at] // between the rows
					}
					if got != want {
						t.Fatalf("%d x %d: element %d, %d is %#04x, want %#04x", n, c, i, j, got, want)
					}
				}
			}
		}
	})
}

func BenchmarkBF16(b *testing.B) {
	const rows, columns, block = 128 * 32, 512, 1 << 15
	rng := rand.New(rand.NewPCG(1, 2))
	x := random(rng, 8*rows*columns) // more than any cache has
	y := make([]BF16, len(x))
	run := func(name string, bytes int, f func(l Level)) {
		for _, l := range FloatLevels() {
			b.Run(fmt.Sprintf("%s/%v", name, l), func(b *testing.B) {
				b.SetBytes(int64(bytes))
				for b.Loop() {
					f(l)
				}
			})
		}
	}
	for _, size := range []struct {
		name string
		n    int
	}{{"cache", block}, {"memory", len(x)}} {
		x, y := x[:size.n], y[:size.n]
		run("Round/"+size.name, 6*len(x), func(l Level) { l.RoundBF16(y, x) })
		run("Widen/"+size.name, 6*len(x), func(l Level) { l.WidenBF16(x, y) })
	}
	src := y[:rows*columns]
	packed := make([]BF16, PackedMatrixSizeBF16(rows, columns))
	run("Pack", 4*len(src), func(l Level) {
		l.packMatrixBF16(packed, matrixBF16{src, columns, 1}, rows, 0, columns)
	})
	run("PackTransposed", 4*len(src), func(l Level) {
		l.packMatrixBF16(packed, matrixBF16{src, 1, rows}, rows, 0, columns)
	})
	const images = 128
	dst, scratch := make([]BF16, 64*images), make([]float32, transposeScratchBF16(images))
	run("Transpose/128x64", 4*len(dst), func(l Level) {
		l.transposeBF16(dst, images, src, columns, images, 64, scratch)
	})
}
