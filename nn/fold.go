package nn

import (
	"math"
)

// folded returns the model for inference, and the L2 penalty of m. It is a copy on the scope or,
// if that is the model's own, uses the model's memory in its place. The lock is held. A BatchNorm
// that follows a Conv2D or a Dense is folded into their kernel and bias,
//
//	w' = w·s    b' = b·s + β − mean·s    with s = γ/sqrt(variance + ε) of each channel.
func (m *Model) folded(d *scope) (folded *Model, penalty float64, err error) {
	s := m.Sequential
	s.Layers = nil
	var kept []int // indices of the layers that stay
	for i, l := range m.Layers {
		if i == 0 || !m.folds(i-1) {
			s.Layers, kept = append(s.Layers, l), append(kept, i)
		}
	}
	net, err := Build(s)
	if err != nil {
		return nil, 0, err
	}
	if d == m.backend {
		folded = m.within(net, kept)
	} else if folded, err = newModel(d, net); err != nil {
		return nil, 0, err
	}
	buffer := m.buffer()
	for at, i := range kept {
		change := [4]channelwise{unchanged, unchanged, unchanged, unchanged}
		if m.folds(i) {
			if change[0], change[1], err = m.folding(i + 1); err != nil {
				return nil, 0, err
			}
		}
		for k, w := range m.Table[i].Weights {
			squares, err := m.copyWeight(w, folded, net.Table[at].Weights[k], change[k], buffer)
			if err != nil {
				return nil, 0, err
			}
			penalty += float64(w.L2) * squares
		}
	}
	return folded, penalty, nil
}

// within returns a model of some of the layers of m in the memory of m. Their weights stay where
// they are.
func (m *Model) within(net *Network, layers []int) *Model {
	net.Weights = nil
	for at, i := range layers {
		for k, w := range m.Table[i].Weights {
			net.Table[at].Weights[k].Offset = w.Offset
		}
		net.Weights = append(net.Weights, net.Table[at].Weights...)
	}
	net.ParameterSize, net.StatisticSize = m.ParameterSize, m.StatisticSize
	return &Model{Network: net, backend: m.backend, parameters: m.parameters, statistics: m.statistics}
}

// folds reports whether a BatchNorm is folded into layer i.
func (net *Network) folds(i int) bool {
	switch net.Layers[i].(type) {
	case Conv2D, Dense:
		return follows[BatchNorm](net, i)
	}
	return false
}

// channelwise maps a value v of channel c to v·scale[c] + shift[c].
type channelwise struct{ scale, shift []float64 }

var unchanged = channelwise{[]float64{1}, []float64{0}}

// folding returns how a BatchNorm, layer i, changes the kernel and the bias before it.
func (m *Model) folding(i int) (kernel, bias channelwise, err error) {
	var values [4][]float32 // γ, β, mean and variance
	for k, w := range m.Table[i].Weights {
		if values[k], err = m.get(w.Name); err != nil {
			return kernel, bias, err
		}
	}
	epsilon := float64(m.Layers[i].(BatchNorm).epsilon())
	scale, shift := make([]float64, len(values[0])), make([]float64, len(values[0]))
	for c := range scale {
		scale[c] = float64(values[0][c]) / math.Sqrt(float64(values[3][c])+epsilon)
		shift[c] = float64(values[1][c]) - float64(values[2][c])*scale[c]
	}
	return channelwise{scale, make([]float64, len(scale))}, channelwise{scale, shift}, nil
}

// copyWeight copies a weight, changed, to a weight of another model. It returns the sum of squares
// of the unchanged weight.
func (m *Model) copyWeight(w Weight, to *Model, target Weight, change channelwise, buffer []float32) (
	squares float64, err error) {
	c := 0
	for at := 0; at < w.Shape.Size(); at += len(buffer) {
		block := buffer[:min(len(buffer), w.Shape.Size()-at)]
		if err := m.read(m.flat(w), w.Offset+at, block); err != nil {
			return 0, err
		}
		for i, v := range block {
			squares += float64(v) * float64(v)
			block[i] = float32(float64(v)*change.scale[c] + change.shift[c])
			if c++; c == len(change.scale) {
				c = 0
			}
		}
		if err := to.write(to.flat(target), target.Offset+at, block); err != nil {
			return 0, err
		}
	}
	return squares, nil
}
