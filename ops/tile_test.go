package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestPanel computes panels of every tile height, with the rows of b as in a packed panel and
// further apart. The values of grid make the result exact.
func TestPanel(t *testing.T) {
	eachLevel(t, func(t *testing.T, l Level) {
		for rows := 1; rows <= 3*6+1; rows++ {
			for _, k := range []int{1, 3, 4, 5, 8, 13} {
				for _, gap := range []int{0, 5} {
					for flags := range 4 {
						t.Run(fmt.Sprint(rows, k, gap, flags), func(t *testing.T) {
							testPanel(t, l, rows, k, l.panelWidth()+gap, rows%2 == 0, flags)
						})
					}
				}
			}
		}
	})
}

func testPanel(t *testing.T, l Level, rows, k, ldb int, byRow bool, flags int) {
	rng := rand.New(rand.NewPCG(uint64(rows), uint64(k)))
	width := l.panelWidth()
	ldc := width + 3
	segs := []segment{{a: 1}, {b: k * ldb}} // the second's a begins before the first's
	rs, cs := k+2, 1
	if !byRow {
		rs, cs = 1, rows+2
	}
	var g guards
	a := g.in(grid(rng, 1+(rows-1)*rs+(k-1)*cs+1))
	b := g.in(grid(rng, (2*k-1)*ldb+width))
	bias := g.in(grid(rng, width))
	before := grid(rng, (rows-1)*ldc+width)
	c := g.inOut(before)
	l.panel(c, ldc, rows, a, rs, cs, b, ldb, segs, k, bias, flags, prefetch{})
	g.check(t)

	want := make([]float64, len(before))
	for i, v := range before {
		want[i] = float64(v) // unchanged between the rows
	}
	for i := range rows {
		for j := range width {
			sum := float64(bias[j])
			if flags&tileAdd != 0 {
				sum = want[i*ldc+j]
			}
			for _, s := range segs {
				for p := range k {
					sum += float64(a[s.a+i*rs+p*cs]) * float64(b[s.b+p*ldb+j])
				}
			}
			if flags&tileReLU != 0 {
				sum = max(0, sum)
			}
			want[i*ldc+j] = sum
		}
	}
	equal(t, "c", c, want)
}
