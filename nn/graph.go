package nn

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lamina-go/lamina/tensor"
)

// images is the name by which a layer takes the images, and their number among the inputs of a row.
const (
	images    = "input"
	imagesRow = -1
)

// Build checks a network, resolves From and Residual, names the layers and assigns offsets to their
// weights. The error names the layer at fault.
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
	b := builder{net: &Network{Sequential: s, byName: map[string]int{}}, at: imagesRow,
		given: map[string]bool{}, rows: map[string]int{}, count: map[string]int{}, frozen: map[string]bool{}}
	for _, name := range s.Frozen {
		b.frozen[name] = true
	}
	if err := b.collect(s.Layers); err != nil {
		return nil, err
	}
	if err := b.addAll(s.Layers); err != nil {
		return nil, err
	}
	if err := b.finish(); err != nil {
		return nil, err
	}
	return b.net, nil
}

// builder adds the layers of a Sequential to the table of a network.
type builder struct {
	net   *Network
	at    int             // row whose output the next layer takes
	given map[string]bool // names that layers have
	rows  map[string]int  // by name
	count map[string]int  // default names so far, by class

	frozen map[string]bool // names
}

// collect notes the names that layers have.
func (b *builder) collect(layers []Layer) error {
	for _, l := range layers {
		switch l := l.(type) {
		case nil:
			return errors.New("nn: a layer that is nil: want one of the types of this package")
		case From:
			if err := b.collect([]Layer{l.Layer}); err != nil {
				return err
			}
			continue
		case Residual:
			if len(l.Layers) == 0 {
				return errors.New("nn: a Residual without layers")
			}
			if err := errors.Join(b.collect(l.Layers), b.collect(l.Shortcut)); err != nil {
				return err
			}
		}
		name := l.name()
		if name != "" && b.given[name] {
			return fmt.Errorf("nn: two layers are named %q", name)
		}
		b.given[name] = true
	}
	return nil
}

func (b *builder) addAll(layers []Layer) error {
	for _, l := range layers {
		if err := b.add(l); err != nil {
			return err
		}
	}
	return nil
}

// add adds the rows of a layer, which takes the output of row at. That of its last row is next.
func (b *builder) add(l Layer) (err error) {
	switch l := l.(type) {
	case From:
		if b.at, err = b.find(l, l.Input); err != nil {
			return err
		}
		return b.add(l.Layer)
	case Residual:
		from := b.at
		if err := b.addAll(l.Layers); err != nil {
			return err
		}
		ends := []int{b.at}
		b.at = from
		if err := b.addAll(l.Shortcut); err != nil {
			return err
		}
		err := b.row(Add{Name: l.Name}, append(ends, b.at))
		if err != nil && len(l.Shortcut) == 0 {
			return fmt.Errorf("%w: give the Residual a Shortcut, such as a Conv2D of kernel 1", err)
		}
		return err
	case Add:
		return b.merge(l, l.Inputs)
	case Concatenate:
		return b.merge(l, l.Inputs)
	}
	return b.row(l, []int{b.at})
}

// maxInputs is more than any network needs.
const maxInputs = 1024

func (b *builder) merge(l Layer, names []string) error {
	if len(names) > maxInputs {
		return fmt.Errorf("nn: layer %q has %d inputs: want at most %d", label(l), len(names), maxInputs)
	}
	var inputs []int
	for _, name := range names {
		row, err := b.find(l, name)
		if err != nil {
			return err
		}
		inputs = append(inputs, row)
	}
	return b.row(l, inputs)
}

// find returns the row of an input of a layer.
func (b *builder) find(l Layer, name string) (int, error) {
	row, known := b.rows[name]
	switch {
	case name == "":
		return b.at, nil
	case name == images && known:
		return 0, fmt.Errorf("nn: layer %q takes %q, but that is both a layer and the images: rename the layer",
			label(l), images)
	case name == images:
		return imagesRow, nil
	case !known:
		return 0, fmt.Errorf(`nn: layer %q takes the output of %q: want the name of a layer before it, or "input" for the images`,
			label(l), name)
	}
	return row, nil
}

// label names a layer in an error.
func label(l Layer) string {
	if name := l.name(); name != "" {
		return name
	}
	class, _ := l.class()
	return class
}

// row adds a row for a layer that takes the outputs of some rows.
func (b *builder) row(l Layer, inputs []int) error {
	class, base := l.class()
	name := b.name(l.name(), base)
	err := b.net.add(LayerInfo{Name: name, Class: class, Layer: l, Inputs: inputs,
		Frozen: b.frozen[name]})
	b.at = len(b.net.Table) - 1
	b.rows[name] = b.at
	return err
}

// name returns a layer's name or, if that is empty, the next unused default name.
func (b *builder) name(name, base string) string {
	for unnamed := name == ""; unnamed; unnamed = b.given[name] {
		name = base
		if n := b.count[base]; n > 0 {
			name = fmt.Sprintf("%s_%d", base, n)
		}
		b.count[base]++
	}
	return name
}

// finish checks the network as a whole and adds the row of the output.
func (b *builder) finish() error {
	net := b.net
	for i, takers := range net.takers() {
		if len(takers) == 0 && i < len(net.Table)-1 {
			return fmt.Errorf("nn: no layer takes the output of layer %q: remove it, or name it as an input of a later one",
				net.Table[i].Name)
		}
	}
	for _, name := range net.Frozen {
		if !net.has(name) {
			return fmt.Errorf("nn: there is no layer and no weight %q to freeze", name)
		}
	}
	if err := net.checkOutput(net.output(b.at)); err != nil {
		return err
	}
	if len(net.Weights) == 0 {
		return errors.New("nn: a network without a layer to train")
	}
	if net.Output != LogitsOutput {
		net.Table = append(net.Table, LayerInfo{Name: b.name("", "activation"), Class: "Activation",
			Inputs: []int{b.at}, Output: net.output(b.at)})
	}
	return nil
}

// has reports whether there is a layer or a weight of that name.
func (net *Network) has(name string) bool {
	_, weight := net.byName[name]
	return weight || net.row(name) >= 0
}

// checkOutput returns an error unless the last layer's output, of this shape, suits the classes.
func (net *Network) checkOutput(last tensor.Shape) error {
	want := net.logits()
	switch {
	case net.Output != SoftmaxOutput && net.Output != SigmoidOutput && net.Output != LogitsOutput:
		return fmt.Errorf(`nn: output %q: want "" for a softmax, "sigmoid" or "logits"`, net.Output)
	case net.Output == SigmoidOutput && net.Classes != 2:
		return fmt.Errorf("nn: a sigmoid at the end and %d classes: it is for two", net.Classes)
	case last.Equal(tensor.Shape{want}):
		return nil
	case net.Output == SigmoidOutput:
		return fmt.Errorf("nn: the last layer gives %v, want (1,), the logit of class 1", last)
	}
	return fmt.Errorf("nn: the last layer gives %v, want (%d,), one value for each class", last, want)
}

// logits returns the number of elements of the last layer's output.
func (net *Network) logits() int {
	if net.Output == SigmoidOutput {
		return 1
	}
	return net.Classes
}

// add computes the shape and the weights of a row and adds it to the table.
func (net *Network) add(row LayerInfo) error {
	var in []tensor.Shape
	for _, i := range row.Inputs {
		in = append(in, net.output(i))
	}
	given := "nothing"
	if len(in) > 0 {
		given = fmt.Sprint(in[0])
	}
	var err error
	if row.Output, err = row.Layer.output(in...); err != nil {
		return fmt.Errorf("nn: layer %q, given %v: %w", row.Name, given, err)
	}
	if !fitsMemory(row.Output) {
		return fmt.Errorf("nn: layer %q, given %v, is too large", row.Name, given)
	}
	for _, w := range row.Layer.weights(in[0]) {
		if !fitsMemory(w.Shape) {
			return fmt.Errorf("nn: layer %q, given %v, is too large", row.Name, given)
		}
		if row.Frozen || slices.Contains(net.Frozen, row.Name+"/"+w.Name) {
			w.Trainable, w.L2 = false, 0
		}
		net.layout(&w, row.Name)
		row.Weights = append(row.Weights, w)
	}
	if !fitsMemory(tensor.Shape{net.ParameterSize + net.StatisticSize}) {
		return fmt.Errorf("nn: the layers up to %q have too many weights", row.Name)
	}
	net.Table = append(net.Table, row)
	for _, w := range row.Weights {
		net.byName[w.Name] = len(net.Weights)
		net.Weights = append(net.Weights, w)
	}
	return nil
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

// alignment is the alignment of weights in floats: a cache line of 64 bytes.
const alignment = 16

// output returns the shape of a row's output, or of the images, for one image.
func (net *Network) output(row int) tensor.Shape {
	if row == imagesRow {
		return net.Input
	}
	return net.Table[row].Output
}

// takers returns for each row those that take its output, once for each time they do.
func (net *Network) takers() [][]int {
	takers := make([][]int, len(net.Table))
	for i, row := range net.Table {
		for _, in := range row.Inputs {
			if in != imagesRow && row.Layer != nil {
				takers[in] = append(takers[in], i)
			}
		}
	}
	return takers
}

// checkImages returns an error unless the labels and the preparation of images fit the network.
func (s *Sequential) checkImages() error {
	if len(s.Labels) != 0 && len(s.Labels) != s.Classes {
		return fmt.Errorf("nn: %d labels for %d classes", len(s.Labels), s.Classes)
	}
	if !slices.Contains([]Resize{Squash, Crop, Pad}, s.Resize) {
		return fmt.Errorf("nn: resize %q: want \"crop\", \"pad\", or nothing to squash", s.Resize)
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
