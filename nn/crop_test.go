package nn

import (
	"slices"
	"testing"

	"github.com/lamina-go/lamina/tensor"
)

// TestCrop checks that only the pixels that are read have memory, and that the windows fit.
func TestCrop(t *testing.T) {
	// TensorFlow's tutorial (https://www.tensorflow.org/tutorials/images/cnn): the second pool leaves
	// out a row and a column, so the first convolution has two of each to leave out.
	net := mustBuild(t, Sequential{Input: tensor.Shape{32, 32, 3}, Classes: 10, Layers: []Layer{
		Conv2D{Filters: 32, Kernel: 3, Padding: Valid}, ReLU{}, MaxPool{}, Conv2D{Filters: 64, Kernel: 3, Padding: Valid}, ReLU{}, MaxPool{},
		Conv2D{Filters: 64, Kernel: 3, Padding: Valid}, ReLU{}, Flatten{}, Dense{Units: 10}}})
	for inference, want := range map[bool][]int{
		false: {28, 14, 14, 12, 6, 6, 4}, // a ReLU after each pool
		true:  {28, 14, 12, 6, 4},
	} {
		var sizes []int
		for _, n := range net.nodes(inference) {
			if len(n.out) != 3 {
				continue
			}
			if n.out[0] != n.out[1] {
				t.Errorf("inference %t: output %v of square images", inference, n.out)
			}
			sizes = append(sizes, n.out[0])
			if n.window != (tensor.Window{}) {
				if h, w := n.window.Output(n.in[0], n.in[1]); h != n.out[0] || w != n.out[1] {
					t.Errorf("inference %t: a window of output %dx%d, want %v", inference, h, w, n.out)
				}
			}
		}
		if !slices.Equal(sizes, want) {
			t.Errorf("inference %t: maps of %v, want %v", inference, sizes, want)
		}
	}
}
