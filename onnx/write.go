package onnx

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// opset is the version of the operators, irVersion that of the format that came with it.
const opset, irVersion = 17, 8

// largest is the limit of a protobuf message.
const largest = math.MaxInt32

// Layout is the order of the axes of the images that a model takes.
type Layout string

// The layouts.
const (
	NHWC Layout = "nhwc" // (images, height, width, channels)
	NCHW Layout = "nchw" // (images, channels, height, width)
)

// Options are what a model's file records besides the network. The zero value is a model for images
// NHWC with what the network knows of them.
type Options struct {
	Layout Layout // "" means NHWC
	// Labels are the names of the classes, and Mean and Std, by channel, how pixels from 0 to 255 are
	// prepared: (p − Mean)/Std. Those of the network stand for nil labels, and for a mean and a
	// deviation that are both nil. It may have none: then the model takes the values that the network
	// takes.
	Labels    []string
	Mean, Std []float32
}

// Save writes a model to a file, which replaces the one at path once it is complete. See [Write].
func Save(path string, m *nn.Model, o Options) error {
	return atomicfile.Write(path, func(w io.Writer) error { return Write(w, m, o) })
}

// Write writes a network with its weights as an ONNX model of operator set 17: input "images",
// float32, and output "probabilities", (images, classes). BatchNorm layers use their running
// statistics. The metadata has the labels as a JSON list, and layout, height, width, channels, mean
// and std. A model above 2 GB, the limit of the format, is an error. Other goroutines may use the
// model meanwhile, but not change it.
func Write(w io.Writer, m *nn.Model, o Options) error {
	switch o.Layout {
	case "":
		o.Layout = NHWC
	case NHWC, NCHW:
	default:
		return fmt.Errorf("onnx: layout %q: want nhwc or nchw", o.Layout)
	}
	if o.Labels == nil {
		o.Labels = m.Labels
	}
	if o.Mean == nil && o.Std == nil {
		o.Mean, o.Std = m.Mean, m.Std
	}
	if err := o.check(m.Network); err != nil {
		return err
	}
	g := &graph{net: m.Network, names: map[string]int{}}
	if err := g.build(o); err != nil {
		return err
	}
	start, err := g.encode(o)
	if err != nil {
		return err
	}
	if _, err := w.Write(start); err != nil {
		return err
	}
	for _, t := range g.initializers {
		if err := t.write(w, m); err != nil {
			return err
		}
	}
	return nil
}

// check returns an error unless the options suit the network.
func (o *Options) check(net *nn.Network) error {
	if o.Labels != nil && len(o.Labels) != net.Classes {
		return fmt.Errorf("onnx: %d labels for %d classes", len(o.Labels), net.Classes)
	}
	if channels := net.Input[2]; len(o.Mean) != len(o.Std) || o.Mean != nil && len(o.Mean) != channels {
		return fmt.Errorf("onnx: %d means and %d deviations for %d channels: want one of each for a channel, or none",
			len(o.Mean), len(o.Std), channels)
	}
	return nil
}

// build appends the nodes of the network.
func (g *graph) build(o Options) error {
	x := "images"
	if o.Layout == NHWC {
		x = g.node("Transpose", []string{x}, attribute{"perm", []int{0, 3, 1, 2}})
	}
	channels := g.net.Input[2]
	for _, step := range []struct {
		kind   string
		values []float32
	}{{"Sub", o.Mean}, {"Div", o.Std}} {
		if step.values != nil {
			x = g.node(step.kind, []string{x, g.constant([]int{1, channels, 1, 1}, step.values...)})
		}
	}
	g.values = []string{x}
	for _, row := range g.net.Table {
		if row.Layer == nil {
			break // the row of the Output
		}
		if err := g.addRow(row); err != nil {
			return err
		}
	}
	logits := g.values[len(g.values)-1]
	if g.net.Output == nn.SigmoidOutput {
		p := g.node("Sigmoid", []string{logits})
		g.named("Concat", []string{g.node("Sub", []string{g.scalar(1), p}), p}, "probabilities", attribute{"axis", 1})
	} else {
		g.named("Softmax", []string{logits}, "probabilities", attribute{"axis", 1})
	}
	return nil
}

// encode returns the model up to its initializers, which end the file.
func (g *graph) encode(o Options) ([]byte, error) {
	var model, set, body message
	model.int(modelIRVersion, irVersion)
	model.string(modelProducer, "lamina")
	set.int(opsetVersion, opset)
	model.bytes(modelOpset, set)
	for _, e := range g.metadata(o) {
		var entry message
		entry.string(entryKey, e[0])
		entry.string(entryValue, e[1])
		model.bytes(modelMetadata, entry)
	}

	height, width, channels := g.net.Input[0], g.net.Input[1], g.net.Input[2]
	images := []int{height, width, channels}
	if o.Layout == NCHW {
		images = []int{channels, height, width}
	}
	body.string(graphName, "network")
	body.bytes(graphInput, value("images", images...))
	body.bytes(graphOutput, value("probabilities", g.net.Classes))
	body = append(body, g.nodes...)

	size := len(body)
	for _, t := range g.initializers {
		n := t.size()
		size += len(head(graphInitializer, n)) + n
	}
	if size+len(model) > largest-16 {
		return nil, errors.New("onnx: the model has more than 2 GB, the limit of the format")
	}
	return append(append(model, head(modelGraph, size)...), body...), nil
}

// metadata returns keys and values of what the model's user should know.
func (g *graph) metadata(o Options) (all [][2]string) {
	add := func(key string, v any) {
		text, _ := json.Marshal(v) // numbers and strings
		all = append(all, [2]string{key, string(text)})
	}
	all = append(all, [2]string{"layout", string(o.Layout)})
	add("height", g.net.Input[0])
	add("width", g.net.Input[1])
	add("channels", g.net.Input[2])
	if o.Labels != nil {
		add("labels", o.Labels)
	}
	if o.Mean != nil {
		add("mean", o.Mean)
		add("std", o.Std)
	}
	return all
}

// value describes float32 values of any number of images.
func value(name string, dims ...int) message {
	var shape, tensorOf, kind, v message
	var images message
	images.string(dimensionName, "N")
	shape.bytes(shapeDim, images)
	for _, d := range dims {
		var dim message
		dim.int(dimensionSize, d)
		shape.bytes(shapeDim, dim)
	}
	tensorOf.int(tensorTypeKind, float32Tensor)
	tensorOf.bytes(tensorShape, shape)
	kind.bytes(typeTensor, tensorOf)
	v.string(valueName, name)
	v.bytes(valueType, kind)
	return v
}

// start returns the initializer up to its data.
func (t *initializer) start() message {
	var m message
	m.ints(tensorDims, t.dims)
	kind := float32Tensor
	if t.ints != nil {
		kind = int64Tensor
	}
	m.int(tensorKind, kind)
	m.string(tensorName, t.name)
	return append(m, head(tensorData, t.bytes())...)
}

// bytes returns the size of the data.
func (t *initializer) bytes() int {
	if t.ints != nil {
		return 8 * len(t.ints)
	}
	return 4 * tensor.Shape(t.dims).Size()
}

// size returns the size of the initializer.
func (t *initializer) size() int { return len(t.start()) + t.bytes() }

// write writes the initializer as a field of the graph.
func (t *initializer) write(w io.Writer, m *nn.Model) error {
	start := append(head(graphInitializer, t.size()), t.start()...)
	if _, err := w.Write(start); err != nil {
		return err
	}
	if t.ints != nil {
		return binary.Write(w, binary.LittleEndian, t.ints)
	}
	values := t.floats
	if t.weight.Name != "" {
		var err error
		if values, err = m.Get(t.weight.Name); err != nil {
			return err
		}
		if t.arrange != nil {
			arranged := make([]float32, len(values))
			t.arrange(arranged, values)
			values = arranged
		}
	}
	return binary.Write(w, binary.LittleEndian, values)
}
