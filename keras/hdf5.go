package keras

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/internal/hdf5"
	"github.com/lamina-go/lamina/nn"
)

// The names in Keras's HDF5 files.
const (
	configAttribute   = "model_config"
	trainingAttribute = "training_config"
	versionAttribute  = "keras_version"
	backendAttribute  = "backend"
	weightsGroup      = "model_weights"
	layerNames        = "layer_names"
	weightNames       = "weight_names"

	// Of weights by class.
	layersGroup    = "layers"
	layersGroup212 = "_layer_checkpoint_dependencies" // in Keras 2.12 to 2.14
	optimizerGroup = "optimizer"
	varsGroup      = "vars"
)

// openHDF5 lists the layers of an HDF5 file.
func (f *File) openHDF5(h *hdf5.File) error {
	root := h.Root()
	if err := f.openWeights(root); err != nil {
		return err
	}
	if !root.HasAttr(configAttribute) {
		return nil
	}
	attributes := map[string]string{}
	for _, name := range []string{configAttribute, aboutKey, versionAttribute} {
		if !root.HasAttr(name) {
			continue
		}
		var err error
		if attributes[name], err = root.AttrString(name); err != nil {
			return err
		}
	}
	config := []byte(attributes[configAttribute])
	model, err := readModel(config, f.budget)
	f.setNetwork(model, err, isKeras3(attributes[versionAttribute], config), []byte(attributes[aboutKey]))
	return nil
}

// openWeights lists the layers of an HDF5 file without a model's configuration.
func (f *File) openWeights(root *hdf5.Group) error {
	weights := root
	if !hasNames(root.Object, layerNames) && root.Has(weightsGroup) {
		var err error
		if weights, err = root.Group(weightsGroup); err != nil {
			return err
		}
	}
	var err error
	if f.rotated, err = convolves(weights.Object); err != nil {
		return err
	}
	if hasNames(weights.Object, layerNames) {
		return f.readByName(weights)
	}
	top := &classNode{}
	if err := f.readByClass(top, root); err != nil {
		return err
	}
	if f.nodes = top.children; top.byKey != nil {
		f.order, f.layers = byClass, flat(f.nodes, "")
		return nil
	}
	return fmt.Errorf("it has no weights as Keras writes them: neither an attribute %q nor a group %q",
		layerNames, layersGroup)
}

// isKeras3 reports whether a file is of Keras 3, given what it says of its version.
func isKeras3(version string, config []byte) bool {
	if version != "" {
		major, _, _ := strings.Cut(version, ".")
		n, err := strconv.Atoi(major)
		return err == nil && n >= 3
	}
	return bytes.Contains(config, []byte(`"batch_shape"`))
}

// convolves reports whether an object's weights are of a backend that convolves in the mathematical
// sense, with kernels rotated by 180°. The others, like this program, correlate.
func convolves(o *hdf5.Object) (bool, error) {
	if !o.HasAttr(backendAttribute) {
		return false, nil
	}
	backend, err := o.AttrString(backendAttribute)
	return backend == "theano", err
}

// setNetwork converts a model's configuration, or keeps the error of reading it, and reads this
// program's additions. It gives the layers of the file the names that they have in the model.
func (f *File) setNetwork(model *modelConfig, err error, keras3 bool, about []byte) {
	f.network = new(nn.Sequential)
	var c *converted
	if err == nil {
		if f.order == byClass {
			f.layers, f.nodes, f.order = named(model, f.nodes, ""), nil, inOrder
		}
		c, err = model.network(keras3, f.budget)
	}
	if err == nil && f.order != byClass {
		err = f.distribute(c)
	}
	if err == nil {
		err = f.settle(c)
	}
	if err == nil {
		*f.network, f.notes = c.network, c.notes
		if len(about) > 0 {
			err = f.readAbout(about, f.network)
		}
	}
	f.networkError = err
}

// hasNames reports whether an object has a list of names.
func hasNames(o *hdf5.Object, attribute string) bool {
	return o.HasAttr(attribute) || o.HasAttr(attribute+"0")
}

// names returns a list of names. Keras splits a long one into layer_names0, layer_names1 and so on.
func names(o *hdf5.Object, attribute string) ([]string, error) {
	part := func(i int) string { return attribute + strconv.Itoa(i) }
	if !o.HasAttr(part(0)) {
		return o.AttrStrings(attribute)
	}
	var all []string
	for i := 0; o.HasAttr(part(i)); i++ {
		more, err := o.AttrStrings(part(i))
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// double returns a name that is twice in a list.
func double(names []string) (string, bool) {
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			return name, true
		}
		seen[name] = true
	}
	return "", false
}

// readByName locates the weights in a group of layers by name.
func (f *File) readByName(g *hdf5.Group) error {
	layers, err := names(g.Object, layerNames)
	if err != nil {
		return err
	}
	if name, ok := double(layers); ok {
		return fmt.Errorf("two layers are named %q", name)
	}
	groups := map[*hdf5.Group]string{} // a path may be spelled in many ways
	for _, name := range layers {
		group, err := g.Group(name)
		if err != nil {
			return err
		}
		if other, ok := groups[group]; ok {
			return fmt.Errorf("the layers %q and %q are one group", other, name)
		}
		groups[group] = name
		l := layer{name: name}
		weights, err := names(group.Object, weightNames)
		if err != nil {
			return err
		}
		if name, ok := double(weights); ok {
			return fmt.Errorf("layer %q has two weights %q", l.name, name)
		}
		for _, name := range weights {
			if err := f.add(&l, group, name); err != nil {
				return err
			}
		}
		f.layers = append(f.layers, l)
	}
	return nil
}

// weightBytes is the memory that keeping track of a weight takes.
const weightBytes = 500

// add adds a weight in the group of its layer.
func (f *File) add(l *layer, g *hdf5.Group, name string) error {
	d, err := g.Dataset(name)
	if err == nil {
		err = f.budget.Take(weightBytes)
	}
	if err != nil {
		return err
	}
	l.weights = append(l.weights, weight{name, d.Shape(), d.Block(), d.ReadFloats})
	return nil
}
