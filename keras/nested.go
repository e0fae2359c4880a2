package keras

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/internal/hdf5"
	"github.com/lamina-go/lamina/nn"
)

// classNode is a layer, or a model with layers, that a file names by class and number.
type classNode struct {
	key      string
	weights  []weight
	children []*classNode          // of a model
	byKey    map[string]*classNode // nil for a layer
}

// child adds a layer or a model to a model. It returns nil if there is one of that name.
func (n *classNode) child(key string) *classNode {
	if n.byKey[key] != nil {
		return nil
	}
	c := &classNode{key: key}
	n.children = append(n.children, c)
	n.byKey[key] = c
	return c
}

// hasModels reports whether there are models among the layers.
func hasModels(nodes []*classNode) bool {
	return slices.ContainsFunc(nodes, func(n *classNode) bool { return n.byKey != nil })
}

// readByClass locates the weights of layers named by class and number, the children of parent. It
// does nothing if the group has none. Gaps in the numbers are closed.
func (f *File) readByClass(parent *classNode, g *hdf5.Group) error {
	gaps := false
	for _, name := range g.Children() {
		folder, layer, windows := strings.Cut(name, `\`)
		if folder != layersGroup && folder != layersGroup212 {
			continue
		}
		gaps = folder == layersGroup212
		group, err := g.Group(name)
		if err != nil {
			return err
		}
		if parent.byKey == nil {
			parent.byKey = map[string]*classNode{} // perhaps of a model without layers
		}
		if windows {
			if err := f.readWindows(parent, layer, group); err != nil {
				return err
			}
			continue
		}
		for _, layer := range group.Children() {
			child, err := group.Group(layer)
			if err == nil {
				err = f.readNode(parent, layer, child)
			}
			if err != nil {
				return err
			}
		}
	}
	if gaps {
		closeGaps(parent.children)
	}
	return nil
}

// readWindows adds a layer whose path in nested models is joined by backslashes, as in
// "sequential\layers\conv2d".
func (f *File) readWindows(parent *classNode, name string, g *hdf5.Group) error {
	key, rest, deeper := strings.Cut(name, `\`)
	if !deeper {
		return f.readNode(parent, key, g)
	}
	folder, layer, _ := strings.Cut(rest, `\`)
	if folder != layersGroup && folder != layersGroup212 {
		return nil // "dropout\seed_generator", say
	}
	if err := f.budget.Take(weightBytes); err != nil {
		return err
	}
	model := parent.byKey[key]
	if model == nil {
		model = parent.child(key)
	}
	if model.byKey == nil {
		model.byKey = map[string]*classNode{}
	}
	return f.readWindows(model, layer, g)
}

// readNode adds a layer with the weights of its group.
func (f *File) readNode(parent *classNode, key string, g *hdf5.Group) error {
	if err := f.budget.Take(weightBytes); err != nil {
		return err
	}
	n := parent.child(key)
	if n == nil {
		return fmt.Errorf("two layers are named %q", key)
	}
	if err := f.readByClass(n, g); err != nil || n.byKey != nil || !g.Has(varsGroup) {
		return err
	}
	vars, err := g.Group(varsGroup)
	if err != nil {
		return err
	}
	l := layer{name: key}
	for i := range vars.Children() {
		if err := f.add(&l, vars, strconv.Itoa(i)); err != nil {
			return err
		}
	}
	n.weights = l.weights
	return nil
}

// flat returns the layers of nodes and of models in them, by their keys.
func flat(nodes []*classNode, prefix string) (layers []layer) {
	for _, n := range nodes {
		if n.byKey != nil {
			layers = append(layers, flat(n.children, prefix+n.key+"/")...)
			continue
		}
		layers = append(layers, layer{prefix + n.key, n.weights})
	}
	return layers
}

// named returns the layers of a model by their paths, or by the file's names where it has none,
// given the file's by class and number, and then those that the model does not have.
func named(m *modelConfig, nodes []*classNode, prefix string) []layer {
	byKey := map[string]*classNode{}
	for _, n := range nodes {
		byKey[n.key] = n
	}
	var classes []string
	for _, l := range m.members {
		classes = append(classes, l.Class)
	}
	var layers []layer
	for i, key := range classKeys(classes) {
		l, n := m.members[i], byKey[key]
		delete(byKey, key)
		switch {
		case n == nil:
		case l.model != nil:
			layers = append(layers, named(l.model, n.children, prefix+key+"/")...)
		case l.path == "":
			layers = append(layers, layer{prefix + key, n.weights})
		default:
			layers = append(layers, layer{l.path, n.weights})
		}
	}
	for _, n := range nodes {
		if byKey[n.key] != nil {
			layers = append(layers, flat([]*classNode{n}, prefix)...)
		}
	}
	return layers
}

// configOf returns the models and layers that a network has by the names of its layers. The class
// of a nested model is that which the file has.
func configOf(net *nn.Network, nodes []*classNode) *modelConfig {
	root := &modelConfig{}
	for _, row := range net.Table {
		m, at := root, nodes
		name := row.Name
		for hasModels(at) {
			model, rest, deeper := strings.Cut(name, "/")
			if !deeper {
				break
			}
			name = rest
			var inner *member
			for _, l := range m.members {
				if l.model != nil && l.Name == model {
					inner = l
				}
			}
			if inner == nil {
				inner = &member{object: object{Name: model, Class: modelClass(at)}, model: &modelConfig{}}
				m.members = append(m.members, inner)
			}
			var classes []string
			for _, l := range m.members {
				classes = append(classes, l.Class)
			}
			keys := classKeys(classes)
			var children []*classNode
			for i, l := range m.members {
				for _, n := range at {
					if l == inner && n.key == keys[i] {
						children = n.children
					}
				}
			}
			m, at = inner.model, children
		}
		m.members = append(m.members, &member{object: object{Name: row.Name, Class: row.Class}})
	}
	return root
}

// modelClass returns the class of the models among nodes.
func modelClass(nodes []*classNode) string {
	for _, n := range nodes {
		if base, _ := splitKey(n.key); n.byKey != nil && base == "functional" {
			return "Functional"
		}
	}
	return "Sequential"
}

// distribute replaces the layers that are nested models by the layers in them. Keras lists the
// weights of a nested model in the order of the layers, first all that train and then the others.
func (f *File) distribute(c *converted) error {
	models := map[string][]*leaf{}
	for _, leaf := range c.leaves {
		if model, _, inside := strings.Cut(leaf.path, "/"); inside {
			models[model] = append(models[model], leaf)
		}
	}
	var layers []layer
	for _, l := range f.layers {
		parts := models[l.name]
		var total counts
		for _, leaf := range parts {
			total.trainable, total.other = total.trainable+leaf.counts.trainable, total.other+leaf.counts.other
		}
		if len(parts) == 0 {
			layers = append(layers, l)
			continue
		}
		if n := total.trainable + total.other; n != len(l.weights) {
			return fmt.Errorf("the model %q has %d weights in the file, and its layers %d", l.name, len(l.weights), n)
		}
		first, second := l.weights[:total.trainable], l.weights[total.trainable:]
		for _, leaf := range parts {
			n := leaf.counts
			weights := slices.Concat(first[:n.trainable], second[:n.other])
			layers = append(layers, layer{leaf.path, weights})
			first, second = first[n.trainable:], second[n.other:]
		}
	}
	f.layers = layers
	return nil
}

// withWeights returns the leaves of the model that have weights in files.
func (c *converted) withWeights() (leaves []*leaf) {
	for _, l := range c.leaves {
		if l.counts != (counts{}) {
			leaves = append(leaves, l)
		}
	}
	return leaves
}

// settle names the file's layers as the model does, and removes those that only prepare pixels,
// which it reads. Layers that are left out of the network may have a state of random numbers.
func (f *File) settle(c *converted) error {
	out := map[string]bool{}
	for _, l := range c.leaves {
		out[l.path] = l.counts == counts{}
	}
	var layers []layer
	for _, l := range f.layers {
		if len(l.weights) > 0 && !out[l.name] {
			layers = append(layers, l)
		}
	}
	leaves := c.withWeights()
	prepares := map[*leaf]*layer{}
	if len(layers) == len(leaves) {
		f.leaves, f.layers = nil, nil
		for i, l := range leaves {
			if l.layer == "" {
				prepares[l] = &layers[i]
				continue
			}
			f.leaves = append(f.leaves, l.layer)
			f.layers = append(f.layers, layers[i])
		}
	}
	return c.prepared(func(l *leaf, i, size int) ([]float64, error) {
		from := prepares[l]
		if from == nil {
			return nil, errors.New("its layers with weights are not those of the model")
		}
		if i >= len(from.weights) || size > 1<<16 || len(from.weights[i].shape) != 1 || from.weights[i].shape[0] != size {
			return nil, fmt.Errorf("layer %q (Normalization): its mean and variance are not of %d channels", l.path, size)
		}
		values, exact := make([]float32, size), make([]float64, size)
		if err := from.weights[i].read(values, 0); err != nil {
			return nil, err
		}
		for k, v := range values {
			exact[k] = float64(v)
		}
		return exact, nil
	})
}
