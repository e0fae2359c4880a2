package keras

import (
	"errors"
	"fmt"

	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// leaf adds a layer of the file: one of the network, or two if it has an activation, or none.
func (r *networkReader) leaf(leaf *leaf, in []value, around surroundings) (value, error) {
	l, v := leaf.settings, in[0]
	if v.layer < 0 {
		if r.input(l); r.network.Input != nil {
			v.channels = r.network.Input[2]
		}
	}
	name := l.name
	if name == imagesName {
		name = r.unused(imagesName)
	}
	l.name = name
	var layer nn.Layer
	function := tensor.Function{}
	vector, channels := v.vector, v.channels
	switch {
	case l.class == "InputLayer" || isIdentity(l.class):
		return v, nil
	case around.inference && (l.class == "Dropout" || l.class == "SpatialDropout2D"):
		return v, nil
	case l.class == "Flatten" && v.vector:
		return v, nil
	case l.class == "Rescaling" || l.class == "Normalization":
		return r.prepare(leaf, v)
	}
	switch l.class {
	case "Conv2D":
		c := l.conv()
		layer, channels = c, c.Filters
	case "DepthwiseConv2D":
		c := l.depthwise()
		layer, channels = c, channels*max(1, c.Multiplier)
	case "SeparableConv2D":
		c := l.separable()
		layer, channels = c, c.Filters
	case "Dense":
		d := l.dense()
		layer, channels = d, d.Units
	case "BatchNormalization":
		b := l.batchNorm(v.vector)
		b.Inference = around.inference
		layer = b
	case "MaxPooling2D":
		layer = l.pool()
	case "AveragePooling2D":
		layer = nn.AveragePool(l.pool())
	case "GlobalAveragePooling2D":
		keep := l.flag("keepdims", false)
		layer, vector = nn.GlobalAveragePool{Name: name, KeepDims: keep}, !keep
	case "GlobalMaxPooling2D":
		keep := l.flag("keepdims", false)
		layer, vector = nn.GlobalMaxPool{Name: name, KeepDims: keep}, !keep
	case "ZeroPadding2D":
		layer = l.zeroPadding()
	case "Flatten":
		layer, vector, channels = nn.Flatten{Name: name}, true, 0
	case "Dropout", "SpatialDropout2D":
		layer = nn.Dropout{Name: name, Rate: l.float("rate", 0), Spatial: l.class == "SpatialDropout2D"}
	case "Add":
		layer = nn.Add{Name: name, Inputs: r.references(in)}
	case "Concatenate":
		l.axis(v.vector)
		channels = 0
		for _, each := range in {
			channels += each.channels
		}
		layer = nn.Concatenate{Name: name, Inputs: r.references(in)}
	case "Activation":
		function = l.activation(r, v.vector)
	case "ReLU", "LeakyReLU", "ELU", "Softmax":
		function = l.function(v.vector)
	}
	if l.err != nil {
		return v, l.err
	}
	out := v
	if layer != nil {
		leaf.layer, leaf.counts = name, countWeights(layer)
		if n := leaf.counts; around.frozen && n != (counts{}) {
			leaf.counts = counts{0, n.trainable + n.other}
			if name == "" {
				return v, fmt.Errorf("a layer of class %s is frozen and has no name, which is not supported", l.class)
			}
			r.network.Frozen = append(r.network.Frozen, name)
		}
		var err error
		if out, err = r.add(name, layer, in, vector, channels); err != nil {
			return v, err
		}
		if function = l.activation(r, vector); l.err != nil {
			return v, l.err
		}
		if name != "" && function != (tensor.Function{}) {
			name = r.unused(name + "_activation")
		}
		in = []value{out}
	}
	switch {
	case function == tensor.Function{}:
		return out, nil
	case function.Kind == softmaxFunction:
		layer = nn.Softmax{Name: name}
	case function.IsRectifier():
		layer = nn.ReLU{Name: name}
	default:
		layer = nn.Activation{Name: name, Function: function}
	}
	return r.add(name, layer, in, vector, channels)
}

// countWeights returns how many weights a layer has.
func countWeights(l nn.Layer) counts {
	without := func(n int, flags ...bool) int {
		for _, flag := range flags {
			if flag {
				n--
			}
		}
		return n
	}
	switch l := l.(type) {
	case nn.Conv2D:
		return counts{without(2, l.NoBias), 0}
	case nn.DepthwiseConv2D:
		return counts{without(2, l.NoBias), 0}
	case nn.SeparableConv2D:
		return counts{without(3, l.NoBias), 0}
	case nn.Dense:
		return counts{without(2, l.NoBias), 0}
	case nn.BatchNorm:
		return counts{without(2, l.NoScale, l.NoCenter), 2}
	}
	return counts{}
}

// input sets the shape of the input from the first layer that states it.
func (r *networkReader) input(l *settings) {
	for _, key := range []string{"batch_shape", "batch_input_shape"} {
		if r.network.Input != nil || !l.has(key) {
			continue
		}
		var shape []*int
		l.decode(key, &shape)
		if l.err == nil {
			r.network.Input, l.err = imageShape(shape)
			if l.err != nil {
				l.err = fmt.Errorf("layer %q: %s: %w", l.name, key, l.err)
			}
		}
	}
}

// imageShape returns the shape of an image, given that of a batch of any size.
func imageShape(batch []*int) (tensor.Shape, error) {
	if len(batch) != 4 {
		return nil, fmt.Errorf("it has %d dimensions, expected images: batch, height, width, channels", len(batch))
	}
	var shape tensor.Shape
	for _, d := range batch[1:] {
		if d == nil {
			return nil, errors.New("images of any size are not supported: height, width and channels must be numbers")
		}
		shape = append(shape, *d)
	}
	return shape, nil
}
