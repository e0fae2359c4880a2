package nn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/tensor"
)

// vggConv is a convolution in the VGG table.
type vggConv struct{ filters, kernel int }

// vggNetwork is a row of the VGG table: the convolutions of each block, which ends in a 2x2
// max pool.
type vggNetwork struct {
	name   string
	blocks [][]vggConv
}

// vggTable has columns A to E of table 1 in https://arxiv.org/abs/1409.1556.
func vggTable() []vggNetwork {
	conv := func(filters int) vggConv { return vggConv{filters, 3} }
	one := func(filters int) vggConv { return vggConv{filters, 1} }
	repeat := func(n, filters int) []vggConv { return slices.Repeat([]vggConv{conv(filters)}, n) }
	return []vggNetwork{
		{"vgg11", [][]vggConv{repeat(1, 64), repeat(1, 128), repeat(2, 256), repeat(2, 512), repeat(2, 512)}},
		{"vgg13", [][]vggConv{repeat(2, 64), repeat(2, 128), repeat(2, 256), repeat(2, 512), repeat(2, 512)}},
		{"vgg16c", [][]vggConv{repeat(2, 64), repeat(2, 128),
			{conv(256), conv(256), one(256)}, {conv(512), conv(512), one(512)}, {conv(512), conv(512), one(512)}}},
		{"vgg16", [][]vggConv{repeat(2, 64), repeat(2, 128), repeat(3, 256), repeat(3, 512), repeat(3, 512)}},
		{"vgg19", [][]vggConv{repeat(2, 64), repeat(2, 128), repeat(4, 256), repeat(4, 512), repeat(4, 512)}},
	}
}

// VGGOptions are what the VGG table leaves open.
type VGGOptions struct {
	Input     tensor.Shape // of one image: (height, width, channels)
	Classes   int
	BatchNorm bool    // after every convolution and dense layer
	Dropout   float32 // rate, after the two hidden dense layers, or before the only one; 0 leaves the layers out
	// GlobalPool makes the head a GlobalAveragePool and one dense layer, for images of any size. Its
	// size does not grow with theirs.
	GlobalPool bool
	L2         float32 // λ of the penalty on every kernel
}

// VGGNames returns the names that VGG takes.
func VGGNames() []string {
	var names []string
	for _, row := range vggTable() {
		names = append(names, row.name)
	}
	return names
}

// VGG returns a network of the VGG table. Its head is for small images: two dense layers of 4096
// units and one with a unit per class. With GlobalPool it is the mean of each channel and one dense
// layer. The error lists the names.
func VGG(name string, o VGGOptions) (Sequential, error) {
	table := vggTable()
	i := slices.IndexFunc(table, func(row vggNetwork) bool { return row.name == name })
	if i < 0 {
		return Sequential{}, fmt.Errorf("unknown model %q: want one of %s", name, strings.Join(VGGNames(), ", "))
	}
	var layers []Layer
	add := func(l Layer, activation bool) {
		layers = append(layers, l)
		if o.BatchNorm {
			layers = append(layers, BatchNorm{})
		}
		if activation {
			layers = append(layers, ReLU{})
		}
	}
	for b, block := range table[i].blocks {
		for c, conv := range block {
			add(Conv2D{Name: fmt.Sprintf("block%d_conv%d", b+1, c+1),
				Filters: conv.filters, Kernel: conv.kernel, L2: o.L2}, true)
		}
		layers = append(layers, MaxPool{Name: fmt.Sprintf("block%d_pool", b+1)})
	}
	if o.GlobalPool {
		layers = append(layers, GlobalAveragePool{Name: "avg_pool"})
		if o.Dropout != 0 {
			layers = append(layers, Dropout{Rate: o.Dropout})
		}
		layers = append(layers, Dense{Name: "head", Units: o.Classes, L2: o.L2})
		return Sequential{Input: o.Input, Classes: o.Classes, Layers: layers}, nil
	}
	layers = append(layers, Flatten{Name: "flatten"})
	// fc_cifa10 and predictions_cifa10 are spelled as in the Keras program that these networks
	// reproduce, so that its weights load by name.
	for _, hidden := range []string{"fc_cifa10", "fc2"} {
		add(Dense{Name: hidden, Units: 4096, L2: o.L2}, true)
		if o.Dropout != 0 {
			layers = append(layers, Dropout{Rate: o.Dropout})
		}
	}
	add(Dense{Name: "predictions_cifa10", Units: o.Classes, L2: o.L2}, false)
	return Sequential{Input: o.Input, Classes: o.Classes, Layers: layers}, nil
}
