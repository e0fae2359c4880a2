package nn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/tensor"
)

// resNet is a row of the ResNet table: a 3x3 convolution, then stages of blocks of two 3x3
// convolutions. The first block of each stage but the first halves the image.
type resNet struct {
	name   string
	stem   int // filters
	stages []resNetStage
}

type resNetStage struct{ filters, blocks int }

// resNetTable has ResNet-18 of table 1 in https://arxiv.org/abs/1512.03385, as usual for CIFAR:
// with a 3x3 convolution of stride 1 and no pool at the start; and ResNet-20 of section 4.2.
func resNetTable() []resNet {
	return []resNet{
		{"resnet18", 64, []resNetStage{{64, 2}, {128, 2}, {256, 2}, {512, 2}}},
		{"resnet20", 16, []resNetStage{{16, 3}, {32, 3}, {64, 3}}},
	}
}

// ResNetOptions are what the ResNet table leaves open.
type ResNetOptions struct {
	Input   tensor.Shape // of one image: (height, width, channels)
	Classes int
	L2      float32 // λ of the penalty on every kernel
}

// ResNetNames returns the names that ResNet takes.
func ResNetNames() []string {
	var names []string
	for _, row := range resNetTable() {
		names = append(names, row.name)
	}
	return names
}

// ResNet returns a network of the ResNet table. Where a block changes the shape, its shortcut is a
// 1x1 convolution with batch normalization. Layers are named as in Keras's ResNets. The error lists
// the names.
func ResNet(name string, o ResNetOptions) (Sequential, error) {
	table := resNetTable()
	i := slices.IndexFunc(table, func(row resNet) bool { return row.name == name })
	if i < 0 {
		return Sequential{}, fmt.Errorf("unknown model %q: want one of %s", name, strings.Join(ResNetNames(), ", "))
	}
	conv := func(name string, filters, kernel, stride int) []Layer {
		return []Layer{Conv2D{Name: name + "_conv", Filters: filters, Kernel: kernel, Stride: stride, NoBias: true, L2: o.L2},
			BatchNorm{Name: name + "_bn"}}
	}
	layers := append(conv("conv1", table[i].stem, 3, 1), ReLU{Name: "conv1_relu"})
	channels := table[i].stem
	for s, stage := range table[i].stages {
		for b := range stage.blocks {
			name := fmt.Sprintf("conv%d_block%d", s+2, b+1)
			stride := 1
			if s > 0 && b == 0 {
				stride = 2
			}
			block := Residual{Name: name + "_add", Layers: slices.Concat(
				conv(name+"_1", stage.filters, 3, stride), []Layer{ReLU{Name: name + "_1_relu"}}, conv(name+"_2", stage.filters, 3, 1))}
			if stride > 1 || channels != stage.filters {
				block.Shortcut = conv(name+"_0", stage.filters, 1, stride)
			}
			layers = append(layers, block, ReLU{Name: name + "_out"})
			channels = stage.filters
		}
	}
	layers = append(layers, GlobalAveragePool{Name: "avg_pool"}, Dense{Name: "predictions", Units: o.Classes, L2: o.L2})
	return Sequential{Input: o.Input, Classes: o.Classes, Layers: layers}, nil
}

// Names returns the names of the VGG and the ResNet table, and that of Fast.
func Names() []string { return append(append(VGGNames(), ResNetNames()...), FastName) }

// Named returns the network of that name. A ResNet and Fast have batch normalization in any case,
// and no dropout.
func Named(name string, o VGGOptions) (Sequential, error) {
	if name == FastName {
		return Fast(ResNetOptions{o.Input, o.Classes, o.L2}), nil
	}
	if slices.Contains(ResNetNames(), name) {
		return ResNet(name, ResNetOptions{o.Input, o.Classes, o.L2})
	}
	if !slices.Contains(VGGNames(), name) {
		return Sequential{}, fmt.Errorf("unknown model %q: want one of %s", name, strings.Join(Names(), ", "))
	}
	return VGG(name, o)
}
