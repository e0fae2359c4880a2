package ops

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestGemm(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		w := l.PanelWidth()
		for _, m := range []int{1, 5, 6, 7, 15, gemmRows + 1} {
			for _, n := range []int{1, w - 1, w, w + 1, 2*w + 3} {
				for _, k := range []int{1, 2, 7, gemmDepth - 1, gemmDepth, gemmDepth + 1} {
					testGemm(t, l, m, n, k)
				}
			}
		}
		testGemm(t, l, 13, gemmColumns+1, 9)
		testGemm(t, l, 2*gemmRows+3, 2*w+3, 2*gemmDepth+3)
	})
}

// testGemm tries the four transpositions and all that a Product can ask for.
func testGemm(t *testing.T, l Level, m, n, k int) {
	rng := rand.New(rand.NewPCG(uint64(m), uint64(n*k)))
	aData, bData, bias := random(rng, m*k), random(rng, k*n), random(rng, n)
	for i, p := range []Product{{}, {Bias: bias}, {ReLU: true, Add: true}, {Bias: bias, ReLU: true}} {
		a, b := Matrix{aData, k, 1}, Matrix{bData, n, 1}
		if i&1 != 0 {
			a = Matrix{aData, 1, m}
		}
		if i&2 != 0 {
			b = Matrix{bData, 1, k}
		}
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
				if p.Add {
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
}

func TestTranspose(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		for _, m := range []int{1, 7, 8, 9, 16, 35} {
			for _, n := range []int{1, 7, 8, 9, 24, 33} {
				t.Run(fmt.Sprint(m, n), func(t *testing.T) {
					src := random(rand.New(rand.NewPCG(3, 4)), m*(n+2))
					dst, check := guarded(t, n*(m+1))
					l.Transpose(dst, m+1, src, n+2, m, n)
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
