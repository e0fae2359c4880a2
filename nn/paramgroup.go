package nn

import (
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// group is the parameters of a layer, of several, or of some rows of a large dense one, which are updated as soon as their gradients are there. The
// gradients of all groups have the same place in turns: it is no larger than the largest needs, and often in the cache. Between weights, where
// alignment leaves gaps, it holds what was there before, and so do the parameters' gaps, which nobody reads.
type paramGroup struct {
	from, to  int // of the parameters
	optimizer backend.Optimizer
	w, v, g   tensor.Tensor
}

// groups are all of the parameters, from the last on.
type paramGroups []paramGroup

// of returns the group of a weight.
func (all paramGroups) of(w Weight) *paramGroup {
	return &all[slices.IndexFunc(all, func(g paramGroup) bool { return w.Offset >= g.from })]
}

// minGroupSize is how many parameters a group has at least, if there are more before them: for fewer an update is not worth its start. maxSliceSize
// is how many of a dense layer's kernel it has at most, or little more.
var minGroupSize, maxSliceSize = 1 << 20, 1 << 22

// starts returns the parameters of the node with which a group may begin.
func (n node) starts() (starts []int) {
	if len(n.weights) == 0 {
		return nil
	}
	kernel := n.weights[0]
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

// parts returns the rows of a dense layer's kernel that each group has, from the last on.
func (all paramGroups) parts(kernel Weight) (parts []backend.Rows) {
	units := kernel.Shape[1]
	for _, g := range all {
		from, to := max(0, g.from-kernel.Offset), min(kernel.Shape.Size(), g.to-kernel.Offset)
		if from < to {
			parts = append(parts, backend.Rows{From: from / units, To: to / units})
		}
	}
	return parts
}

// step updates the group's parameters.
func (g *paramGroup) step() { g.optimizer.Step(g.w, g.v, g.g) }

func (g *paramGroup) penalty() { g.optimizer.Penalty(g.w) }

// groups divides the parameters into groups, and tells how many the largest has.
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

// makeGroups makes the groups, and what updates them.
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
		g.w, g.v, g.g = m.backend.View(m.parameters, g.from, shape), m.backend.View(t.velocities, g.from, shape), m.backend.View(t.gradients, 0, shape)
		g.optimizer, err = m.backend.SGD(backend.SGDSpec{
			Size: shape.Size(), Decay: m.decay(g.from, g.to), Momentum: t.config.Momentum, Nesterov: true})
		if err != nil {
			return err
		}
	}
	return nil
}
