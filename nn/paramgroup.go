package nn

import (
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// paramGroup is the parameters of one or more layers, or of some rows of a large dense layer. They
// are updated as soon as their gradients are complete.
//
// All groups share one gradient buffer, sized for the largest group, which tends to stay in the
// cache. Alignment gaps between weights hold stale values, in the gradients and in the parameters.
// Nothing reads them.
type paramGroup struct {
	from, to  int // of the parameters
	optimizer backend.Optimizer
	w, g      tensor.Tensor
	state     []tensor.Tensor // of the optimizer
}

// paramGroups cover all parameters, last to first.
type paramGroups []paramGroup

// of returns the group of a weight.
func (all paramGroups) of(w Weight) *paramGroup {
	return &all[slices.IndexFunc(all, func(g paramGroup) bool { return w.Offset >= g.from })]
}

// minGroupSize is the smallest size of a group other than the first parameters: a smaller update is
// not worth its start. maxSliceSize is about the largest part of a dense layer's kernel in one
// group.
var minGroupSize, maxSliceSize = 1 << 20, 1 << 22

// starts returns the parameters of the node at which a group may begin.
func (n node) starts() (starts []int) {
	weights := n.trainable()
	if len(weights) == 0 {
		return nil
	}
	kernel := weights[0]
	size := kernel.Shape.Size()
	step := size
	if l, ok := n.layer.(Dense); ok {
		block := backend.SliceRows * l.Units
		step = max(1, maxSliceSize/block) * block
	}
	for at := 0; at < size; at += step {
		starts = append(starts, kernel.Offset+at)
	}
	return starts
}

// slices returns the rows of a dense layer's kernel in each group, last to first.
func (all paramGroups) slices(kernel Weight) (rows []backend.Rows) {
	units := kernel.Shape[1]
	for _, g := range all {
		from, to := max(0, g.from-kernel.Offset), min(kernel.Shape.Size(), g.to-kernel.Offset)
		if from < to {
			rows = append(rows, backend.Rows{From: from / units, To: to / units})
		}
	}
	return rows
}

// step updates the group's parameters.
func (g *paramGroup) step() { g.optimizer.Step(g.w, g.state, g.g) }

func (g *paramGroup) penalty() { g.optimizer.Penalty(g.w) }

// groups divides the parameters into groups and returns the size of the largest.
func (net *Network) groups() (all paramGroups, largest int) {
	to := net.ParameterSize
	for _, n := range slices.Backward(net.nodes(false)) {
		for _, from := range slices.Backward(n.starts()) {
			if to-from >= minGroupSize || from == 0 {
				all = append(all, paramGroup{from: from, to: to})
				largest = max(largest, to-from)
				to = from
			}
		}
	}
	return all, largest
}

// makeGroups makes the groups and their optimizers.
func (t *Trainer) makeGroups() (err error) {
	m := t.Model
	var largest int
	t.groups, largest = m.Network.groups()
	if t.gradients, err = m.backend.Parameters(tensor.Shape{largest}); err != nil {
		return err
	}
	for i := range t.groups {
		g := &t.groups[i]
		shape := tensor.Shape{g.to - g.from}
		g.w = m.backend.View(m.parameters, g.from, shape)
		for _, all := range t.states() {
			g.state = append(g.state, m.backend.View(all, g.from, shape))
		}
		g.g = m.backend.View(t.gradients, 0, shape)
		g.optimizer, err = t.config.Optimizer.plan(m.backend, m.Network, g.from, g.to)
		if err != nil {
			return err
		}
	}
	return nil
}
