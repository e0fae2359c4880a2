package nn

import (
	"fmt"

	"github.com/lamina-go/lamina/tensor"
)

// FastName is the name of Fast.
const FastName = "fast"

// WhitenName is the layer of Fast that whitens patches of the images, see Config.Whiten.
const WhitenName = "whiten"

// Fast returns a small network that learns CIFAR-10 in few epochs
// (https://arxiv.org/abs/2404.00498): a fixed convolution that whitens patches of 2x2 pixels, and
// three blocks of two convolutions, of which the first is pooled before its batch normalization.
// The paper divides the logits by the number of features. Here the kernel of the head includes
// that.
func Fast(o ResNetOptions) Sequential {
	channels := 0
	if len(o.Input) == 3 {
		channels = o.Input[2]
	}
	gelu := Activation{Function: tensor.Function{Kind: tensor.GELU}}
	norm := BatchNorm{Momentum: 0.6, Epsilon: 1e-12, NoScale: true}
	layers := []Layer{Conv2D{Name: WhitenName, Filters: 2 * 2 * 2 * channels, Kernel: 2, Padding: Valid}, gelu}
	for i, filters := range []int{64, 256, 256} {
		conv := func(n int) Layer {
			return Conv2D{Name: fmt.Sprintf("block%d_conv%d", i+1, n), Filters: filters, Kernel: 3, NoBias: true, L2: o.L2}
		}
		layers = append(layers, conv(1), MaxPool{}, norm, gelu, conv(2), norm, gelu)
	}
	layers = append(layers, GlobalMaxPool{}, Dense{Name: "head", Units: o.Classes, NoBias: true, L2: o.L2})
	return Sequential{Input: o.Input, Classes: o.Classes, Layers: layers, Frozen: []string{WhitenName + "/kernel"}}
}
