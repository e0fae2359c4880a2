package ops

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// eachBF16Level runs f for every level, since all differ in products of bf16, and says which ones the
// machine lacks.
func eachBF16Level(t *testing.T, f func(t *testing.T, l Level)) {
	for l := Generic; l <= AMX; l++ {
		t.Run(l.String(), func(t *testing.T) {
			if !slices.Contains(Levels(), l) {
				t.Skipf("this machine or build has no %v", l)
			}
			f(t, l)
		})
	}
}

// TestPanelBF16 takes each number of rows, and depths and segments in turns: the sums must be those
// of the numbers given, up to the rounding of float32.
func TestPanelBF16(t *testing.T) {
	eachBF16Level(t, func(t *testing.T, l Level) {
		for rows := range 71 {
			k := []int{32, 64, 96, widenedDepth + 32}[rows%4]
			for segments := 1; segments <= 3; segments++ {
				t.Run(fmt.Sprint(rows, k, segments), func(t *testing.T) { testPanelBF16(t, l, rows, k, segments, rows%3 == 0) })
			}
		}
	})
}

func testPanelBF16(t *testing.T, l Level, rows, k, segments int, add bool) {
	rng := rand.New(rand.NewPCG(uint64(rows), uint64(k)))
	rs, ldc := k+6, panelBF16+3 // rows need not be aligned
	// Segments in any order, those of b one by one, those of a overlapping.
	var segs []Segment
	for i := range segments {
		segs = append(segs, Segment{A: 5 * (segments - i), B: (i + 1) % segments * k * panelBF16})
	}
	a, checkA := guardedBF16(t, max(rows-1, 0)*rs+k+5*segments)
	b, checkB := guardedBF16(t, segments*k*panelBF16)
	copy(a, randomBF16(rng, len(a)))
	copy(b, randomBF16(rng, len(b)))
	c, checkC := guarded(t, max(rows-1, 0)*ldc+panelBF16)
	scratch, checkScratch := guarded(t, l.scratchBF16())
	copy(c, random(rng, len(c)))
	before := slices.Clone(c)
	flags := 0
	if add {
		flags = tileAdd
	}
	l.panelBF16(c, ldc, rows, a, rs, b, segs, k, flags, scratch)
	checkA()
	checkB()
	checkC()
	checkScratch()
	for i := range rows {
		for j := range panelBF16 {
			want := sum{}
			if add {
				want.add(before[i*ldc+j], 1)
			}
			for _, s := range segs {
				for p := range k {
					want.add(a[s.A+i*rs+p].Float32(), b[s.B+p/2*2*panelBF16+2*j+p%2].Float32())
				}
			}
			want.check(t, c[i*ldc+j], "c", i, j)
		}
		if i < rows-1 && !slices.Equal(c[i*ldc+panelBF16:][:3], before[i*ldc+panelBF16:][:3]) {
			t.Fatal("written between the rows of c")
		}
	}
	if rows == 0 && !slices.Equal(c, before) {
		t.Fatal("written where there is no row")
	}
}

func TestPanelBF16RefusesDepth(t *testing.T) {
	defer func() {
		if recover() != errDepthBF16 {
			t.Errorf("no panic with %q", errDepthBF16)
		}
	}()
	k := 33
	Generic.panelBF16(make([]float32, 64), 64, 1, make([]BF16, k), k, make([]BF16, 64*k), make([]Segment, 1), k, 0, nil)
}

// BenchmarkPanel is the product of a panel that stays in the cache, in float32 and bf16.
func BenchmarkPanel(b *testing.B) {
	const rows = 256
	for _, k := range []int{64, 576, 1152} {
		rng := rand.New(rand.NewPCG(1, 2))
		a, panel, c := randomBF16(rng, rows*k), randomBF16(rng, k*panelBF16), make([]float32, rows*panelBF16)
		flop := 2 * rows * panelBF16 * float64(k)
		report := func(b *testing.B, flop float64) {
			b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		}
		for _, l := range Levels() {
			b.Run(fmt.Sprintf("bf16/%d/%v", k, l), func(b *testing.B) {
				scratch := make([]float32, l.scratchBF16())
				for b.Loop() {
					l.panelBF16(c, panelBF16, rows, a, k, panel, make([]Segment, 1), k, 0, scratch)
				}
				report(b, flop)
			})
		}
		for _, l := range FloatLevels() {
			b.Run(fmt.Sprintf("float32/%d/%v", k, l), func(b *testing.B) {
				a, panel, w := random(rng, rows*k), random(rng, k*panelBF16), l.panelWidth()
				for b.Loop() {
					l.panel(c, w, rows, a, k, 1, panel, make([]Segment, 1), k, nil, 0)
				}
				report(b, flop*float64(w)/panelBF16)
			})
		}
	}
}
