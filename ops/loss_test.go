package ops

import (
	"math"
	"testing"
)

// A logit that is not a number is no answer, whatever the label.
func TestLossOfNaN(t *testing.T) {
	nan := float32(math.NaN())
	for label := range 2 {
		if _, correct := (CrossEntropy{Sigmoid: true}).Loss([]float32{nan}, label); correct {
			t.Errorf("sigmoid: label %d is correct", label)
		}
		if _, correct := (CrossEntropy{}).Loss([]float32{nan, nan}, label); correct {
			t.Errorf("softmax: label %d is correct", label)
		}
	}
}
