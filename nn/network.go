package nn

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lamina-go/lamina/tensor"
)

// Sequential is a network as data: a sequence of layers. Each takes the output of the one before it,
// except where From, Add, Concatenate or Residual says otherwise.
type Sequential struct {
	Input   tensor.Shape // of one image: (height, width, channels)
	Classes int
	Layers  []Layer
	// Output says how the last layer's output, the logits, becomes probabilities.
	Output Output
	// Frozen names the layers that do not train. A frozen BatchNorm is in inference mode.
	Frozen []string

	// Labels are the names of the classes, nil if unknown.
	Labels []string
	// Mean and Std, one value per channel, are the normalization of the input: a pixel p from 0 to
	// 255 becomes (p − Mean)/Std. Both are nil if unknown.
	Mean, Std []float32
}

// Output is how logits become the probabilities of the classes.
type Output string

// The outputs.
const (
	SoftmaxOutput Output = ""        // a logit for each class, then their softmax
	SigmoidOutput Output = "sigmoid" // two classes and one logit, whose sigmoid is the probability of class 1
	LogitsOutput  Output = "logits"  // as SoftmaxOutput, but files have no softmax
)

// Network is a checked Sequential. It does not change.
type Network struct {
	Sequential
	// Table lists the layers with their names and shapes, the softmax included.
	Table []LayerInfo
	// Weights lists all weights in Keras's order: by layer; kernel, bias or gamma,
	// beta, moving_mean, moving_variance.
	Weights []Weight
	// ParameterSize and StatisticSize are the sizes of the flat tensors that hold the
	// trainable and the other weights.
	ParameterSize, StatisticSize int
}

// LayerInfo is a row of a network's table.
type LayerInfo struct {
	Name    string       // unique in the network
	Class   string       // Keras's
	Layer   Layer        // never a From or a Residual
	Inputs  []int        // rows whose outputs it takes; −1 is the images
	Output  tensor.Shape // of one image
	Frozen  bool
	Weights []Weight
}

// Parameters returns the number of elements in the layer's weights.
func (l LayerInfo) Parameters() (trainable, other int) {
	for _, w := range l.Weights {
		if w.Trainable {
			trainable += w.Shape.Size()
		} else {
			other += w.Shape.Size()
		}
	}
	return trainable, other
}

// Parameters returns the number of elements in all weights.
func (net *Network) Parameters() (trainable, other int) {
	for _, layer := range net.Table {
		t, o := layer.Parameters()
		trainable += t
		other += o
	}
	return trainable, other
}

// Weight is a weight of a network. Offset is its position in the flat tensor of trainable or of
// other weights.
type Weight struct {
	Name      string // "<layer>/<weight>"
	Shape     tensor.Shape
	Trainable bool
	Offset    int
	// FanIn and FanOut count the products per output and per input of a kernel, zero for
	// other weights.
	FanIn, FanOut int
	L2            float32 // λ of the penalty λ·Σw²

	start float32 // initial value of a weight that is not a kernel
}

// alignment is the alignment of weights in floats: a cache line of 64 bytes.
const alignment = 16

// Build checks a network, names its layers and assigns offsets to its weights. The error names the
// layer at fault.
func Build(s Sequential) (*Network, error) {
	if len(s.Input) != 3 || slices.Min(s.Input) < 1 {
		return nil, fmt.Errorf("nn: input of shape %v: want (height, width, channels), each at least 1", s.Input)
	}
	if !fitsMemory(s.Input) {
		return nil, fmt.Errorf("nn: input of shape %v is too large", s.Input)
	}
	if s.Classes < 1 {
		return nil, fmt.Errorf("nn: %d classes: must be at least 1", s.Classes)
	}
	if err := s.checkImages(); err != nil {
		return nil, err
	}
	net := &Network{Sequential: s}
	layers := append(slices.Clone(s.Layers), softmax{})
	given := map[string]bool{} // names
	for _, l := range layers {
		name := l.name()
		if name != "" && given[name] {
			return nil, fmt.Errorf("nn: two layers are named %q", name)
		}
		given[name] = true
	}
	count := map[string]int{}
	shape := s.Input
	for _, l := range layers {
		class, base := l.class()
		name := l.name()
		for unnamed := name == ""; unnamed; unnamed = given[name] {
			name = base
			if n := count[base]; n > 0 {
				name = fmt.Sprintf("%s_%d", base, n)
			}
			count[base]++
		}
		out, err := l.output(shape)
		if err != nil {
			return nil, fmt.Errorf("nn: layer %q, given %v: %w", name, shape, err)
		}
		row := LayerInfo{Name: name, Class: class, Output: out, Weights: l.weights(shape)}
		if !fitsMemory(out) || len(row.Weights) > 0 && !fitsMemory(row.Weights[0].Shape) {
			return nil, fmt.Errorf("nn: layer %q, given %v, is too large", name, shape)
		}
		for i := range row.Weights {
			net.layout(&row.Weights[i], name)
		}
		net.Table = append(net.Table, row)
		net.Weights = append(net.Weights, row.Weights...)
		shape = out
	}
	if !shape.Equal(tensor.Shape{s.Classes}) {
		return nil, fmt.Errorf("nn: the last layer gives %v, want (%d,), one value for each class", shape, s.Classes)
	}
	if net.ParameterSize == 0 {
		return nil, fmt.Errorf("nn: a network without a layer to train")
	}
	return net, nil
}

// checkImages returns an error unless the labels and the normalization fit the network.
func (s *Sequential) checkImages() error {
	if len(s.Labels) != 0 && len(s.Labels) != s.Classes {
		return fmt.Errorf("nn: %d labels for %d classes", len(s.Labels), s.Classes)
	}
	channels := s.Input[2]
	if len(s.Mean) != len(s.Std) || len(s.Mean) != 0 && len(s.Mean) != channels {
		return fmt.Errorf("nn: %d means and %d deviations of pixels for %d channels: want one of each for a channel, or none",
			len(s.Mean), len(s.Std), channels)
	}
	for c, mean := range s.Mean {
		if std := s.Std[c]; !tensor.Finite(mean) || !tensor.Finite(std) || std <= 0 {
			return fmt.Errorf("nn: pixels of mean %v and deviation %v in channel %d: want finite numbers, the deviation above 0",
				mean, std, c)
		}
	}
	return nil
}

// fitsMemory reports whether an array of this shape is conceivable, so that sizes computed from
// shapes do not overflow.
func fitsMemory(s tensor.Shape) bool {
	size := 1.0
	for _, d := range s {
		size *= float64(d)
	}
	return size < 1<<40
}

// layout sets the full name and the offset of a weight. Weights are in the order of the layers, so
// the backward pass completes their gradients from the end of the tensor on.
func (net *Network) layout(w *Weight, layer string) {
	size := &net.StatisticSize
	if w.Trainable {
		size = &net.ParameterSize
	}
	w.Name = layer + "/" + w.Name
	w.Offset = *size
	*size += (w.Shape.Size() + alignment - 1) / alignment * alignment
}

// Weight returns the weight of that full name.
func (net *Network) Weight(name string) (Weight, bool) {
	i := slices.IndexFunc(net.Weights, func(w Weight) bool { return w.Name == name })
	if i < 0 {
		return Weight{}, false
	}
	return net.Weights[i], true
}

// sequentialJSON is the form of a Sequential in a file.
type sequentialJSON struct {
	Input   tensor.Shape `json:"input"`
	Classes int          `json:"classes"`
	Layers  []layerJSON  `json:"layers"`
	Labels  []string     `json:"labels,omitempty"`
	Mean    []float32    `json:"mean,omitempty"`
	Std     []float32    `json:"std,omitempty"`
}

type layerJSON struct {
	Class  string          `json:"class"`
	Config json.RawMessage `json:"config"`
}

// MarshalJSON encodes the network as in a checkpoint.
func (s Sequential) MarshalJSON() ([]byte, error) {
	out := sequentialJSON{Input: s.Input, Classes: s.Classes, Labels: s.Labels, Mean: s.Mean, Std: s.Std}
	for _, l := range s.Layers {
		config, err := json.Marshal(l)
		if err != nil {
			return nil, err
		}
		class, _ := l.class()
		out.Layers = append(out.Layers, layerJSON{class, config})
	}
	return json.Marshal(out)
}

// UnmarshalJSON decodes what MarshalJSON encoded. It does not check the network; Build does.
func (s *Sequential) UnmarshalJSON(data []byte) error {
	var in sequentialJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*s = Sequential{Input: in.Input, Classes: in.Classes, Labels: in.Labels, Mean: in.Mean, Std: in.Std}
	for _, l := range in.Layers {
		layer, err := decodeLayer(l)
		if err != nil {
			return err
		}
		s.Layers = append(s.Layers, layer)
	}
	return nil
}

func decodeLayer(l layerJSON) (Layer, error) {
	switch l.Class {
	case "Conv2D":
		return decode[Conv2D](l.Config)
	case "BatchNormalization":
		return decode[BatchNorm](l.Config)
	case "Activation":
		return decode[ReLU](l.Config)
	case "MaxPooling2D":
		return decode[MaxPool](l.Config)
	case "Flatten":
		return decode[Flatten](l.Config)
	case "Dense":
		return decode[Dense](l.Config)
	case "Dropout":
		return decode[Dropout](l.Config)
	}
	return nil, fmt.Errorf("nn: unknown class of layer %q", l.Class)
}

func decode[L Layer](config []byte) (Layer, error) {
	var l L
	err := json.Unmarshal(config, &l)
	return l, err
}
