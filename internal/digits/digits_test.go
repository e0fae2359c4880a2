package digits

import "testing"

func TestGroup(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 10_007: "10,007", 28_187_826: "28,187,826", 1_000_000: "1,000,000"} {
		if got := Group(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
