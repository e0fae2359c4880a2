package keras

import (
	"fmt"
	"strconv"

	"github.com/lamina-go/lamina/internal/hdf5"
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
	optimizerGroup = "optimizer"
	varsGroup      = "vars"
)

// openHDF5 finds the layers in an HDF5 file.
func (f *File) openHDF5(h *hdf5.File) error {
	root := h.Root()
	if root.HasAttr(configAttribute) {
		text, err := root.AttrString(configAttribute)
		if err != nil {
			return err
		}
		about := ""
		if root.HasAttr(aboutKey) {
			if about, err = root.AttrString(aboutKey); err != nil {
				return err
			}
		}
		f.setNetwork([]byte(text), []byte(about))
	}
	weights := root
	if !hasNames(root.Object, layerNames) && root.Has(weightsGroup) {
		var err error
		if weights, err = root.Group(weightsGroup); err != nil {
			return err
		}
	}
	switch {
	case hasNames(weights.Object, layerNames):
		return f.readByName(weights)
	case root.Has(layersGroup):
		return f.readByClass(root)
	}
	return fmt.Errorf("there are no weights in it as Keras writes them: neither an attribute %q nor a group %q", layerNames, layersGroup)
}

// setNetwork reads a model's configuration, and what this program adds to it.
func (f *File) setNetwork(config, about []byte) {
	network, err := readNetwork(config)
	if err == nil && len(about) > 0 {
		err = readAbout(about, &network)
	}
	f.network, f.networkError = &network, err
}

// hasNames reports whether an object has a list of names.
func hasNames(o *hdf5.Object, attribute string) bool {
	return o.HasAttr(attribute) || o.HasAttr(attribute+"0")
}

// names returns a list of names, which Keras divides (layer_names0, layer_names1, …) where it is long.
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

// readByName reads where the weights are in a group of layers by name.
func (f *File) readByName(g *hdf5.Group) error {
	layers, err := names(g.Object, layerNames)
	if err != nil {
		return err
	}
	for _, name := range layers {
		group, err := g.Group(name)
		if err != nil {
			return err
		}
		l := layer{name: name}
		weights, err := names(group.Object, weightNames)
		if err != nil {
			return err
		}
		for _, name := range weights {
			if err := l.add(group, name); err != nil {
				return err
			}
		}
		f.layers = append(f.layers, l)
	}
	return nil
}

// add adds a weight that is in the group of its layer.
func (l *layer) add(g *hdf5.Group, name string) error {
	d, err := g.Dataset(name)
	if err != nil {
		return err
	}
	l.weights = append(l.weights, weight{name, d.Shape(), d.ReadFloats})
	return nil
}

// readByClass reads where the weights are in groups named by class and number.
func (f *File) readByClass(root *hdf5.Group) error {
	f.order = byClass
	g, err := root.Group(layersGroup)
	if err != nil {
		return err
	}
	for _, name := range g.Children() {
		group, err := g.Group(name)
		if err != nil {
			return err
		}
		if group.Has(layersGroup) {
			return fmt.Errorf("layer %q is a model within the model, which is not supported", name)
		}
		l := layer{name: name}
		if group.Has(varsGroup) {
			vars, err := group.Group(varsGroup)
			if err != nil {
				return err
			}
			for i := range vars.Children() {
				if err := l.add(vars, strconv.Itoa(i)); err != nil {
					return err
				}
			}
		}
		f.layers = append(f.layers, l)
	}
	return nil
}
