package keras

import (
	"errors"
	"fmt"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// Report tells what loading did.
type Report struct {
	Taken      []string // weights of the network that were set, "<layer>/<weight>"
	PassedOver []string // layers of the file with weights that no layer here has taken
	Missing    []string // layers here with weights that the file has nothing for
	Mismatched []string // sentences on what did not fit and was left out
	NotFinite  []string // sentences on weights that were set and have values that are not finite numbers
}

// MismatchError says which weights of a file do not fit those of a layer, and why.
type MismatchError string

// Error returns the sentence.
func (e MismatchError) Error() string { return string(e) }

// LoadByName gives every layer of the model the weights that the file has for a layer of its name, the
// first to the first and so on. Where their number or a shape differs it is an error that names layer, weight
// and both shapes; skipMismatch leaves out that layer, or weight, instead. Unless all is right nothing is changed.
func (f *File) LoadByName(m *nn.Model, skipMismatch bool) (*Report, error) {
	if !f.HasNames() {
		return nil, f.wrap(errors.New("it has no names of layers: its weights can only be loaded by their places"))
	}
	t, err := f.check(m.Network, f.pairsByName(m.Network), skipMismatch)
	if err != nil {
		return nil, err
	}
	return t.into(m)
}

// Load gives the layers of the model that have weights those of the file, the first to the first and so
// on, whatever their names. Otherwise it is as LoadByName.
func (f *File) Load(m *nn.Model, skipMismatch bool) (*Report, error) {
	t, err := f.checkInPlace(m.Network, skipMismatch)
	if err != nil {
		return nil, err
	}
	return t.into(m)
}

// OpenModel makes a model on a backend of a file that has a whole one, checkpoints among them. Close the model to free its memory.
func OpenModel(b backend.Backend, path string) (*nn.Model, *Report, error) {
	f, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return f.model(b)
}

// model makes a model of the file.
func (f *File) model(b backend.Backend) (*nn.Model, *Report, error) {
	net, err := f.Network()
	if err != nil {
		return nil, nil, err
	}
	t, err := f.checkInPlace(net, false)
	if err != nil {
		return nil, nil, err
	}
	// Compressed weights of trained networks are not much smaller than others.
	if size := 4 * int64(net.ParameterSize+net.StatisticSize); size > 8*f.size+spare {
		return nil, nil, f.wrap(fmt.Errorf("its weights are of %d bytes, far more than there can be in a file of %d", size, f.size))
	}
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

// pair is a layer here and one of the file that may have its weights.
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

// checkInPlace is check for pairs of layers at the same place among those with weights.
func (f *File) checkInPlace(net *nn.Network, skip bool) (*transfer, error) {
	var here []*nn.LayerInfo
	for i := range net.Table {
		if len(net.Table[i].Weights) > 0 {
			here = append(here, &net.Table[i])
		}
	}
	layers := f.inPlace(net)
	if len(here) != len(layers) {
		return nil, f.wrap(fmt.Errorf("it has %d layers with weights, the network %d", len(layers), len(here)))
	}
	var pairs []pair
	for i := range here {
		pairs = append(pairs, pair{here[i], &layers[i]})
	}
	return f.check(net, pairs, skip)
}

// transfer is what has been checked and is to be loaded.
type transfer struct {
	file   *File
	copies []copying
	report *Report
}

// copying is a weight of the file for one here.
type copying struct {
	from *weight
	to   nn.Weight
}

// check finds out what pairs of layers give, and reads all of it once.
func (f *File) check(net *nn.Network, pairs []pair, skip bool) (*transfer, error) {
	t := &transfer{file: f, report: &Report{}}
	gives, takes := map[string]bool{}, map[string]bool{}
	for _, p := range pairs {
		copies, mismatches := p.match()
		if len(mismatches) > 0 && !skip {
			return nil, f.wrap(MismatchError(mismatches[0]))
		}
		t.copies = append(t.copies, copies...)
		t.report.Mismatched = append(t.report.Mismatched, mismatches...)
		gives[p.file.name], takes[p.here.Name] = true, true
	}
	for _, l := range f.layers {
		if len(l.weights) > 0 && !gives[l.name] {
			t.report.PassedOver = append(t.report.PassedOver, l.name)
		}
	}
	for _, l := range net.Table {
		if len(l.Weights) > 0 && !takes[l.Name] {
			t.report.Missing = append(t.report.Missing, l.Name)
		}
	}
	for _, c := range t.copies {
		n, err := c.notFinite()
		if err != nil {
			return nil, f.wrap(err)
		}
		if n > 0 {
			t.report.NotFinite = append(t.report.NotFinite, fmt.Sprintf("%s has %d values that are not finite numbers", c.to.Name, n))
		}
	}
	return t, nil
}

// match returns what a layer takes, and sentences on what does not fit.
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
		copies = append(copies, copying{&file[i], here[i]})
	}
	return copies, mismatches
}

// notFinite reads the weight in the file and counts its values that are not finite numbers.
func (c copying) notFinite() (n int, err error) {
	const piece = 1 << 20
	size := c.to.Shape.Size()
	buffer := make([]float32, min(piece, size))
	for at := 0; at < size; at += piece {
		part := buffer[:min(piece, size-at)]
		if err := c.from.read(part, at); err != nil {
			return 0, err
		}
		for _, v := range part {
			if v-v != 0 {
				n++
			}
		}
	}
	return n, nil
}

// into sets the weights of the model.
func (t *transfer) into(m *nn.Model) (*Report, error) {
	for _, c := range t.copies {
		values := make([]float32, c.to.Shape.Size())
		if err := c.from.read(values, 0); err != nil {
			return nil, t.file.wrap(err)
		}
		if err := m.Set(c.to.Name, values); err != nil {
			return nil, err
		}
		t.report.Taken = append(t.report.Taken, c.to.Name)
	}
	return t.report, nil
}
