package keras

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/nn"
)

// sorted returns the layers of the file with these names, an empty one for a missing one, followed
// by the others that have weights.
func (f *File) sorted(names []string) []layer {
	byName := map[string]layer{}
	for _, l := range f.layers {
		byName[l.name] = l
	}
	var all []layer
	for _, name := range names {
		all = append(all, layer{name, byName[name].weights})
		delete(byName, name)
	}
	for _, l := range f.layers {
		if _, left := byName[l.name]; left && len(l.weights) > 0 {
			all = append(all, l)
		}
	}
	return all
}

// weighted returns the file's layers with weights in the order of the network's.
func (f *File) weighted(net *nn.Network) []layer {
	layers := f.layers
	switch f.order {
	case byName:
		var names []string
		for _, l := range net.Table {
			names = append(names, l.Name)
		}
		layers = f.sorted(names)
	case byClass:
		layers = named(configOf(net, f.nodes), f.nodes, "")
	}
	return slices.DeleteFunc(slices.Clone(layers), func(l layer) bool { return len(l.weights) == 0 })
}

// classKeys returns the names that layers of these classes have in files by class: conv2d,
// conv2d_1.
func classKeys(classes []string) []string {
	count := map[string]int{}
	var keys []string
	for _, class := range classes {
		base := snakeCase(class)
		keys = append(keys, classKey(base, count[base]))
		count[base]++
	}
	return keys
}

// classKey returns the name of layer number n of a class, from 0 on.
func classKey(base string, n int) string {
	if n == 0 {
		return base
	}
	return fmt.Sprintf("%s_%d", base, n)
}

// splitKey reverses classKey.
func splitKey(key string) (base string, n int) {
	if i := strings.LastIndexByte(key, '_'); i >= 0 {
		if n, err := strconv.Atoi(key[i+1:]); err == nil && n > 0 {
			return key[:i], n
		}
	}
	return key, 0
}

// closeGaps numbers the layers of each class from 0 on, in the same order: Keras 2.12 and 2.13
// count a layer with weights twice, so conv2d is followed by conv2d_2. Keras 2.14, with the same
// name of the group, does not.
func closeGaps(nodes []*classNode) {
	classes := map[string][]*classNode{}
	for _, n := range nodes {
		base, _ := splitKey(n.key)
		classes[base] = append(classes[base], n)
	}
	for base, all := range classes {
		slices.SortFunc(all, func(a, b *classNode) int {
			_, m := splitKey(a.key)
			_, n := splitKey(b.key)
			return cmp.Compare(m, n)
		})
		for n, l := range all {
			l.key = classKey(base, n)
		}
	}
}

// snakeCase returns the name of a class as Keras writes it in paths: max_pooling2d for
// MaxPooling2D.
func snakeCase(class string) string {
	lower := func(i int) bool { return i < len(class) && 'a' <= class[i] && class[i] <= 'z' }
	var b strings.Builder
	for i := range len(class) {
		if upper := 'A' <= class[i] && class[i] <= 'Z'; upper && i > 0 && (lower(i-1) || lower(i+1)) {
			b.WriteByte('_')
		}
		b.WriteByte(class[i])
	}
	return strings.ToLower(b.String())
}
