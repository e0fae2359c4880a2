package cpu

import (
	"math"
	"slices"
	"testing"
)

// TestTapsOfAxis compares with a loop over all positions and all taps.
func TestTapsOfAxis(t *testing.T) {
	list := func(a axisTaps) (all [][2]int) {
		for k := range a.count {
			all = append(all, [2]int{a.first + k, a.tap + k*a.step})
		}
		return all
	}
	for size := 1; size <= 6; size++ {
		for window := 1; window <= 7; window++ {
			for stride := 1; stride <= 8; stride++ {
				for before := range window {
					for after := range window {
						out := (size+before+after-window)/stride + 1
						if size+before+after < window {
							continue
						}
						forward, backward := make([][][2]int, out), make([][][2]int, size)
						for o := range out {
							for tap := range window {
								if i := o*stride + tap - before; i >= 0 && i < size {
									forward[o] = append(forward[o], [2]int{i, tap})
									backward[i] = append(backward[i], [2]int{o, tap})
								}
							}
						}
						f, b := tapsOfAxis(size, out, window, stride, before)
						for o, want := range forward {
							if got := list(f[o]); !slices.Equal(got, want) {
								t.Errorf("size %d, window %d, stride %d, padding %d and %d: output %d has %v, want %v",
									size, window, stride, before, after, o, got, want)
							}
						}
						for i, want := range backward {
							if got := list(b[i]); !slices.Equal(got, want) {
								t.Errorf("size %d, window %d, stride %d, padding %d and %d: pixel %d has %v, want %v",
									size, window, stride, before, after, i, got, want)
							}
						}
					}
				}
			}
		}
	}
}

// A window far larger than the image takes no more time than one that covers it.
func TestTapsOfAxisHuge(t *testing.T) {
	forward, backward := tapsOfAxis(4, 4, math.MaxInt32, 1, math.MaxInt32/2)
	for i := range 4 {
		if forward[i].count != 4 || backward[i].count != 4 {
			t.Errorf("position %d: taps %v and %v, want 4 of each", i, forward[i], backward[i])
		}
	}
}
