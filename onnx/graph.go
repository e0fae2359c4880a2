package onnx

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// graph is an ONNX graph that grows node by node. Images in it are NCHW, as ONNX's operators need
// them.
type graph struct {
	net          *nn.Network
	nodes        message // the encoded graphNode fields
	initializers []initializer
	values       []string // of the network's rows: the names of their outputs
	names        map[string]int
}

// initializer is a constant tensor: some integers, some values, or a weight of the network.
type initializer struct {
	name    string
	dims    []int
	ints    []int64
	floats  []float32
	weight  nn.Weight
	arrange func(dst, src []float32) // to ONNX's order of the weight; nil if it is the same
}

// attribute is an attribute of a node: a float32, an int or a []int.
type attribute struct {
	name  string
	value any
}

// node appends a node with one output and returns the output's name.
func (g *graph) node(kind string, inputs []string, attributes ...attribute) string {
	output := g.unique(kind)
	g.named(kind, inputs, output, attributes...)
	return output
}

func (g *graph) named(kind string, inputs []string, output string, attributes ...attribute) {
	var n message
	n.strings(nodeInput, inputs)
	n.string(nodeOutput, output)
	n.string(nodeName, output)
	n.string(nodeType, kind)
	for _, a := range attributes {
		var m message
		m.string(attributeName, a.name)
		switch v := a.value.(type) {
		case float32:
			m.float(attributeFloat, math.Float32bits(v))
			m.int(attributeKind, kindFloat)
		case int:
			m.int(attributeInt, v)
			m.int(attributeKind, kindInt)
		case []int:
			m.ints(attributeInts, v)
			m.int(attributeKind, kindInts)
		}
		n.bytes(nodeAttribute, m)
	}
	g.nodes.bytes(graphNode, n)
}

// unique returns a name for a value that no other has.
func (g *graph) unique(base string) string {
	g.names[base]++
	return fmt.Sprintf("%s:%d", base, g.names[base])
}

// constant appends a constant of some values.
func (g *graph) constant(dims []int, values ...float32) string {
	name := g.unique("constant")
	g.initializers = append(g.initializers, initializer{name: name, dims: dims, floats: values})
	return name
}

func (g *graph) scalar(v float64) string { return g.constant(nil, float32(v)) }

// integers appends a constant vector.
func (g *graph) integers(values ...int64) string {
	name := g.unique("constant")
	g.initializers = append(g.initializers, initializer{name: name, dims: []int{len(values)}, ints: values})
	return name
}

// weight appends a weight in the order of its shape.
func (g *graph) weight(w nn.Weight) string {
	g.initializers = append(g.initializers, initializer{name: w.Name, dims: w.Shape, weight: w})
	return w.Name
}

// kernel appends a kernel (height, width, in, out) of a convolution as (out, in, height, width).
func (g *graph) kernel(w nn.Weight) string {
	in, out := w.Shape[2], w.Shape[3]
	return g.arranged(w, []int{out, in, w.Shape[0], w.Shape[1]}, func(dst, src []float32, taps int) {
		for t := range taps {
			for i := range in {
				for o := range out {
					dst[(o*in+i)*taps+t] = src[(t*in+i)*out+o]
				}
			}
		}
	})
}

// depthwise appends a kernel (height, width, channels, multiplier) as (channels·multiplier, 1,
// height, width).
func (g *graph) depthwise(w nn.Weight) string {
	out := w.Shape[2] * w.Shape[3]
	return g.arranged(w, []int{out, 1, w.Shape[0], w.Shape[1]}, func(dst, src []float32, taps int) {
		for t := range taps {
			for o := range out {
				dst[o*taps+t] = src[t*out+o]
			}
		}
	})
}

func (g *graph) arranged(w nn.Weight, dims []int, f func(dst, src []float32, taps int)) string {
	taps := w.Shape[0] * w.Shape[1]
	g.initializers = append(g.initializers, initializer{name: w.Name, dims: dims, weight: w,
		arrange: func(dst, src []float32) { f(dst, src, taps) }})
	return w.Name
}

// input returns the output of a row of the network, or the prepared images for −1.
func (g *graph) input(row int) string { return g.values[row+1] }

// shape returns the shape of that output.
func (g *graph) shape(row int) tensor.Shape {
	if row < 0 {
		return g.net.Input
	}
	return g.net.Table[row].Output
}

// addRow appends the nodes of a layer.
func (g *graph) addRow(row nn.LayerInfo) error {
	x, in := g.input(row.Inputs[0]), g.shape(row.Inputs[0])
	y, err := g.layer(row, x, in)
	if err != nil {
		return fmt.Errorf("onnx: layer %q: %w", row.Name, err)
	}
	g.values = append(g.values, y)
	return nil
}

func (g *graph) layer(row nn.LayerInfo, x string, in tensor.Shape) (string, error) {
	switch l := row.Layer.(type) {
	case nn.Conv2D, nn.DepthwiseConv2D, nn.SeparableConv2D, nn.MaxPool, nn.AveragePool:
		return g.windowed(row, x, in)
	case nn.Dense:
		return g.node("Gemm", append([]string{x}, g.weights(row.Weights)...)), nil
	case nn.BatchNorm:
		return g.batchNorm(l, row.Weights, x), nil
	case nn.ReLU:
		return g.node("Relu", []string{x}), nil
	case nn.Activation:
		return g.function(l.Function, x)
	case nn.Softmax:
		return g.node("Softmax", []string{x}, attribute{"axis", 1}), nil
	case nn.ZeroPadding:
		pads := g.integers(0, 0, int64(l.Top), int64(l.Left), 0, 0, int64(l.Bottom), int64(l.Right))
		return g.node("Pad", []string{x, pads}), nil
	case nn.GlobalAveragePool:
		return g.global("GlobalAveragePool", x, l.KeepDims), nil
	case nn.GlobalMaxPool:
		return g.global("GlobalMaxPool", x, l.KeepDims), nil
	case nn.Flatten:
		if in[0] > 1 || in[1] > 1 { // a vector has the order of (height, width, channels)
			x = g.node("Transpose", []string{x}, attribute{"perm", []int{0, 2, 3, 1}})
		}
		return g.node("Flatten", []string{x}), nil
	case nn.Dropout:
		return x, nil
	case nn.Add:
		return g.node("Sum", g.inputs(row)), nil
	case nn.Concatenate:
		return g.node("Concat", g.inputs(row), attribute{"axis", 1}), nil
	}
	return "", fmt.Errorf("a layer of class %s cannot be exported", row.Class)
}

func (g *graph) inputs(row nn.LayerInfo) (all []string) {
	for _, i := range row.Inputs {
		all = append(all, g.input(i))
	}
	return all
}

// weights appends weights in the order of their shapes.
func (g *graph) weights(all []nn.Weight) (names []string) {
	for _, w := range all {
		names = append(names, g.weight(w))
	}
	return names
}

// windowed appends a layer whose window moves over the image.
func (g *graph) windowed(row nn.LayerInfo, x string, in tensor.Shape) (string, error) {
	w, err := nn.WindowOf(row.Layer, in)
	if err != nil {
		return "", err
	}
	moves := []attribute{
		{"kernel_shape", []int{w.Height, w.Width}},
		{"strides", []int{w.StrideH, w.StrideW}},
		{"pads", []int{w.Top, w.Left, w.Bottom, w.Right}},
	}
	group := append(slices.Clip(moves), attribute{"group", in[2]})
	switch row.Layer.(type) {
	case nn.MaxPool:
		return g.node("MaxPool", []string{x}, moves...), nil
	case nn.AveragePool:
		return g.node("AveragePool", []string{x}, moves...), nil
	case nn.DepthwiseConv2D:
		return g.node("Conv", append([]string{x, g.depthwise(row.Weights[0])}, g.weights(row.Weights[1:])...), group...), nil
	case nn.SeparableConv2D:
		between := g.node("Conv", []string{x, g.depthwise(row.Weights[0])}, group...)
		return g.node("Conv", append([]string{between, g.kernel(row.Weights[1])}, g.weights(row.Weights[2:])...)), nil
	}
	return g.node("Conv", append([]string{x, g.kernel(row.Weights[0])}, g.weights(row.Weights[1:])...), moves...), nil
}

// batchNorm appends a normalization by the running statistics.
func (g *graph) batchNorm(l nn.BatchNorm, weights []nn.Weight, x string) string {
	rest := g.weights(weights)
	channels := weights[len(weights)-1].Shape[0]
	take := func(missing bool, v float32) (name string) {
		if missing {
			return g.constant([]int{channels}, slices.Repeat([]float32{v}, channels)...)
		}
		name, rest = rest[0], rest[1:]
		return name
	}
	gamma, beta := take(l.NoScale, 1), take(l.NoCenter, 0)
	return g.node("BatchNormalization", append([]string{x, gamma, beta}, rest...), attribute{"epsilon", cmp.Or(l.Epsilon, nn.DefaultEpsilon)})
}

// global appends a pool of whole images.
func (g *graph) global(kind, x string, keep bool) string {
	y := g.node(kind, []string{x})
	if keep {
		return y
	}
	return g.node("Flatten", []string{y})
}
