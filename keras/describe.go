package keras

import (
	"fmt"

	"github.com/lamina-go/lamina/nn"
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

// batchShape returns the shape of a batch of any number of images.
func batchShape(net *nn.Network) []any { return []any{nil, net.Input[0], net.Input[1], net.Input[2]} }

// sequentialJSON returns the configuration of a network, with the settings that Keras requires.
func sequentialJSON(net *nn.Network, s style) map[string]any {
	// Keras 2 and 3 accept batch_input_shape, Keras 2 nothing else.
	layers := []any{s.object("keras.layers", "InputLayer",
		map[string]any{"name": inputName(net), "batch_input_shape": batchShape(net), "dtype": "float32"})}
	for i, row := range net.Table {
		var l nn.Layer // nil is the softmax
		if i < len(net.Layers) {
			l = net.Layers[i]
		}
		config := layerJSON(l, s)
		config["name"] = row.Name
		layers = append(layers, s.object("keras.layers", row.Class, config))
	}
	return map[string]any{"name": "sequential", "layers": layers}
}

// inputName returns an unused layer name.
func inputName(net *nn.Network) string {
	taken := map[string]bool{}
	for _, l := range net.Table {
		taken[l.Name] = true
	}
	for n := 1; ; n++ {
		if name := fmt.Sprint("input_", n); !taken[name] {
			return name
		}
	}
}

// layerJSON returns the settings of a layer except its name.
func layerJSON(l nn.Layer, s style) map[string]any {
	switch l := l.(type) {
	case nn.Conv2D:
		return map[string]any{"filters": l.Filters, "kernel_size": []int{l.Kernel, l.Kernel}, "strides": []int{1, 1},
			"padding": "same", "activation": "linear", "use_bias": true, "kernel_regularizer": penaltyJSON(l.L2, s)}
	case nn.Dense:
		return map[string]any{"units": l.Units, "activation": "linear", "use_bias": true,
			"kernel_regularizer": penaltyJSON(l.L2, s)}
	case nn.BatchNorm:
		momentum, epsilon := l.Momentum, l.Epsilon
		if momentum == 0 {
			momentum = momentumDefault
		}
		if epsilon == 0 {
			epsilon = epsilonDefault
		}
		return map[string]any{"axis": -1, "momentum": momentum, "epsilon": epsilon}
	case nn.MaxPool:
		return map[string]any{"pool_size": []int{2, 2}, "strides": []int{2, 2}, "padding": "valid"}
	case nn.Dropout:
		return map[string]any{"rate": l.Rate}
	case nn.ReLU:
		return map[string]any{"activation": "relu"}
	case nil:
		return map[string]any{"activation": "softmax"}
	}
	return map[string]any{} // Flatten
}

// penaltyJSON returns the regularizer of a kernel.
func penaltyJSON(lambda float32, s style) any {
	if lambda == 0 {
		return nil
	}
	return s.object("keras.regularizers", "L2", map[string]any{"l2": lambda})
}

// compileJSON returns the settings of a compiled model except the optimizer.
func compileJSON() map[string]any {
	return map[string]any{"loss": "categorical_crossentropy", "loss_weights": nil,
		"metrics": []string{"accuracy"}, "weighted_metrics": nil}
}

// sgdJSON returns the settings of the optimizer. With any others, Keras 2 or 3 rejects the file.
func sgdJSON(t *Training) map[string]any {
	return map[string]any{"name": "SGD", "learning_rate": t.LearningRate, "momentum": t.Momentum, "nesterov": true}
}
