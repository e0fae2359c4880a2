package ops

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

func TestStoreRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, l := range FloatLevels() {
		for _, n := range []int{1, 16, 17, 64, 80} {
			for _, rows := range []int{0, 1, 3} {
				for _, gap := range []int{0, 3, 16} {
					for _, aligned := range []bool{true, false} {
						t.Run(fmt.Sprintf("%v/%dx%d+%d/%v", l, rows, n, gap, aligned), func(t *testing.T) {
							var g guards
							src := g.in(grid(rng, rows*(n+gap)))
							dst := g.inOut(grid(rng, rows*(n+gap)+16))
							if aligned {
								dst = dst[(64-uintptr(unsafe.Pointer(&dst[0]))%64)/4:]
							}
							dst = dst[:rows*(n+gap)]
							want := slices.Clone(dst)
							for i := range rows {
								copy(want[i*(n+gap):][:n], src[i*(n+gap):])
							}
							l.storeRows(dst, n+gap, src, n+gap, rows, n)
							if !slices.Equal(dst, want) {
								t.Errorf("got %v, want %v", dst, want)
							}
							g.check(t)
						})
					}
				}
			}
		}
	}
}
