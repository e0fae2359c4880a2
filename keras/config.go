package keras

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// object is Keras's form of a model, a layer or a regularizer: a class and its settings.
type object struct {
	Class      string          `json:"class_name"`
	Registered string          `json:"registered_name"` // of a custom class
	Config     json.RawMessage `json:"config"`
}

// modelConfig is the configuration of a model.
type modelConfig struct {
	Class  string           `json:"class_name"`
	Config sequentialConfig `json:"config"`
}

// sequentialConfig is the configuration of a Sequential.
type sequentialConfig struct {
	Layers []object `json:"layers"`
	// Built is the shape of the input if no layer has it.
	Built []*int `json:"build_input_shape"`
}

// UnmarshalJSON also accepts a list of layers, which Keras wrote before 2.2.3.
func (c *sequentialConfig) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte("[")) {
		return json.Unmarshal(text, &c.Layers)
	}
	type plain sequentialConfig
	return json.Unmarshal(text, (*plain)(c))
}

// readModel parses the configuration of a model.
func readModel(text []byte, budget *infile.Budget) (*modelConfig, error) {
	model := new(modelConfig)
	if err := budget.JSON(text, model); err != nil {
		return nil, fmt.Errorf("the model's configuration: %w", err)
	}
	return model, nil
}

// network converts the configuration to a network. Notes are sentences on what it leaves out, which
// only training uses.
func (m *modelConfig) network(budget *infile.Budget) (s nn.Sequential, notes []string, err error) {
	if m.Class != "Sequential" {
		return s, nil, fmt.Errorf("the model is of class %q, only Sequential is supported", m.Class)
	}
	r := &networkReader{budget: budget}
	for i := range m.Config.Layers {
		if err := r.read(&m.Config.Layers[i]); err != nil {
			return s, nil, err
		}
	}
	s, err = r.finish(m.Config.Built)
	return s, r.notes, err
}

// layerBytes is the memory that a layer takes in the network and in what is made from it.
const layerBytes = 8000

// networkReader builds a network layer by layer.
type networkReader struct {
	budget  *infile.Budget
	network nn.Sequential
	flat    bool // after a Flatten
	softmax bool // after a softmax
	notes   []string
	last    string
}

func (r *networkReader) finish(built []*int) (nn.Sequential, error) {
	s := &r.network
	if s.Input == nil && built != nil {
		var err error
		if s.Input, err = imageShape(built); err != nil {
			return *s, fmt.Errorf("the model's build_input_shape: %w", err)
		}
	}
	switch {
	case s.Input == nil:
		return *s, errors.New("the model does not state the shape of its input")
	case !r.softmax:
		return *s, fmt.Errorf("layer %q, the last, is not followed by a softmax, which is not supported", r.last)
	}
	s.Classes = classes(s)
	return *s, nil
}

// classes returns the number of outputs of the last layer.
func classes(s *nn.Sequential) int {
	h, w, c := s.Input[0], s.Input[1], s.Input[2]
	for _, l := range s.Layers {
		switch l := l.(type) {
		case nn.Conv2D:
			c = l.Filters
		case nn.MaxPool:
			h, w = h/2, w/2
		case nn.Flatten:
			h, w, c = 1, 1, h*w*c
		case nn.Dense:
			c = l.Units
		}
	}
	return c
}

// read adds a layer of the file.
func (r *networkReader) read(o *object) error {
	if err := r.budget.Take(layerBytes); err != nil {
		return err
	}
	l, err := newSettings(o, r.budget)
	if err != nil {
		return err
	}
	defer func() { r.notes = append(r.notes, l.notes...) }()
	switch {
	case o.Class == "InputLayer" && len(r.network.Layers) > 0:
		return fmt.Errorf("layer %q is an InputLayer after other layers, which is not supported", l.name)
	case r.softmax && !slices.Contains(identities(), o.Class):
		return fmt.Errorf("layer %q follows the softmax of %q, which is not supported", l.name, r.last)
	}
	r.input(l)
	if slices.Contains(identities(), o.Class) {
		return l.err
	}
	r.last = l.name
	activation := ""
	switch o.Class {
	case "InputLayer":
	case "Conv2D":
		r.add(l.conv())
		activation = l.text("activation")
	case "Dense":
		r.add(nn.Dense{Name: l.name, Units: l.integer("units"), L2: l.l2("kernel_regularizer")})
		activation = l.text("activation")
	case "BatchNormalization":
		r.add(l.batchNorm(r.flat))
	case "MaxPooling2D":
		r.add(nn.MaxPool{Name: l.name})
	case "Flatten":
		r.add(nn.Flatten{Name: l.name})
		r.flat = true
	case "Dropout":
		r.add(nn.Dropout{Name: l.name, Rate: l.float("rate")})
	case "ReLU":
		r.add(nn.ReLU{Name: l.name})
	case "Activation":
		activation = l.text("activation")
	}
	switch activation {
	case "", "linear":
	case "relu":
		relu := nn.ReLU{}
		if o.Class == "Activation" {
			relu.Name = l.name
		}
		r.add(relu)
	case "softmax":
		r.softmax = true
	default:
		l.reject("activation", fmt.Sprintf("%q", activation), "linear, relu and, at the end, softmax")
	}
	return l.err
}

func (r *networkReader) add(l nn.Layer) { r.network.Layers = append(r.network.Layers, l) }

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

// compact writes JSON without spaces.
func compact(text json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return string(text)
	}
	return b.String()
}
