package nn

import (
	"math"
	"slices"

	"github.com/lamina-go/lamina/tensor"
)

// folded returns the model for inference, and the L2 penalty of m. It is a copy on the scope or,
// if that is the model's own, uses the model's memory in its place. The lock is held. A BatchNorm
// that alone takes the output of a convolution or a Dense is folded into their kernel and bias,
//
//	w' = w·s    b' = b·s + β − mean·s    with s = γ/sqrt(variance + ε) of each channel.
func (m *Model) folded(d *scope) (folded *Model, penalty float64, err error) {
	net, rows, norms, err := m.fold()
	if err != nil {
		return nil, 0, err
	}
	if d == m.backend {
		folded = m.within(net, rows, norms)
	} else if folded, err = newModel(d, net); err != nil {
		return nil, 0, err
	}
	buffer := m.buffer()
	for at, i := range rows {
		targets := net.Table[at].Weights
		changes := slices.Repeat([]channelwise{unchanged}, len(targets))
		if norms[at] >= 0 {
			// The bias comes last, and the kernel whose channels are those of the output before it.
			last := len(targets) - 1
			if changes[last-1], changes[last], err = m.folding(norms[at]); err != nil {
				return nil, 0, err
			}
		}
		sources := m.Table[i].Weights
		for k, w := range sources {
			squares, err := m.copyWeight(w, folded.flat(targets[k]), targets[k].Offset, changes[k], buffer)
			if err != nil {
				return nil, 0, err
			}
			penalty += float64(w.L2) * squares
		}
		for k := len(sources); k < len(targets); k++ { // the bias of a layer that had none
			if err := folded.write(folded.flat(targets[k]), targets[k].Offset, changes[k].shifts()); err != nil {
				return nil, 0, err
			}
		}
	}
	return folded, penalty, nil
}

// within returns the model of a folded network in the memory of m. Weights stay where they are, and
// the bias of a layer that had none takes the place of the mean that it includes.
func (m *Model) within(net *Network, rows, norms []int) *Model {
	net.Weights = nil
	for at, i := range rows {
		places := m.Table[i].Weights
		if norms[at] >= 0 {
			norm := m.Table[norms[at]].Weights
			places = append(slices.Clip(places), norm[len(norm)-2])
		}
		targets := net.Table[at].Weights
		for k := range targets {
			targets[k].Offset, targets[k].Trainable = places[k].Offset, places[k].Trainable
		}
		net.Weights = append(net.Weights, targets...)
	}
	net.ParameterSize, net.StatisticSize = m.ParameterSize, m.StatisticSize
	return &Model{Network: net, backend: m.backend, parameters: m.parameters, statistics: m.statistics}
}

// fold returns the network without the BatchNorm layers that are folded. It lists for each row the
// row of net that it was, and that of the BatchNorm folded into it, or −1.
func (net *Network) fold() (folded *Network, rows, norms []int, err error) {
	folded = &Network{Sequential: net.Sequential, byName: map[string]int{}}
	takers := net.takers()
	now := map[int]int{imagesRow: imagesRow} // the row of each row's output
	for i, row := range net.Table {
		if _, done := now[i]; done || row.Layer == nil { // it is folded
			continue
		}
		row.Inputs = slices.Clone(row.Inputs)
		for k, in := range row.Inputs {
			row.Inputs[k] = now[in]
		}
		now[i] = len(rows)
		norm := -1
		if len(takers[i]) == 1 {
			if _, ok := net.Table[takers[i][0]].Layer.(BatchNorm); ok {
				if biased, ok := withBias(row.Layer); ok {
					norm, row.Layer = takers[i][0], biased
					now[norm] = now[i]
				}
			}
		}
		rows, norms = append(rows, i), append(norms, norm)
		row.Weights = nil
		if err := folded.add(row); err != nil {
			return nil, nil, nil, err
		}
	}
	return folded, rows, norms, nil
}

// withBias returns a convolution or a Dense with a bias.
func withBias(l Layer) (Layer, bool) {
	switch l := l.(type) {
	case Conv2D:
		l.NoBias = false
		return l, true
	case DepthwiseConv2D:
		l.NoBias = false
		return l, true
	case SeparableConv2D:
		l.NoBias = false
		return l, true
	case Dense:
		l.NoBias = false
		return l, true
	}
	return l, false
}

// channelwise maps a value v of channel c to v·scale[c] + shift[c].
type channelwise struct{ scale, shift []float64 }

var unchanged = channelwise{[]float64{1}, []float64{0}}

// shifts returns what zeros become.
func (c channelwise) shifts() []float32 {
	values := make([]float32, len(c.shift))
	for i, v := range c.shift {
		values[i] = float32(v)
	}
	return values
}

// folding returns how a BatchNorm, row i, changes the kernel and the bias before it.
func (m *Model) folding(i int) (kernel, bias channelwise, err error) {
	row := m.Table[i]
	values := map[string][]float32{} // by the weight's name within the layer
	for _, w := range row.Weights {
		if values[w.Name[len(row.Name)+1:]], err = m.get(w.Name); err != nil {
			return kernel, bias, err
		}
	}
	gamma, beta, mean, variance := values["gamma"], values["beta"], values["moving_mean"], values["moving_variance"]
	epsilon := float64(row.Layer.(BatchNorm).epsilon())
	scale, shift := make([]float64, len(mean)), make([]float64, len(mean))
	for c := range scale {
		scale[c] = 1
		if gamma != nil {
			scale[c] = float64(gamma[c])
		}
		scale[c] /= math.Sqrt(float64(variance[c]) + epsilon)
		if beta != nil {
			shift[c] = float64(beta[c])
		}
		shift[c] -= float64(mean[c]) * scale[c]
	}
	return channelwise{scale, make([]float64, len(scale))}, channelwise{scale, shift}, nil
}

// copyWeight copies a weight, changed, to a flat tensor of the backend. It returns the sum of
// squares of the unchanged weight.
func (m *Model) copyWeight(w Weight, to tensor.Tensor, offset int, change channelwise, buffer []float32) (
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
		if err := m.write(to, offset+at, block); err != nil {
			return 0, err
		}
	}
	return squares, nil
}
