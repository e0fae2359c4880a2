package run

import (
	"testing"

	"github.com/lamina-go/lamina/nn"
)

func TestIsBest(t *testing.T) {
	for _, c := range []struct {
		accuracies []float64
		want       bool
	}{{nil, false}, {[]float64{0.1}, true}, {[]float64{0.1, 0.2}, true}, {[]float64{0.2, 0.1}, false},
		{[]float64{0.2, 0.2}, false}, {[]float64{0.3, 0.1, 0.2}, false}} {
		var history []nn.Row
		for _, a := range c.accuracies {
			history = append(history, nn.Row{Validation: nn.Result{Accuracy: a}})
		}
		if got := isBest(history); got != c.want {
			t.Errorf("%v: %v, want %v", c.accuracies, got, c.want)
		}
	}
}
