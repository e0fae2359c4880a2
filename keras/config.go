package keras

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/lamina-go/lamina/internal/infile"
)

// object is Keras's form of a model, a layer or a regularizer: a class and its settings.
type object struct {
	Class      string          `json:"class_name"`
	Registered string          `json:"registered_name"` // of a custom class
	Config     json.RawMessage `json:"config"`
	// Of a layer of a Functional.
	Name  string          `json:"name"`
	Nodes json.RawMessage `json:"inbound_nodes"`
}

// modelConfig is the configuration of a Sequential or of a Functional, which may be a layer of
// another model.
type modelConfig struct {
	class   string
	frozen  bool
	members []*member
	built   []*int // shape of the input, in a Sequential of which no layer has it
	// Of a Functional.
	functional      bool
	inputs, outputs []reference
}

// member is a layer of a model, or a model in it.
type member struct {
	object
	path   string // "<model>/<layer>", without the name of the whole model
	frozen bool
	model  *modelConfig // nil for a layer
	// Of a Functional. The error of reading the calls matters once the layer is supported.
	calls     []call
	callError error
}

// call is one call of a layer of a Functional.
type call struct {
	inputs   []reference
	training *bool // the argument of that name
}

// reference names an output of a call of a layer.
type reference struct {
	layer  string
	output int
}

// isModel reports whether a class is one of models. Keras called a Functional a Model before 2.4.
func isModel(class string) bool {
	return class == "Sequential" || class == "Functional" || class == "Model"
}

// readModel parses the configuration of a model.
func readModel(text []byte, budget *infile.Budget) (*modelConfig, error) {
	var o object
	if err := budget.JSON(text, &o); err != nil {
		return nil, fmt.Errorf("the model's configuration: %w", err)
	}
	if !isModel(o.Class) || o.Registered != "" && !isModel(o.Registered) {
		if o.Registered != "" {
			o.Class = o.Registered
		}
		return nil, fmt.Errorf("the model is of class %q, which is not supported, only Sequential and Functional", o.Class)
	}
	m, err := readMembers(&o, "", budget)
	if err != nil {
		return nil, fmt.Errorf("the model's configuration: %w", err)
	}
	return m, nil
}

// memberBytes is the memory that a layer takes in the configuration.
const memberBytes = 500

// readMembers parses the configuration of a model whose layers' paths start with prefix.
func readMembers(o *object, prefix string, budget *infile.Budget) (*modelConfig, error) {
	config := struct {
		Layers    []object        `json:"layers"`
		Built     []*int          `json:"build_input_shape"`
		Trainable *bool           `json:"trainable"`
		Inputs    json.RawMessage `json:"input_layers"`
		Outputs   json.RawMessage `json:"output_layers"`
	}{}
	var into any = &config
	if bytes.HasPrefix(bytes.TrimSpace(o.Config), []byte("[")) { // a list of layers, before Keras 2.2.3
		into = &config.Layers
	}
	if len(o.Config) == 0 {
		return nil, errors.New("a model or layer without a configuration")
	}
	if err := budget.JSON(o.Config, into); err != nil {
		return nil, err
	}
	if err := budget.Take(memberBytes * int64(len(config.Layers))); err != nil {
		return nil, err
	}
	m := &modelConfig{class: o.Class, built: config.Built, functional: o.Class != "Sequential",
		frozen: config.Trainable != nil && !*config.Trainable}
	for i := range config.Layers {
		l := &member{object: config.Layers[i]}
		l.Class, l.Registered = inLine(l.Class), inLine(l.Registered)
		var own struct {
			Name      string `json:"name"`
			Trainable *bool  `json:"trainable"`
		}
		if !bytes.HasPrefix(bytes.TrimSpace(l.Config), []byte("[")) {
			if err := infile.JSON(l.Config, &own); err != nil {
				return nil, fmt.Errorf("a layer of class %s: %w", l.Class, err)
			}
		}
		if l.Name == "" {
			l.Name = own.Name
		}
		l.path, l.frozen = prefix+l.Name, own.Trainable != nil && !*own.Trainable
		if err := budget.Take(int64(len(l.path))); err != nil {
			return nil, err
		}
		var err error
		if isModel(l.Class) && (l.Registered == "" || isModel(l.Registered)) {
			if l.model, err = readMembers(&l.object, l.path+"/", budget); err != nil {
				return nil, fmt.Errorf("model %q: %w", l.path, err)
			}
		}
		if m.functional {
			l.calls, l.callError = readCalls(l.Nodes, budget)
		}
		m.members = append(m.members, l)
	}
	if !m.functional {
		return m, nil
	}
	var err error
	if m.inputs, err = readReferences(config.Inputs, budget); err != nil {
		return nil, fmt.Errorf("input_layers: %w", err)
	}
	if m.outputs, err = readReferences(config.Outputs, budget); err != nil {
		return nil, fmt.Errorf("output_layers: %w", err)
	}
	return m, nil
}

// starts reports whether a JSON text starts with a character.
func starts(text json.RawMessage, c byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) > 0 && text[0] == c
}

// readReferences parses a reference or a list of them: ["name", call, output], or a list or an
// object of such.
func readReferences(text json.RawMessage, budget *infile.Budget) (all []reference, err error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	if starts(text, '{') {
		var named map[string]json.RawMessage
		if err := budget.JSON(text, &named); err != nil {
			return nil, err
		}
		for _, text := range named {
			more, err := readReferences(text, budget)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		}
		return all, nil
	}
	var list []json.RawMessage
	if err := budget.JSON(text, &list); err != nil {
		return nil, err
	}
	if len(list) > 0 && starts(list[0], '"') {
		r, err := readReference(list)
		return []reference{r}, err
	}
	for _, text := range list {
		more, err := readReferences(text, budget)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// readReference parses the elements of a reference. The number of the call says nothing where a
// layer is called once: in Keras 2 the first call of a model is its own making.
func readReference(list []json.RawMessage) (r reference, err error) {
	if len(list) < 3 {
		return r, errors.New("a reference needs a layer, a call and an output")
	}
	if err = infile.JSON(list[0], &r.layer); err == nil {
		err = infile.JSON(list[2], &r.output)
	}
	return r, err
}

// readCalls parses the calls of a layer.
func readCalls(text json.RawMessage, budget *infile.Budget) ([]call, error) {
	var nodes []json.RawMessage
	if len(text) > 0 {
		if err := budget.JSON(text, &nodes); err != nil {
			return nil, err
		}
	}
	if err := budget.Take(memberBytes * int64(len(nodes))); err != nil {
		return nil, err
	}
	var calls []call
	for _, node := range nodes {
		read := readCall2
		if starts(node, '{') {
			read = readCall3
		}
		c, err := read(node, budget)
		if err != nil {
			return nil, err
		}
		calls = append(calls, c)
	}
	return calls, nil
}

// readCall2 parses a call as Keras 1 and 2 write it: a list of references, each of which may have
// arguments as its fourth element.
func readCall2(text json.RawMessage, budget *infile.Budget) (c call, err error) {
	var list []json.RawMessage
	if err := budget.JSON(text, &list); err != nil {
		return c, err
	}
	if len(list) > 0 && starts(list[0], '"') {
		list = []json.RawMessage{text}
	}
	for _, text := range list {
		var elements []json.RawMessage
		if err := budget.JSON(text, &elements); err != nil {
			return c, err
		}
		r, err := readReference(elements)
		if err != nil {
			return c, err
		}
		c.inputs = append(c.inputs, r)
		if len(elements) > 3 {
			if err := c.arguments(elements[3], budget); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

// readCall3 parses a call as Keras 3 writes it.
func readCall3(text json.RawMessage, budget *infile.Budget) (c call, err error) {
	var node struct {
		Args   []json.RawMessage `json:"args"`
		Kwargs json.RawMessage   `json:"kwargs"`
	}
	if err := budget.JSON(text, &node); err != nil {
		return c, err
	}
	for i, argument := range node.Args {
		if i > 0 && string(argument) != "null" {
			return c, errors.New("a call with several arguments is not supported, only one tensor or a list of tensors")
		}
		tensors := []json.RawMessage{argument}
		if starts(argument, '[') {
			if err := budget.JSON(argument, &tensors); err != nil {
				return c, err
			}
		}
		for _, text := range tensors {
			var tensor struct {
				Config struct {
					History []json.RawMessage `json:"keras_history"`
				} `json:"config"`
			}
			if err := budget.JSON(text, &tensor); err != nil {
				return c, err
			}
			r, err := readReference(tensor.Config.History)
			if err != nil {
				return c, err
			}
			c.inputs = append(c.inputs, r)
		}
	}
	return c, c.arguments(node.Kwargs, budget)
}

// arguments parses the arguments of a call that have names.
func (c *call) arguments(text json.RawMessage, budget *infile.Budget) error {
	var named map[string]json.RawMessage
	if len(text) == 0 {
		return nil
	}
	if err := budget.JSON(text, &named); err != nil {
		return err
	}
	for name, value := range named {
		switch {
		case string(value) == "null":
		case name == "training":
			if err := infile.JSON(value, &c.training); err != nil {
				return fmt.Errorf("training: %w", err)
			}
		default:
			return fmt.Errorf("a call with %s %s is not supported, only training false", inLine(name), compact(value))
		}
	}
	return nil
}

// compact writes JSON without spaces.
func compact(text json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return string(text)
	}
	return b.String()
}

// quoted lists names for an error.
func quoted(names []string) string {
	var b strings.Builder
	for i, name := range names {
		if i == 5 {
			fmt.Fprintf(&b, " and %d more", len(names)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", name)
	}
	return b.String()
}
