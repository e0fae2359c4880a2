package views

import (
	"slices"
	"testing"
)

func TestTranslate(t *testing.T) {
	row := []float32{1, 10, 2, 20, 3, 30, 4, 40} // 4 pixels of 2 channels
	src := slices.Concat(row, []float32{5, 50, 6, 60, 7, 70, 8, 80}, []float32{9, 90, 10, 100, 11, 110, 12, 120})
	for _, c := range []struct {
		tx, ty int
		flip   bool
		want   []float32 // the first channel
	}{
		{0, 0, false, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		{0, 0, true, []float32{4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9}},
		{-1, 0, false, []float32{2, 1, 2, 3, 6, 5, 6, 7, 10, 9, 10, 11}},
		{2, 0, false, []float32{3, 4, 3, 2, 7, 8, 7, 6, 11, 12, 11, 10}},
		{0, -2, false, []float32{9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4}},
		{0, 1, false, []float32{5, 6, 7, 8, 9, 10, 11, 12, 5, 6, 7, 8}},
		{1, -1, true, []float32{7, 8, 7, 6, 3, 4, 3, 2, 7, 8, 7, 6}},
	} {
		dst := make([]float32, len(src))
		Translate(dst, src, 3, 4, 2, c.tx, c.ty, c.flip)
		for i, want := range c.want {
			if dst[2*i] != want || dst[2*i+1] != 10*want {
				t.Errorf("by %d, %d, flip %t: pixel %d is %v, %v, want %v", c.tx, c.ty, c.flip, i, dst[2*i], dst[2*i+1], want)
			}
		}
	}
}
