package keras

import (
	"errors"
	"fmt"
	"io"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// LoadSummary says what loading did.
type LoadSummary struct {
	Loaded     []string // the network's weights that were set, "<layer>/<weight>"
	Ignored    []string // the file's layers with weights that no layer of the network uses
	Missing    []string // the network's layers with weights that the file does not have
	Mismatched []string // sentences about layers and weights that did not match and were skipped
	NotFinite  []string // sentences about weights that were set and have infinite or NaN values
	Notes      []string // sentences about what OpenModel left out of the model, which only training uses
}

// MismatchError says which weights of a file do not match a layer, and why.
type MismatchError string

// Error returns the sentence.
func (e MismatchError) Error() string { return string(e) }

// LoadByName sets the weights of every layer of the model for which the file has a layer of the
// same name, in order. If their count or a shape differs, the error names the layer, the weight and
// both shapes; skipMismatch skips that layer or weight instead. An error leaves the model
// unchanged.
func (f *File) LoadByName(m *nn.Model, skipMismatch bool) (*LoadSummary, error) {
	if !f.HasNames() {
		return nil, f.wrap(errors.New("it does not name layers, so its weights can be loaded only in order"))
	}
	t, err := f.check(m.Network, f.pairsByName(m.Network), skipMismatch)
	if err != nil {
		return nil, err
	}
	return t.into(m)
}

// Load is LoadByName but matches the layers with weights in order, whatever their names.
func (f *File) Load(m *nn.Model, skipMismatch bool) (*LoadSummary, error) {
	t, err := f.checkInOrder(m.Network, skipMismatch)
	if err != nil {
		return nil, err
	}
	return t.into(m)
}

// OpenModel opens a file with a whole model, which may be a checkpoint, and creates the model on a
// backend. Penalties other than L2 on kernels, constraints and noise are left out: the model infers
// as in Keras but continues to train without them. The summary's notes name each. Close the model
// to free its memory.
func OpenModel(b backend.Backend, path string) (*nn.Model, *LoadSummary, error) {
	f, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return f.model(b)
}

// ReadModel is OpenModel for a file of size bytes that is open; errors contain its name.
func ReadModel(b backend.Backend, file io.ReaderAt, size int64, name string) (*nn.Model, *LoadSummary, error) {
	f, err := newFile(file, size, name)
	if err != nil {
		return nil, nil, err
	}
	return f.model(b)
}

// model creates the file's model on a backend.
func (f *File) model(b backend.Backend) (*nn.Model, *LoadSummary, error) {
	net, err := f.Network()
	if err != nil {
		return nil, nil, err
	}
	t, err := f.checkInOrder(net, false)
	if err != nil {
		return nil, nil, err
	}
	t.summary.Notes = f.notes
	m, err := nn.NewModel(b, net)
	if err != nil {
		return nil, nil, err
	}
	r, err := t.into(m)
	if err != nil {
		return nil, nil, errors.Join(err, m.Close())
	}
	return m, r, nil
}

// pair is a layer of the network and the layer of the file that may have its weights.
type pair struct {
	here *nn.LayerInfo
	file *layer
}

func (f *File) pairsByName(net *nn.Network) []pair {
	here := map[string]*nn.LayerInfo{}
	for i := range net.Table {
		here[net.Table[i].Name] = &net.Table[i]
	}
	var pairs []pair
	for i := range f.layers {
		if l := here[f.layers[i].name]; l != nil {
			pairs = append(pairs, pair{l, &f.layers[i]})
		}
	}
	return pairs
}

// checkInOrder is check for the layers with weights, paired in order.
func (f *File) checkInOrder(net *nn.Network, skip bool) (*transfer, error) {
	here := f.rows(net)
	layers := f.weighted(net)
	if len(here) != len(layers) {
		return nil, f.wrap(fmt.Errorf("it has %d layers with weights, the network %d", len(layers), len(here)))
	}
	var pairs []pair
	for i := range here {
		pairs = append(pairs, pair{here[i], &layers[i]})
	}
	return f.check(net, pairs, skip)
}

// rows returns the layers of a network that have weights: in the order of the file's, if they are
// the same layers.
func (f *File) rows(net *nn.Network) []*nn.LayerInfo {
	var rows []*nn.LayerInfo
	byName := map[string]*nn.LayerInfo{}
	for i := range net.Table {
		if row := &net.Table[i]; len(row.Weights) > 0 {
			rows = append(rows, row)
			byName[row.Name] = row
		}
	}
	var ordered []*nn.LayerInfo
	for _, name := range f.leaves {
		if row := byName[name]; row != nil {
			ordered = append(ordered, row)
		}
	}
	if len(ordered) == len(rows) {
		return ordered
	}
	return rows
}

// transfer is a checked list of weights to load.
type transfer struct {
	file    *File
	copies  []copying
	buffer  []float32 // for a part of any weight
	summary *LoadSummary
}

// copying is a weight of the file and the weight of the network that it sets.
type copying struct {
	from        *weight
	to          nn.Weight
	convolution bool // it is the kernel of a Conv2D
}

// check matches pairs of layers, and reads all matching weights once.
func (f *File) check(net *nn.Network, pairs []pair, skip bool) (*transfer, error) {
	t := &transfer{file: f, summary: &LoadSummary{}}
	used, set := map[string]bool{}, map[string]bool{} // layers of the file and of the network
	for _, p := range pairs {
		copies, mismatches := p.match()
		if len(mismatches) > 0 && !skip {
			return nil, f.wrap(MismatchError(mismatches[0]))
		}
		t.copies = append(t.copies, copies...)
		t.summary.Mismatched = append(t.summary.Mismatched, mismatches...)
		used[p.file.name], set[p.here.Name] = true, true
	}
	for _, l := range f.layers {
		if len(l.weights) > 0 && !used[l.name] {
			t.summary.Ignored = append(t.summary.Ignored, l.name)
		}
	}
	for _, l := range net.Table {
		if len(l.Weights) > 0 && !set[l.Name] {
			t.summary.Missing = append(t.summary.Missing, l.Name)
		}
	}
	if err := t.allocate(); err != nil {
		return nil, f.wrap(err)
	}
	for _, c := range t.copies {
		n := 0
		if err := t.read(c, func(part []float32, _ int) error {
			for _, v := range part {
				if !tensor.Finite(v) {
					n++
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
		if n > 0 {
			t.summary.NotFinite = append(t.summary.NotFinite,
				fmt.Sprintf("%s has %d values that are infinite or NaN", c.to.Name, n))
		}
	}
	return t, nil
}

// spareWeights is how much larger than the file its weights may be in any case.
const spareWeights = 16 << 20

// allocate creates the buffer. It rejects weights that are far larger than the file: those of
// trained networks compress little.
func (t *transfer) allocate() error {
	all, largest := 0, 0
	for _, c := range t.copies {
		all += c.to.Shape.Size()
		largest = max(largest, t.part(c))
	}
	if size := 4 * int64(all); size > 8*t.file.size+spareWeights {
		return fmt.Errorf("its weights of %d bytes are far larger than the file of %d bytes justifies", size, t.file.size)
	}
	t.buffer = make([]float32, largest)
	return nil
}

// partSize is about how many elements of a weight are in memory beside the model.
const partSize = 1 << 20

// part returns how many elements of a weight are read at a time.
func (t *transfer) part(c copying) int {
	size := c.to.Shape.Size()
	if t.rotates(c) {
		return size
	}
	return min(size, c.from.block*max(1, partSize/c.from.block))
}

func (t *transfer) rotates(c copying) bool { return t.file.rotated && c.convolution }

// read calls f with the values of a weight of the file, part by part, and with the index of the
// first one. A part is valid until f returns.
func (t *transfer) read(c copying, f func(part []float32, first int) error) error {
	size := c.to.Shape.Size()
	for at := 0; at < size; {
		part := t.buffer[:min(t.part(c), size-at)]
		if err := c.from.read(part, at); err != nil {
			return t.file.wrap(err)
		}
		if t.rotates(c) {
			rotate(part, c.to.Shape[0]*c.to.Shape[1])
		}
		if err := f(part, at); err != nil {
			return err
		}
		at += len(part)
	}
	return nil
}

// rotate rotates a kernel with that many taps by 180°, in place.
func rotate(kernel []float32, taps int) {
	each := len(kernel) / taps
	for i, j := 0, taps-1; i < j; i, j = i+1, j-1 {
		a, b := kernel[i*each:(i+1)*each], kernel[j*each:(j+1)*each]
		for k := range a {
			a[k], b[k] = b[k], a[k]
		}
	}
}

// match returns the matching weights of a pair, and sentences about the others.
func (p pair) match() (copies []copying, mismatches []string) {
	here, file := p.here.Weights, p.file.weights
	if len(here) != len(file) {
		return nil, []string{fmt.Sprintf("layer %q has %d weights in the file, %d here", p.here.Name, len(file), len(here))}
	}
	for i := range here {
		if !here[i].Shape.Equal(file[i].shape) {
			mismatches = append(mismatches, fmt.Sprintf("layer %q: %s has shape %v in the file, %v here",
				p.here.Name, here[i].Name, tensor.Shape(file[i].shape), here[i].Shape))
			continue
		}
		copies = append(copies, copying{&file[i], here[i], p.here.Class == "Conv2D" && i == 0})
	}
	return copies, mismatches
}

// into sets the weights of the model.
func (t *transfer) into(m *nn.Model) (*LoadSummary, error) {
	for _, c := range t.copies {
		if err := t.read(c, func(part []float32, first int) error {
			return m.WritePart(c.to, part, first)
		}); err != nil {
			return nil, err
		}
		t.summary.Loaded = append(t.summary.Loaded, c.to.Name)
	}
	return t.summary, nil
}
