package run

import (
	"testing"

	"github.com/lamina-go/lamina/nn"
)

// A cosine that ends later has a higher rate now.
func TestRateNote(t *testing.T) {
	for _, test := range []struct {
		lr                   string
		step, before, epochs int
		want                 string
	}{
		{"cosine:0.05", 60, 8, 16,
			"the learning rate rises from 0.00803 to 0.035, since its cosine ends with epoch 16, not 8"},
		{"cosine:0.05", 60, 16, 8,
			"the learning rate falls from 0.035 to 0.00803, since its cosine ends with epoch 8, not 16"},
		{"cosine:0.05", 60, 8, 8, ""},
		{"cosine:0.05", 0, 8, 16, ""},
		{"0.01:81,0.001", 60, 8, 16, ""},
	} {
		s, err := nn.ParseSchedule(test.lr)
		if err != nil {
			t.Fatal(err)
		}
		if got := rateNote(s, test.step, 10, test.before, test.epochs); got != test.want {
			t.Errorf("%s, step %d, %d epochs instead of %d: %q, want %q", test.lr, test.step, test.epochs,
				test.before, got, test.want)
		}
	}
}
