package nn

import (
	"slices"

	"github.com/lamina-go/lamina/tensor"
)

// batchNorms returns the names of the BatchNorm layers whose running statistics change.
func (net *Network) batchNorms() (names []string) {
	for _, row := range net.Table {
		if _, ok := row.Layer.(BatchNorm); ok && !row.fixed() {
			names = append(names, row.Name)
		}
	}
	return names
}

// begin finds the fresh running statistics of a new run, and writes to the backend which they are.
func (t *Trainer) begin() error {
	norms := t.Model.batchNorms()
	if len(norms) == 0 {
		return nil
	}
	if t.Step == 0 && t.Fresh == nil {
		t.Fresh = []string{}
		for _, name := range norms {
			fresh, err := t.Model.initial(name+"/moving_mean", name+"/moving_variance")
			if err != nil {
				return err
			}
			if fresh {
				t.Fresh = append(t.Fresh, name)
			}
		}
	}
	flags := make([]float32, len(norms))
	for i, name := range norms {
		if slices.Contains(t.Fresh, name) {
			flags[i] = 1
		}
	}
	return t.Model.backend.do(func() error {
		return t.Model.backend.Write(t.Model.backend.View(t.fresh, 0, tensor.Shape{len(flags)}), flags)
	})
}

// initial reports whether all elements of weights that are not kernels have their initial value.
func (m *Model) initial(names ...string) (bool, error) {
	for _, name := range names {
		values, err := m.Get(name)
		if err != nil {
			return false, err
		}
		w, _ := m.Weight(name)
		if slices.ContainsFunc(values, func(v float32) bool { return v != w.start }) {
			return false, nil
		}
	}
	return true, nil
}
