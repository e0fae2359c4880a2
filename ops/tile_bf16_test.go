package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// eachBF16Level runs f at every level, since all differ in bf16 products, and skips those that the
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

// TestPanelBF16 covers each number of rows with alternating depths and numbers of segments. Sums
// must be exact up to the rounding of float32.
func TestPanelBF16(t *testing.T) {
	eachBF16Level(t, func(t *testing.T, l Level) {
		for rows := range 71 {
			k := []int{32, 64, 96, widenedDepth + 32}[rows%4]
			for segments := 1; segments <= 3; segments++ {
				t.Run(fmt.Sprint(rows, k, segments), func(t *testing.T) {
					testPanelBF16(t, l, rows, k, segments, rows%3 == 0)
				})
			}
		}
	})
}

func testPanelBF16(t *testing.T, l Level, rows, k, segments int, add bool) {
	rng := rand.New(rand.NewPCG(uint64(rows), uint64(k)))
	rs, ldc := k+6, panelBF16+3 // rows need not be aligned
	// Segments in any order, those of b one by one, those of a overlapping.
	var segs []segment
	for i := range segments {
		segs = append(segs, segment{a: 5 * (segments - i), b: (i + 1) % segments * k * panelBF16})
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
	l.panelBF16(c, ldc, rows, a, rs, b, segs, k, flags, prefetchBF16{}, scratch)
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
					want.add(a[s.a+i*rs+p].Float32(), b[s.b+p/2*2*panelBF16+2*j+p%2].Float32())
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

// TestPanelWidened compares the levels without bf16 products, bit by bit, with the sums that they
// stand for: each segment in ranges of widenedDepth, added to c one after the other. One row has
// values so small that its sums are subnormal.
func TestPanelWidened(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, rows := range []int{1, 6, 17, widenedRows + 1} {
			for _, k := range []int{32, 160, widenedDepth, 2*widenedDepth + 32} {
				for _, gap := range []int{0, 5} { // between the rows of a
					rs := k + gap
					a, b := randomBF16(rng, (rows+1)*rs), randomBF16(rng, 2*k*panelBF16)
					for i := range a[rows*rs:] {
						a[rows*rs+i] = BF16(rng.UintN(0x80))
					}
					segs := []segment{{a: rs, b: k * panelBF16}, {a: 0, b: 0}}
					c := random(rng, rows*panelBF16)
					clear(c[(rows-1)*panelBF16:])
					for _, flags := range []int{0, tileAdd} {
						want := slices.Clone(c)
						panelPlain(l, want, rows, a, rs, b, segs[:1+flags], k, flags)
						l.panelBF16(c, panelBF16, rows, a, rs, b, segs[:1+flags], k, flags, prefetchBF16{},
							make([]float32, l.scratchBF16()))
						if !slices.EqualFunc(c, want, sameBits) {
							t.Fatalf("%d rows, stride %d, k %d, flags %d: bits differ", rows, rs, k, flags)
						}
					}
				}
			}
		}
	})
}

func sameBits(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) }

// panelPlain is panelWidened with contiguous rows of c. The generic level adds each product to c,
// where Go may fuse both into one instruction that rounds once (arm64). At the other levels an FMA
// rounds once, as the sum in float64 does here.
func panelPlain(l Level, c []float32, rows int, a []BF16, rs int, b []BF16, segs []segment, k, flags int) {
	for _, s := range segs {
		for p0 := 0; p0 < k; p0 += widenedDepth {
			for i := range rows {
				for j := range panelBF16 {
					at, sum := &c[i*panelBF16+j], float32(0)
					if flags == 0 {
						*at = 0
					}
					for p := p0; p < min(k, p0+widenedDepth); p++ {
						x, y := a[s.a+i*rs+p].Float32(), b[s.b+p/2*2*panelBF16+2*j+p%2].Float32()
						if l == Generic {
							*at += x * y
						} else {
							sum = float32(float64(sum) + float64(x)*float64(y))
						}
					}
					if l != Generic {
						*at = sum + *at
					}
				}
			}
			flags = tileAdd
		}
	}
}

func TestPanelBF16RejectsDepth(t *testing.T) {
	defer func() {
		if recover() != errDepthBF16 {
			t.Errorf("no panic with %q", errDepthBF16)
		}
	}()
	k := 33
	Generic.panelBF16(make([]float32, 64), 64, 1, make([]BF16, k), k, make([]BF16, 64*k),
		make([]segment, 1), k, 0, prefetchBF16{}, nil)
}

// BenchmarkPanel multiplies by a panel that stays in the cache, in float32 and bf16.
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
					l.panelBF16(c, panelBF16, rows, a, k, panel, make([]segment, 1), k, 0, prefetchBF16{},
						scratch)
				}
				report(b, flop)
			})
		}
		for _, l := range FloatLevels() {
			b.Run(fmt.Sprintf("float32/%d/%v", k, l), func(b *testing.B) {
				a, panel, w := random(rng, rows*k), random(rng, k*panelBF16), l.panelWidth()
				for b.Loop() {
					l.panel(c, w, rows, a, k, 1, panel, w, make([]segment, 1), k, nil, 0, prefetch{})
				}
				report(b, flop*float64(w)/panelBF16)
			})
		}
	}
}
