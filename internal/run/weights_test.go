package run

import (
	"testing"

	"github.com/lamina-go/lamina/nn"
)

func TestBest(t *testing.T) {
	for _, c := range []struct {
		accuracies []float64
		want       int
	}{{[]float64{0.1}, 1}, {[]float64{0.1, 0.2}, 2}, {[]float64{0.2, 0.1}, 1}, {[]float64{0.2, 0.2}, 1}, {[]float64{0.1, 0.3, 0.2}, 2}} {
		var history []nn.Row
		for i, a := range c.accuracies {
			history = append(history, nn.Row{Epoch: i + 1, Validation: nn.Result{Accuracy: a}})
		}
		if got := Best(history).Epoch; got != c.want {
			t.Errorf("%v: epoch %d, want %d", c.accuracies, got, c.want)
		}
	}
}
