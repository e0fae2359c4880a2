package nn

import (
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// group is the parameters of a layer, or of several, which are updated as soon as their gradients are there. The gradients of all groups
// have the same place in turns: it is no larger than the largest needs, and often in the cache. Between weights, where
// alignment leaves gaps, it holds what was there before, and so do the parameters' gaps, which nobody reads.
type group struct {
	from, to  int // of the parameters
	optimizer backend.Optimizer
	w, v, g   tensor.Tensor
}

// groups are all of the parameters, from the last on.
type groups []group

// of returns the group of a weight.
func (all groups) of(w Weight) *group {
	return &all[slices.IndexFunc(all, func(g group) bool { return w.Offset >= g.from })]
}

// groupSize is how many parameters a group has at least, if there are more before them: for fewer an update is not worth its start.
var groupSize = 1 << 20

// step updates the group's parameters. Ranks that train in parallel on parts of a batch sum its gradients before.
func (g *group) step() { g.optimizer.Step(g.w, g.v, g.g) }

func (g *group) penalty() { g.optimizer.Penalty(g.w) }

// makeGroups divides the parameters into groups, from the last on, and makes what updates them.
func (t *Trainer) makeGroups() (err error) {
	m := t.Model
	largest, to := 0, m.ParameterSize
	for _, n := range slices.Backward(m.nodes(false)) {
		if len(n.weights) == 0 {
			continue
		}
		if from := n.weights[0].Offset; to-from >= groupSize || from == 0 {
			t.groups = append(t.groups, group{from: from, to: to})
			largest = max(largest, to-from)
			to = from
		}
	}
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
