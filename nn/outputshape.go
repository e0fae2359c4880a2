package nn

import (
	"fmt"
	"slices"

	"github.com/lamina-go/lamina/tensor"
)

// OutputShape returns the shape of the last layer's output for one image, whatever Classes is.
func (s Sequential) OutputShape() (tensor.Shape, error) {
	if len(s.Input) != 3 || slices.Min(s.Input) < 1 || !fitsMemory(s.Input) {
		return nil, fmt.Errorf("nn: input of shape %v: want (height, width, channels), each at least 1, and not so large",
			s.Input)
	}
	b := builder{net: &Network{Sequential: s, byName: map[string]int{}}, at: imagesRow,
		given: map[string]bool{}, rows: map[string]int{}, count: map[string]int{}}
	if err := b.collect(s.Layers); err != nil {
		return nil, err
	}
	if err := b.addAll(s.Layers); err != nil {
		return nil, err
	}
	return b.net.output(b.at), nil
}
