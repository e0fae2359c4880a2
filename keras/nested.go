package keras

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/internal/hdf5"
	"github.com/lamina-go/lamina/nn"
)

// classNode is a layer, or a model with layers, that a file names by class and number.
type classNode struct {
	key      string
	weights  []weight
	children []*classNode
}

// nested reports whether a list of layers has models.
func nested(nodes []*classNode) bool {
	for _, n := range nodes {
		if n.children != nil {
			return true
		}
	}
	return false
}

// readByClass locates the weights of layers named by class and number. It returns nil if the group
// has none. Gaps in the numbers are closed.
func (f *File) readByClass(g *hdf5.Group) ([]*classNode, error) {
	var nodes []*classNode
	gaps := false
	for _, name := range g.Children() {
		parent, layer, windows := strings.Cut(name, `\`)
		if parent != layersGroup && parent != layersGroup212 {
			continue
		}
		gaps = parent == layersGroup212
		group, err := g.Group(name)
		if err != nil {
			return nil, err
		}
		if nodes == nil {
			nodes = []*classNode{} // perhaps of a model without layers
		}
		if windows {
			if err := f.readWindows(&nodes, layer, group); err != nil {
				return nil, err
			}
			continue
		}
		for _, layer := range group.Children() {
			child, err := group.Group(layer)
			if err != nil {
				return nil, err
			}
			if err := f.readNode(&nodes, layer, child); err != nil {
				return nil, err
			}
		}
	}
	if gaps {
		closeGaps(nodes)
	}
	return nodes, nil
}

// readWindows adds a layer whose path in nested models is joined by backslashes, as in
// "sequential\layers\conv2d".
func (f *File) readWindows(nodes *[]*classNode, name string, g *hdf5.Group) error {
	key, rest, deeper := strings.Cut(name, `\`)
	if !deeper {
		return f.readNode(nodes, key, g)
	}
	parent, layer, _ := strings.Cut(rest, `\`)
	if parent != layersGroup && parent != layersGroup212 {
		return nil // "dropout\seed_generator", say
	}
	for _, n := range *nodes {
		if n.key == key && n.children != nil {
			return f.readWindows(&n.children, layer, g)
		}
	}
	if err := f.budget.Take(weightBytes); err != nil {
		return err
	}
	n := &classNode{key: key, children: []*classNode{}}
	*nodes = append(*nodes, n)
	return f.readWindows(&n.children, layer, g)
}

// readNode adds a layer with the weights of its group.
func (f *File) readNode(nodes *[]*classNode, key string, g *hdf5.Group) error {
	for _, n := range *nodes {
		if n.key == key {
			return fmt.Errorf("two layers are named %q", key)
		}
	}
	if err := f.budget.Take(weightBytes); err != nil {
		return err
	}
	n := &classNode{key: key}
	*nodes = append(*nodes, n)
	var err error
	if n.children, err = f.readByClass(g); err != nil {
		return err
	}
	if !g.Has(varsGroup) || n.children != nil {
		return nil
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
		if n.children != nil {
			layers = append(layers, flat(n.children, prefix+n.key+"/")...)
			continue
		}
		layers = append(layers, layer{prefix + n.key, n.weights})
	}
	return layers
}

// named returns the layers of a model by their paths, or by the file's names where it has none, given
// the file's by class and number, and then those that the model does not have.
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
		for nested(at) {
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
		if base, _ := splitKey(n.key); n.children != nil && base == "functional" {
			return "Functional"
		}
	}
	return "Sequential"
}

// distribute replaces the layers that are nested models by the layers in them. Keras lists the
// weights of a nested model in the order of the layers, first all that train and then the others.
func (f *File) distribute(c *converted) error {
	var layers []layer
	for _, l := range f.layers {
		var parts []*leaf
		var total counts
		known := true
		for _, leaf := range c.leaves {
			if strings.HasPrefix(leaf.path, l.name+"/") {
				parts = append(parts, leaf)
				for _, n := range leaf.counts {
					total.trainable, total.other = total.trainable+n.trainable, total.other+n.other
				}
			}
		}
		if len(parts) == 0 || !known {
			layers = append(layers, l)
			continue
		}
		if n := total.trainable + total.other; n != len(l.weights) {
			return fmt.Errorf("the model %q has %d weights in the file, and its layers %d", l.name, len(l.weights), n)
		}
		first, second := l.weights[:total.trainable], l.weights[total.trainable:]
		for _, leaf := range parts {
			inner := layer{name: leaf.path}
			for _, n := range leaf.counts {
				inner.weights = append(inner.weights, first[:n.trainable]...)
				inner.weights = append(inner.weights, second[:n.other]...)
				first, second = first[n.trainable:], second[n.other:]
			}
			layers = append(layers, inner)
		}
	}
	f.layers = layers
	return nil
}

// withWeights returns the leaves of the model that have weights in files.
func (c *converted) withWeights() (leaves []*leaf) {
	for _, l := range c.leaves {
		for _, n := range l.counts {
			if n != (counts{}) {
				leaves = append(leaves, l)
			}
		}
	}
	return leaves
}

// settle names the file's layers as the model does, and removes those that only prepare pixels,
// which it reads. Layers that are left out of the network may have a state of random numbers.
func (f *File) settle(c *converted) error {
	out := map[string]bool{}
	for _, l := range c.leaves {
		out[l.path] = len(l.counts) == 0
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
