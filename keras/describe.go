package keras

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// style says how a configuration names classes.
type style bool

const (
	legacy  style = false // by name, in .h5
	modules style = true  // by module and name, in .keras
)

// object returns the configuration of an object of a class.
func (s style) object(module, class string, config map[string]any) map[string]any {
	o := map[string]any{"class_name": class, "config": config}
	if s == modules {
		o["module"], o["registered_name"] = module, nil
	}
	return o
}

// description is a network as files of Keras have it.
type description struct {
	net    *nn.Network
	layers []writtenLayer // first the input
	rows   []writtenLayer // of the network's table
	// functional says that it is a graph, or that a call has an argument.
	functional bool
	version    string // of Keras, in which the names of functions mean what they do here
}

// writtenLayer is a layer of a file.
type writtenLayer struct {
	name, class string
	config      map[string]any
	inputs      []int // indices of layers
	inference   bool  // called with training false
}

// The versions of Keras that files claim as their writer.
const (
	version  = "2.15.0"
	version3 = "3.0.0" // of a file with functions that Keras 2 does not have, or understands otherwise
)

// describe returns the layers of a network for a file. The error names a layer that Keras does not
// have.
func describe(net *nn.Network, s style) (*description, error) {
	w := &description{net: net, version: version}
	names := fileNames(net)
	// Keras 2 and 3 accept batch_input_shape, Keras 2 nothing else.
	w.add(writtenLayer{name: unusedName(names, "input_1"), class: "InputLayer",
		config: map[string]any{"batch_input_shape": batchShape(net), "dtype": "float32"}})
	if net.Raw && net.Mean != nil {
		w.add(writtenLayer{name: unusedName(names, "rescaling"), class: "Rescaling", config: rescalingJSON(net), inputs: []int{0}})
	}
	first := len(w.layers) // the layer of row 0
	for i, row := range net.Table {
		class, config, err := w.layerJSON(row, s)
		if err != nil {
			return nil, fmt.Errorf("layer %q: %w", row.Name, err)
		}
		if row.Frozen {
			config["trainable"] = false
		}
		l := writtenLayer{name: names[i], class: class, config: config}
		for _, input := range row.Inputs {
			l.inputs = append(l.inputs, first+input)
		}
		if norm, ok := row.Layer.(nn.BatchNorm); ok {
			l.inference = norm.Inference
		}
		w.functional = w.functional || l.inference || !slices.Equal(l.inputs, []int{len(w.layers) - 1})
		w.add(l)
		w.rows = append(w.rows, l)
	}
	return w, nil
}

func (w *description) add(l writtenLayer) { w.layers = append(w.layers, l) }

// fileNames returns the names of the rows of a network that Keras accepts: without slashes.
func fileNames(net *nn.Network) []string {
	names := make([]string, len(net.Table))
	for i, row := range net.Table {
		if !strings.Contains(row.Name, "/") {
			names[i] = row.Name
		}
	}
	for i, row := range net.Table {
		if names[i] == "" {
			names[i] = unusedName(names, strings.ReplaceAll(row.Name, "/", "_"))
		}
	}
	return names
}

// unusedName returns a name that is not in a list: that name, or with a number.
func unusedName(names []string, name string) string {
	base := strings.TrimSuffix(name, "_1")
	for n := 1; slices.Contains(names, name); n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	return name
}

// batchShape returns the shape of a batch of any number of images.
func batchShape(net *nn.Network) []any { return []any{nil, net.Input[0], net.Input[1], net.Input[2]} }

// rescalingJSON returns the settings of a layer that normalizes pixels.
func rescalingJSON(net *nn.Network) map[string]any {
	var scale, offset []float64
	for c, std := range net.Std {
		scale = append(scale, 1/float64(std))
		offset = append(offset, -float64(net.Mean[c])/float64(std))
	}
	if len(slices.Compact(slices.Clone(scale))) == 1 && len(slices.Compact(slices.Clone(offset))) == 1 {
		return map[string]any{"scale": scale[0], "offset": offset[0]}
	}
	return map[string]any{"scale": scale, "offset": offset}
}

// class returns the class of the model.
func (w *description) class() string {
	if w.functional {
		return "Functional"
	}
	return "Sequential"
}

// configJSON returns the configuration of the model, with the settings that Keras requires.
func (w *description) configJSON(s style) map[string]any {
	var layers []any
	for _, l := range w.layers {
		l.config["name"] = l.name
		o := s.object("keras.layers", l.class, l.config)
		if w.functional {
			o["name"], o["inbound_nodes"] = l.name, w.nodesJSON(l)
		}
		layers = append(layers, o)
	}
	if !w.functional {
		return map[string]any{"name": "sequential", "layers": layers}
	}
	end := func(l writtenLayer) []any { return []any{[]any{l.name, 0, 0}} }
	return map[string]any{"name": "model", "layers": layers, "input_layers": end(w.layers[0]),
		"output_layers": end(w.layers[len(w.layers)-1])}
}

// nodesJSON returns the call of a layer in the form of Keras 2, which Keras 3 also accepts.
func (w *description) nodesJSON(l writtenLayer) []any {
	var tensors []any
	for _, input := range l.inputs {
		arguments := map[string]any{}
		if l.inference {
			arguments["training"] = false
		}
		tensors = append(tensors, []any{w.layers[input].name, 0, 0, arguments})
	}
	if tensors == nil {
		return []any{}
	}
	return []any{tensors}
}

// windowJSON returns the settings of a window that moves over an image.
func windowJSON(size string, height, width, stride, strideWidth int, padding nn.Padding) map[string]any {
	return map[string]any{size: []int{height, cmp.Or(width, height)},
		"strides": []int{stride, cmp.Or(strideWidth, stride)}, "padding": padding}
}

func poolJSON(l nn.MaxPool) map[string]any {
	size := cmp.Or(l.Size, 2)
	width := cmp.Or(l.SizeWidth, size)
	if l.Stride == 0 && l.StrideWidth == 0 {
		return windowJSON("pool_size", size, width, size, width, cmp.Or(l.Padding, nn.Valid))
	}
	return windowJSON("pool_size", size, width, cmp.Or(l.Stride, size), cmp.Or(l.StrideWidth, l.Stride, width), cmp.Or(l.Padding, nn.Valid))
}

// layerJSON returns the class of a layer and its settings except its name.
func (w *description) layerJSON(row nn.LayerInfo, s style) (class string, config map[string]any, err error) {
	switch l := row.Layer.(type) {
	case nn.Conv2D:
		config = windowJSON("kernel_size", l.Kernel, l.KernelWidth, cmp.Or(l.Stride, 1), l.StrideWidth, cmp.Or(l.Padding, nn.Same))
		config["filters"], config["activation"], config["use_bias"] = l.Filters, "linear", !l.NoBias
		config["kernel_regularizer"] = penaltyJSON(l.L2, s)
	case nn.DepthwiseConv2D:
		// Keras 3 rejects the setting groups, which Keras 2 writes.
		config = windowJSON("kernel_size", l.Kernel, l.KernelWidth, cmp.Or(l.Stride, 1), l.StrideWidth, cmp.Or(l.Padding, nn.Same))
		config["depth_multiplier"], config["activation"], config["use_bias"] = max(1, l.Multiplier), "linear", !l.NoBias
		config["depthwise_regularizer"] = penaltyJSON(l.L2, s)
	case nn.SeparableConv2D:
		config = windowJSON("kernel_size", l.Kernel, l.KernelWidth, cmp.Or(l.Stride, 1), l.StrideWidth, cmp.Or(l.Padding, nn.Same))
		config["filters"], config["depth_multiplier"] = l.Filters, max(1, l.Multiplier)
		config["activation"], config["use_bias"] = "linear", !l.NoBias
		config["depthwise_regularizer"], config["pointwise_regularizer"] = penaltyJSON(l.L2, s), penaltyJSON(l.L2, s)
	case nn.Dense:
		config = map[string]any{"units": l.Units, "activation": "linear", "use_bias": !l.NoBias,
			"kernel_regularizer": penaltyJSON(l.L2, s)}
	case nn.BatchNorm:
		config = map[string]any{"axis": -1, "momentum": cmp.Or(l.Momentum, momentumDefault),
			"epsilon": cmp.Or(l.Epsilon, epsilonDefault), "scale": !l.NoScale, "center": !l.NoCenter}
	case nn.MaxPool:
		config = poolJSON(l)
	case nn.AveragePool:
		config = poolJSON(nn.MaxPool(l))
	case nn.GlobalAveragePool:
		config = map[string]any{"keepdims": l.KeepDims}
	case nn.GlobalMaxPool:
		config = map[string]any{"keepdims": l.KeepDims}
	case nn.ZeroPadding:
		config = map[string]any{"padding": [][]int{{l.Top, l.Bottom}, {l.Left, l.Right}}}
	case nn.Dropout:
		config = map[string]any{"rate": l.Rate}
		if l.Spatial {
			return "SpatialDropout2D", config, nil
		}
	case nn.ReLU:
		config = map[string]any{"activation": "relu"}
	case nn.Activation:
		return w.functionJSON(l.Function)
	case nil:
		config = map[string]any{"activation": "softmax"}
		if w.net.Output == nn.SigmoidOutput {
			config["activation"] = "sigmoid"
		}
	default: // Flatten, Softmax, Add and Concatenate
		config = map[string]any{}
	}
	return row.Class, config, nil
}

// functionJSON returns the layer of an activation function.
func (w *description) functionJSON(f tensor.Function) (class string, config map[string]any, err error) {
	name := string(f.Kind)
	switch f.Kind {
	case tensor.Identity:
		name = "linear"
	case tensor.ReLU:
		if f.IsRectifier() {
			break
		}
		config = map[string]any{"max_value": nil, "negative_slope": f.Alpha, "threshold": f.Threshold}
		if f.Max != 0 {
			config["max_value"] = f.Max
		}
		return "ReLU", config, nil
	case tensor.ELU:
		if f.Alpha != 1 {
			return "ELU", map[string]any{"alpha": f.Alpha}, nil
		}
	case tensor.SiLU:
		name = "swish" // in Keras 2 and 3
	case tensor.HardSigmoid, tensor.HardSiLU:
		if f.Kind == tensor.HardSiLU || f.Alpha == float32(1./6) {
			w.version = version3
		} else if f.Alpha != 0.2 {
			return "", nil, fmt.Errorf("files of Keras have no hard_sigmoid of slope %g, only of 0.2 and 1/6: save it as .safetensors", f.Alpha)
		}
	case tensor.GELUTanh:
		return "", nil, fmt.Errorf("files of Keras have no %s, only gelu: save it as .safetensors", f.Kind)
	}
	return "Activation", map[string]any{"activation": name}, nil
}

// penaltyJSON returns the regularizer of a kernel.
func penaltyJSON(lambda float32, s style) any {
	if lambda == 0 {
		return nil
	}
	return s.object("keras.regularizers", "L2", map[string]any{"l2": lambda})
}

// compileJSON returns the settings of a compiled model except the optimizer.
func compileJSON(net *nn.Network, s style) map[string]any {
	var loss any = "categorical_crossentropy"
	switch net.Output {
	case nn.SigmoidOutput:
		loss = "binary_crossentropy"
	case nn.LogitsOutput:
		loss = s.object("keras.losses", "CategoricalCrossentropy", map[string]any{"from_logits": true, "name": "categorical_crossentropy"})
	}
	return map[string]any{"loss": loss, "loss_weights": nil, "metrics": []string{"accuracy"}, "weighted_metrics": nil}
}

// sgdJSON returns the settings of the optimizer. With any others, Keras 2 or 3 rejects the file.
func sgdJSON(t *Training) map[string]any {
	return map[string]any{"name": "SGD", "learning_rate": t.LearningRate, "momentum": t.Momentum, "nesterov": true}
}
