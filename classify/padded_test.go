package classify

import "testing"

func TestPadded(t *testing.T) {
	m := &Model{sizes: []int{1, 8, 32, 128}}
	for n, want := range map[int]int{1: 1, 2: 8, 8: 8, 9: 32, 32: 32, 33: 128, 128: 128} {
		if got := m.padded(n); got != want {
			t.Errorf("%d images are computed as %d, want %d", n, got, want)
		}
	}
}
