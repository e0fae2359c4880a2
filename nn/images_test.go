package nn

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/tensor"
)

// TestCheckImages counts all values that an inference has at a time, not only the largest.
func TestCheckImages(t *testing.T) {
	s := Sequential{Input: tensor.Shape{2000, 2000, 1}, Classes: 1}
	sum := Add{Name: "sum"}
	for i := range 50 {
		name := fmt.Sprint("s", i)
		s.Layers = append(s.Layers, From{images, Softmax{Name: name}})
		sum.Inputs = append(sum.Inputs, name)
	}
	head := []Layer{GlobalAveragePool{}, Dense{Units: 1}}
	all := s
	all.Layers = slices.Concat(s.Layers, []Layer{sum}, head)
	net := mustBuild(t, all)
	const file = 10 << 10
	if err := net.CheckImages(file); err == nil || !strings.Contains(err.Error(), "one image of shape (2000, 2000, 1) needs 778 MB") {
		t.Errorf("error %v, want that 51 values of 15 MB are too much", err)
	}
	all.Layers = append(s.Layers[:1:1], head...)
	net = mustBuild(t, all)
	if err := net.CheckImages(file); err != nil {
		t.Error(err)
	}
}
