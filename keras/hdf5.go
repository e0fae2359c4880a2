package keras

import (
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
		model, err := readModel([]byte(text), f.budget)
		f.setNetwork(model, err, []byte(about))
	}
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
	groups, gaps, err := layerGroups(root)
	if err != nil {
		return err
	}
	if groups != nil {
		err := f.readByClass(groups)
		if gaps {
			closeGaps(f.layers)
		}
		return err
	}
	return fmt.Errorf("it has no weights as Keras writes them: neither an attribute %q nor a group %q",
		layerNames, layersGroup)
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
// program's additions.
func (f *File) setNetwork(model *modelConfig, err error, about []byte) {
	f.network = new(nn.Sequential)
	if err == nil {
		*f.network, f.notes, err = model.network(f.budget)
	}
	if err == nil && len(about) > 0 {
		err = f.readAbout(about, f.network)
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

// classGroup is the group of a layer that is named by class and number.
type classGroup struct {
	name string
	*hdf5.Group
}

// layerGroups returns the groups of the layers that a group has by class, nil if it has none. Keras
// on Windows makes no group of the layers but joins the names by a backslash: "layers\\conv2d".
// Gaps reports that numbers may be missing: Keras 2.12 and 2.13 count a layer with weights twice,
// so conv2d is followed by conv2d_2; Keras 2.14, with the same name of the group, does not.
func layerGroups(g *hdf5.Group) (groups []classGroup, gaps bool, err error) {
	for _, name := range g.Children() {
		parent, layer, windows := strings.Cut(name, `\`)
		if parent != layersGroup && parent != layersGroup212 {
			continue
		}
		gaps = parent == layersGroup212
		group, err := g.Group(name)
		if err != nil {
			return nil, false, err
		}
		if windows {
			groups = append(groups, classGroup{layer, group})
			continue
		}
		if groups == nil {
			groups = []classGroup{} // perhaps of a model without layers
		}
		for _, layer := range group.Children() {
			child, err := group.Group(layer)
			if err != nil {
				return nil, false, err
			}
			groups = append(groups, classGroup{layer, child})
		}
	}
	return groups, gaps, nil
}

// readByClass locates the weights in groups named by class and number.
func (f *File) readByClass(groups []classGroup) error {
	f.order = byClass
	seen := map[string]bool{}
	for _, group := range groups {
		if seen[group.name] {
			return fmt.Errorf("two layers are named %q", group.name)
		}
		seen[group.name] = true
		nested, _, err := layerGroups(group.Group)
		if err != nil {
			return err
		}
		if nested != nil || strings.Contains(group.name, `\`) {
			return fmt.Errorf("layer %q is a nested model, which is not supported", group.name)
		}
		l := layer{name: group.name}
		if group.Has(varsGroup) {
			vars, err := group.Group.Group(varsGroup)
			if err != nil {
				return err
			}
			for i := range vars.Children() {
				if err := f.add(&l, vars, strconv.Itoa(i)); err != nil {
					return err
				}
			}
		}
		f.layers = append(f.layers, l)
	}
	return nil
}
