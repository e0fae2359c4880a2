package run

import "testing"

func TestFitting(t *testing.T) {
	parts := []string{"1/3", "loss 2.302", "9s left"}
	for room, want := range map[int]string{-5: "", 2: "", 3: "1/3", 13: "1/3", 14: "1/3 loss 2.302", 21: "1/3 loss 2.302", 22: "1/3 loss 2.302 9s left", 99: "1/3 loss 2.302 9s left"} {
		if got := fitting(parts, room); got != want {
			t.Errorf("in %d columns: %q, want %q", room, got, want)
		}
	}
}
