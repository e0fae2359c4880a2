package keras

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// layerBytes is the memory that a layer takes in the network and in what is made from it.
const layerBytes = 8000

// converted is what a configuration becomes.
type converted struct {
	network nn.Sequential
	// leaves are the layers in the order of the file, those of nested models included.
	leaves []*leaf
	notes  []string // sentences on what only training uses, and the network leaves out
	steps  []step   // the preparation of pixels
}

// leaf is a layer of the file that is no model.
type leaf struct {
	path, class string
	layer       string // its name in the network, "" if it has no weights there
	counts      counts // of its weights
	settings    *settings
}

// counts are the numbers of weights that train and of others.
type counts struct{ trainable, other int }

// value is an output of a layer, or the images.
type value struct {
	layer    int  // index in the network, −1 for the images
	vector   bool // not an image
	channels int  // 0 if unknown
	step     int  // of the images: how many steps of preparation are done
}

// networkReader builds a network layer by layer.
type networkReader struct {
	converted
	budget *infile.Budget
	keras3 bool
	names  map[string]bool // in use
	inputs [][]value       // of each layer
	given  []string        // the name of each layer
	used   int             // the step of the images that a layer takes, −1 for none
	byPath map[*member]*leaf
}

// surroundings are what a nested model passes to its layers.
type surroundings struct {
	frozen    bool
	inference bool // called with training false
}

// network converts the configuration to a network.
func (m *modelConfig) network(keras3 bool, budget *infile.Budget) (*converted, error) {
	r := &networkReader{budget: budget, keras3: keras3, names: map[string]bool{"": true, imagesName: true}, used: -1,
		byPath: map[*member]*leaf{}}
	if err := r.readSettings(m); err != nil {
		return nil, err
	}
	out, err := r.model(m, value{layer: -1}, surroundings{})
	if err != nil {
		return nil, err
	}
	if r.network.Input == nil && m.built != nil {
		if r.network.Input, err = imageShape(m.built); err != nil {
			return nil, fmt.Errorf("the model's build_input_shape: %w", err)
		}
	}
	if r.network.Input == nil {
		return nil, errors.New("the model does not state the shape of its input")
	}
	if err := r.finish(out); err != nil {
		return nil, err
	}
	return &r.converted, r.classes()
}

// classes sets the number of classes.
func (r *networkReader) classes() error {
	shape, err := r.network.OutputShape()
	if err != nil {
		return err
	}
	if len(shape) != 1 {
		return fmt.Errorf("the model's output is of shape %v, which is not supported, only a number for each class: "+
			"add a GlobalAveragePooling2D or a Flatten", shape)
	}
	r.network.Classes = shape[0]
	if r.network.Output == nn.SigmoidOutput {
		r.network.Classes = 2
	}
	return nil
}

// imagesName is the name of the images in a network.
const imagesName = "input"

// maxErrors is how many layers the error of a model names.
const maxErrors = 5

// readSettings reads the settings of all layers. The error is about every layer that is not
// supported.
func (r *networkReader) readSettings(m *modelConfig) error {
	var wrong []string
	if err := r.leafSettings(m, &wrong); err != nil {
		return err
	}
	if len(wrong) > maxErrors {
		wrong = append(wrong[:maxErrors], fmt.Sprintf("and %d more layers", len(wrong)-maxErrors))
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

func (r *networkReader) leafSettings(m *modelConfig, wrong *[]string) error {
	for _, l := range m.members {
		if err := r.budget.Take(layerBytes); err != nil {
			return err
		}
		if l.model != nil {
			if err := r.leafSettings(l.model, wrong); err != nil {
				return err
			}
			continue
		}
		r.names[l.path] = true
		settings, err := newSettings(&l.object, l.path, r.keras3, r.budget)
		if err != nil {
			*wrong = append(*wrong, err.Error())
			continue
		}
		r.byPath[l] = &leaf{path: l.path, class: l.Class, settings: settings}
		r.leaves = append(r.leaves, r.byPath[l])
	}
	return nil
}

// finish makes the last layer the logits. Out is the output of the model.
func (r *networkReader) finish(out value) error {
	s := &r.network
	last := out.layer
	if last < 0 {
		return errors.New("the model has no layers that this program computes")
	}
	if last != len(s.Layers)-1 {
		return fmt.Errorf("layer %q does not lead to the model's output, which is not supported",
			r.name(value{layer: len(s.Layers) - 1}))
	}
	s.Output = nn.LogitsOutput
	switch l := bare(s.Layers[last]).(type) {
	case nn.Softmax:
		s.Output = nn.SoftmaxOutput
	case nn.Activation:
		if l.Function.Kind != tensor.Sigmoid {
			break
		}
		if out.channels != 1 {
			return fmt.Errorf("layer %q ends the model in a sigmoid of %d outputs, each for itself, which is not supported: "+
				"a sigmoid needs one output, and several outputs a softmax", r.name(out), out.channels)
		}
		s.Output = nn.SigmoidOutput
	}
	if s.Output != nn.LogitsOutput {
		in := r.inputs[last][0]
		s.Layers = s.Layers[:last]
		if in.layer != last-1 {
			return fmt.Errorf("layer %q does not lead to the model's output, which is not supported",
				r.name(value{layer: last - 1}))
		}
		if last == 0 {
			return errors.New("the model has no layers before its softmax")
		}
	} else if out.channels == 1 {
		s.Output = nn.SigmoidOutput
		r.notes = append(r.notes, fmt.Sprintf("layer %q gives one number, which is read as the logit of the second of two classes", r.name(out)))
	}
	return nil
}

// bare returns a layer without its From.
func bare(l nn.Layer) nn.Layer {
	if from, ok := l.(nn.From); ok {
		return from.Layer
	}
	return l
}

// model adds the layers of a model that is applied to in.
func (r *networkReader) model(m *modelConfig, in value, around surroundings) (value, error) {
	around.frozen = around.frozen || m.frozen
	if m.functional {
		return r.functional(m, in, around)
	}
	for i, l := range m.members {
		var err error
		if l.Class == "InputLayer" && i > 0 {
			return in, fmt.Errorf("layer %q is an InputLayer after other layers, which is not supported", l.path)
		}
		if in, err = r.member(l, []value{in}, around); err != nil {
			return in, err
		}
	}
	return in, nil
}

// functional adds the layers of a Functional, each once its inputs are there.
func (r *networkReader) functional(m *modelConfig, in value, around surroundings) (out value, err error) {
	for _, list := range []struct {
		what string
		refs []reference
	}{{"input", m.inputs}, {"output", m.outputs}} {
		if len(list.refs) != 1 {
			var names []string
			for _, ref := range list.refs {
				names = append(names, ref.layer)
			}
			return out, fmt.Errorf("the model has %d %ss (%s), which is not supported, only one %s",
				len(names), list.what, quoted(names), list.what)
		}
	}
	values := map[string]value{}
	waiting := m.members
	for len(waiting) > 0 {
		var later []*member
		for _, l := range waiting {
			ready, err := r.call(m, l, in, values, around)
			if err != nil {
				return out, err
			}
			if !ready {
				later = append(later, l)
			}
		}
		if len(later) == len(waiting) {
			return out, fmt.Errorf("layer %q takes the output of a layer that comes after it or is not in the model",
				later[0].path)
		}
		// A file in a hostile order would take a pass for each layer.
		if err := r.budget.Take(16 * int64(len(later))); err != nil {
			return out, err
		}
		waiting = later
	}
	out, ok := values[m.outputs[0].layer]
	if !ok {
		return out, fmt.Errorf("the model's output %q is not a layer of the model", m.outputs[0].layer)
	}
	return out, nil
}

// call adds a layer of a Functional if its inputs are there.
func (r *networkReader) call(m *modelConfig, l *member, in value, values map[string]value, around surroundings) (
	ready bool, err error) {
	if _, twice := values[l.Name]; twice {
		return false, fmt.Errorf("two layers are named %q", l.path)
	}
	if l.Name == "" {
		return false, fmt.Errorf("a layer of class %s has no name, which every layer of a Functional has", l.Class)
	}
	if l.callError != nil {
		return false, fmt.Errorf("layer %q (%s): inbound_nodes: %w", l.path, l.Class, l.callError)
	}
	if l.Class == "InputLayer" {
		if l.Name != m.inputs[0].layer {
			return false, fmt.Errorf("the model has an input %q besides %q, which is not supported, only one input",
				l.path, m.inputs[0].layer)
		}
		values[l.Name], err = r.member(l, []value{in}, around)
		return true, err
	}
	if len(l.calls) != 1 {
		return false, fmt.Errorf("layer %q (%s) is called %d times, so its weights are shared, which is not supported, only one call",
			l.path, l.Class, len(l.calls))
	}
	c := l.calls[0]
	if c.training != nil && !r.keras3 { // Keras 3 overrides it, in training and in inference
		if *c.training {
			return false, fmt.Errorf("layer %q (%s) is called with training true, which is not supported, only false or null",
				l.path, l.Class)
		}
		around.inference = true
	}
	var inputs []value
	for _, ref := range c.inputs {
		v, there := values[ref.layer]
		if !there {
			return false, nil
		}
		if ref.output != 0 {
			return false, fmt.Errorf("layer %q takes output %d of %q, which is not supported, only output 0",
				l.path, ref.output, ref.layer)
		}
		inputs = append(inputs, v)
	}
	if len(inputs) == 0 {
		return false, fmt.Errorf("layer %q (%s) has no input", l.path, l.Class)
	}
	values[l.Name], err = r.member(l, inputs, around)
	return true, err
}

// member adds a layer, or the layers of a nested model.
func (r *networkReader) member(l *member, in []value, around surroundings) (value, error) {
	if len(in) > 1 && l.Class != "Add" && l.Class != "Concatenate" && l.Class != "Merge" {
		return value{}, fmt.Errorf("layer %q (%s) takes %d inputs, which is not supported, only one",
			l.path, l.Class, len(in))
	}
	around.frozen = around.frozen || l.frozen
	if l.model != nil {
		return r.model(l.model, in[0], around)
	}
	leaf := r.byPath[l]
	out, err := r.leaf(leaf, in, around)
	r.notes = append(r.notes, leaf.settings.notes...)
	if err == nil {
		err = leaf.settings.err
	}
	return out, err
}

// add adds a layer of the network.
func (r *networkReader) add(name string, l nn.Layer, in []value, vector bool, channels int) (value, error) {
	for _, v := range in {
		if v.layer >= 0 {
			continue
		}
		if v.step != len(r.steps) || r.used >= 0 && r.used != v.step {
			return v, errors.New("layers take the images before and after a Rescaling or Normalization, which is not supported: it must come before all other layers")
		}
		r.used = v.step
	}
	merge := false
	switch l.(type) {
	case nn.Add, nn.Concatenate:
		merge = true
	}
	if !merge && in[0].layer != len(r.network.Layers)-1 {
		l = nn.From{Input: r.name(in[0]), Layer: l}
	}
	r.network.Layers = append(r.network.Layers, l)
	r.inputs, r.given = append(r.inputs, in), append(r.given, name)
	return value{layer: len(r.network.Layers) - 1, vector: vector, channels: channels}, nil
}

// references names values for a layer that takes several.
func (r *networkReader) references(in []value) (names []string) {
	for _, v := range in {
		name := ""
		if v.layer != len(r.network.Layers)-1 {
			name = r.name(v)
		}
		names = append(names, name)
	}
	return names
}

// name returns the name of the layer that gives a value.
func (r *networkReader) name(v value) string {
	if v.layer < 0 {
		return imagesName
	}
	return r.given[v.layer]
}

// unused returns a name that no layer has, and takes it.
func (r *networkReader) unused(name string) string {
	free := name
	for n := 1; r.names[free]; n++ {
		free = fmt.Sprintf("%s_%d", name, n)
	}
	r.names[free] = true
	return free
}
