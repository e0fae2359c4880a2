package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestGemm multiplies by the blocks of a small and of a large L2 cache.
func TestGemm(t *testing.T) {
	for _, cache := range []int{512 << 10, 2 << 20} {
		t.Run(fmt.Sprint(cache), func(t *testing.T) {
			defer func(size int) { cacheL2 = size }(cacheL2)
			cacheL2 = cache
			sweepGemm(t)
		})
	}
}

func sweepGemm(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		w := l.panelWidth()
		rows, columns, _ := l.gemmBlocks(math.MaxInt, math.MaxInt)
		variant := 0 // of testGemm: another for each size
		for _, m := range []int{1, 5, 6, 7, 15, rows, rows + 1} {
			for _, n := range []int{1, w - 1, w, w + 1, 2*w + 3} {
				for _, k := range []int{1, 2, 7, gemmDepth - 1, gemmDepth, gemmDepth + 1, 2*gemmDepth + 3} {
					testGemm(t, l, m, n, k, variant)
					variant++
				}
			}
		}
		for variant := range 16 {
			testGemm(t, l, rows+1, columns+1, 9, variant)
			testGemm(t, l, rows+1, 2*w+3, gemmDepth+5, variant)
			testGemm(t, l, rows+1, 131, gemmDepth+21, variant)
			testGemm(t, l, 17, w+3, gemmDepth+5, variant)
		}
	})
}

// testGemm tries one of the four transpositions (variant%4) and one of four Epilogues.
func testGemm(t *testing.T, l Level, m, n, k, variant int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(m), uint64(n*k)))
	aData, bData, bias := random(rng, m*k), random(rng, k*n), random(rng, n)
	a, b := Matrix{aData, k, 1}, Matrix{bData, n, 1}
	if variant&1 != 0 {
		a = Matrix{aData, 1, m}
	}
	if variant&2 != 0 {
		b = Matrix{bData, 1, k}
	}
	p := [...]Epilogue{{}, {Bias: bias}, {ReLU: true, add: true}, {Bias: bias, ReLU: true}}[variant/4%4]
	ldc := n + 3
	c, checkC := guarded(t, m*ldc)
	scratch, checkScratch := guarded(t, l.GemmScratch(m, n, k))
	before := slices.Clone(c)
	l.Gemm(c, ldc, a, b, m, n, k, p, scratch)
	checkC()
	checkScratch()
	for i := range m {
		for j := range n {
			want := sum{}
			if p.Bias != nil {
				want.add(bias[j], 1)
			}
			if p.add {
				want.add(before[i*ldc+j], 1)
			}
			for p := range k {
				want.add(a.Data[i*a.RowStride+p*a.ColStride], b.Data[p*b.RowStride+j*b.ColStride])
			}
			if p.ReLU {
				want.value = max(0, want.value)
			}
			want.check(t, c[i*ldc+j], m, n, k, "c", i, j)
		}
		if between := i*ldc + n; !slices.Equal(c[between:between+3], before[between:between+3]) {
			t.Fatal("written between the rows of c")
		}
	}
}

// TestGemmPacked packs b in pieces, as workers do, and compares with Gemm: the same bits.
func TestGemmPacked(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		const m, n, k = 20, 3*columnBlock - 5, gemmDepth + 9
		rng := rand.New(rand.NewPCG(5, 6))
		a, b := Matrix{random(rng, m*k), k, 1}, Matrix{random(rng, k*n), n, 1}
		want, scratch := make([]float32, m*n), make([]float32, l.GemmScratch(m, n, k))
		l.Gemm(want, n, a, b, m, n, k, Epilogue{}, scratch)

		packed, check := guarded(t, l.packedSize(k, n))
		for j := 0; j < n; j += columnBlock {
			l.packMatrix(packed, b, k, j, min(columnBlock, n-j))
		}
		check()
		got := make([]float32, m*n)
		l.gemmPacked(got, n, a, packed, m, n, k, Epilogue{}, scratch)
		if !slices.Equal(got, want) {
			t.Error("differs from Gemm")
		}
	})
}

// TestPackPanels packs matrices of both orders into panels with something between them. The levels'
// packing needs no more than AVX, whatever their width, so AVX-512's is tested where there is AVX2.
func TestPackPanels(t *testing.T) {
	levels := FloatLevels()
	if last := levels[len(levels)-1]; last == AVX2 {
		levels = append(levels, AVX512)
	}
	for _, l := range levels {
		width := l.panelWidth()
		for _, k := range []int{1, 3, 4, 5, 8, 13} {
			for _, n := range []int{1, width - 1, width, width + 1, 3 * width, 3*width + 5} {
				for _, byRow := range []bool{true, false} {
					t.Run(fmt.Sprint(l, k, n, byRow), func(t *testing.T) {
						rs, cs, stride := n+2, 1, k*width+3
						if !byRow {
							rs, cs = 1, k+2
						}
						b := random(rand.New(rand.NewPCG(3, 4)), k*rs+n*cs)
						panels := (n + width - 1) / width
						dst, check := guarded(t, panels*stride)
						l.packPanels(dst, stride, b, rs, cs, k, n)
						check()
						for i := range dst {
							j, p := i/stride*width+i%stride%width, i%stride/width
							want := float32(guard)
							if p < k && j < n {
								want = b[p*rs+j*cs]
							} else if p < k {
								want = 0
							}
							if dst[i] != want {
								t.Fatalf("row %d, column %d: %v, want %v", p, j, dst[i], want)
							}
						}
					})
				}
			}
		}
	}
}

func TestTranspose(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		for _, m := range []int{1, 7, 8, 9, 16, 35} {
			for _, n := range []int{1, 7, 8, 9, 24, 33} {
				t.Run(fmt.Sprint(m, n), func(t *testing.T) {
					src := random(rand.New(rand.NewPCG(3, 4)), m*(n+2))
					dst, check := guarded(t, n*(m+1))
					l.transpose(dst, m+1, src, n+2, m, n)
					check()
					for i := range m {
						for j := range n {
							if dst[j*(m+1)+i] != src[i*(n+2)+j] {
								t.Fatalf("element %d, %d", i, j)
							}
						}
					}
				})
			}
		}
	})
}

func FuzzGemm(f *testing.F) {
	f.Add(uint8(7), uint8(65), uint8(30), uint8(3))
	f.Fuzz(func(t *testing.T, m, n, k, variant uint8) {
		for _, l := range FloatLevels() {
			testGemm(t, l, int(m)%64+1, int(n)%140+1, int(k)+1, int(variant))
		}
	})
}
