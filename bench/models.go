package bench

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

const classes = 10

// Networks returns the names of the networks that can be measured. bench/peers/networks.py has the
// same.
func Networks() []string {
	return append(nn.Names(), "tutorial", "convnet", "separable", "vgg16-224")
}

// buildNetwork returns a network as it is trained: the VGG table with all its tricks, the others as
// published.
func buildNetwork(name string) (*nn.Network, error) {
	const l2 = 5e-4
	input := tensor.Shape{32, 32, 3}
	if slices.Contains(nn.Names(), name) {
		network, err := nn.Named(name, nn.VGGOptions{Input: input, Classes: classes, BatchNorm: true, Dropout: 0.5, L2: l2})
		if err != nil {
			return nil, err
		}
		return nn.Build(network)
	}
	s := nn.Sequential{Input: input, Classes: classes}
	conv := func(filters int, padding nn.Padding) []nn.Layer {
		return []nn.Layer{nn.Conv2D{Filters: filters, Kernel: 3, Padding: padding, L2: l2}, nn.ReLU{}}
	}
	head := nn.Dense{Units: classes, L2: l2}
	switch name {
	case "tutorial": // https://www.tensorflow.org/tutorials/images/cnn
		s.Layers = slices.Concat(conv(32, nn.Valid), []nn.Layer{nn.MaxPool{}}, conv(64, nn.Valid), []nn.Layer{nn.MaxPool{}},
			conv(64, nn.Valid), []nn.Layer{nn.Flatten{}, nn.Dense{Units: 64, L2: l2}, nn.ReLU{}, head})
	case "convnet": // https://github.com/keras-team/keras/blob/2.3.1/examples/cifar10_cnn.py
		pool := []nn.Layer{nn.MaxPool{}, nn.Dropout{Rate: 0.25}}
		s.Layers = slices.Concat(conv(32, nn.Same), conv(32, nn.Valid), pool, conv(64, nn.Same), conv(64, nn.Valid), pool,
			[]nn.Layer{nn.Flatten{}, nn.Dense{Units: 512, L2: l2}, nn.ReLU{}, nn.Dropout{Rate: 0.5}, head})
	case "separable": // the blocks of MobileNet (https://arxiv.org/abs/1704.04861), for small images
		s.Layers = []nn.Layer{nn.Conv2D{Filters: 32, Kernel: 3, NoBias: true, L2: l2}, nn.BatchNorm{}, nn.ReLU{}}
		for _, block := range [][2]int{{64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}, {512, 1}} {
			s.Layers = append(s.Layers,
				nn.DepthwiseConv2D{Kernel: 3, Stride: block[1], NoBias: true, L2: l2}, nn.BatchNorm{}, nn.ReLU{},
				nn.Conv2D{Filters: block[0], Kernel: 1, NoBias: true, L2: l2}, nn.BatchNorm{}, nn.ReLU{})
		}
		s.Layers = append(s.Layers, nn.GlobalAveragePool{}, head)
	case "vgg16-224": // VGG16 on images of ImageNet's size, with global average pooling
		s.Input = tensor.Shape{224, 224, 3}
		for _, block := range [][2]int{{2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}} {
			for range block[0] {
				s.Layers = append(s.Layers, conv(block[1], nn.Same)...)
			}
			s.Layers = append(s.Layers, nn.MaxPool{})
		}
		s.Layers = append(s.Layers, nn.GlobalAveragePool{}, head)
	default:
		return nil, fmt.Errorf("unknown network %q: want one of %s", name, strings.Join(Networks(), ", "))
	}
	return nn.Build(s)
}
