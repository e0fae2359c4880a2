package run

import (
	"testing"

	"github.com/lamina-go/lamina/nn"
)

func TestLosses(t *testing.T) {
	for _, test := range []struct {
		r                nn.Result
		want, validation string
	}{
		{nn.Result{Loss: 4.75, CrossEntropy: 2.25}, "cross-entropy 2.2500 + penalty 2.5000", "cross-entropy 2.2500"},
		{nn.Result{Loss: 2.25, CrossEntropy: 2.25}, "cross-entropy 2.2500", "cross-entropy 2.2500"},
		{nn.Result{Loss: 4.75}, "loss 4.7500", "loss 4.7500"},
	} {
		if got := losses(test.r, 4); got != test.want {
			t.Errorf("%+v: %q, want %q", test.r, got, test.want)
		}
		if got := crossEntropy(test.r, 4); got != test.validation {
			t.Errorf("%+v: %q, want %q", test.r, got, test.validation)
		}
	}
}
