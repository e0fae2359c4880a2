package nn

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// NewHead returns the network for other classes: its last Dense and what follows are replaced by
// the layers of head or, without any, by a Dense named "head". If it has no Dense, its last
// convolution is replaced, by default by the mean over all pixels and the Dense.
//
// Layers of the head should have names that the network lacks. So Config.From leaves them alone.
func (s Sequential) NewHead(classes int, head ...Layer) (Sequential, error) {
	net, err := Build(s)
	if err != nil {
		return Sequential{}, err
	}
	at, err := s.lastWeights()
	if err != nil {
		return Sequential{}, err
	}
	inner := s.Layers[at]
	from, isFrom := inner.(From)
	if isFrom {
		inner = from.Layer
	}
	if len(head) == 0 {
		if _, vector := inner.(Dense); !vector {
			head = append(head, GlobalAveragePool{})
		}
		name := "head"
		for n := 1; net.row(name) >= 0; n++ {
			name = fmt.Sprintf("head_%d", n)
		}
		head = append(head, Dense{Name: name, Units: classes})
	}
	if isFrom {
		head = append([]Layer{From{from.Input, head[0]}}, head[1:]...)
	}
	s.Layers = append(slices.Clone(s.Layers[:at]), head...)
	s.Classes, s.Output, s.Labels = classes, SoftmaxOutput, nil
	frozen := s.Frozen
	s.Frozen = nil
	if net, err = Build(s); err != nil {
		return Sequential{}, err
	}
	s.Frozen = slices.DeleteFunc(slices.Clone(frozen), func(name string) bool { return !net.has(name) })
	return s, nil
}

// lastWeights returns the index of the last Dense or, if there is none, of the last convolution.
func (s Sequential) lastWeights() (int, error) {
	conv := -1
	for i, l := range slices.Backward(s.Layers) {
		if from, ok := l.(From); ok {
			l = from.Layer
		}
		switch l.(type) {
		case Dense:
			return i, nil
		case Conv2D, DepthwiseConv2D, SeparableConv2D, Residual:
			conv = max(conv, i)
		}
	}
	if conv >= 0 {
		if _, nested := s.Layers[conv].(Residual); !nested {
			return conv, nil
		}
	}
	return 0, errors.New("nn: the network has no Dense, nor a convolution at its end, that a new head could replace")
}

// Freeze adds layers to Frozen: "block1_conv1" is the layer of that name, "block1_*" are those
// whose names begin so, and "..block4_pool" are all up to that layer. A pattern that matches none
// is an error.
func (s *Sequential) Freeze(patterns ...string) error {
	net, err := Build(*s)
	if err != nil {
		return err
	}
	frozen := slices.Clone(s.Frozen)
	for _, pattern := range patterns {
		prefix, isPrefix := strings.CutSuffix(pattern, "*")
		last, isRange := strings.CutPrefix(pattern, "..")
		matched := false
		for i, row := range net.Table {
			if row.Layer == nil || row.Name != pattern && !(isPrefix && strings.HasPrefix(row.Name, prefix)) &&
				!(isRange && i <= net.row(last)) {
				continue
			}
			matched = true
			if !slices.Contains(frozen, row.Name) {
				frozen = append(frozen, row.Name)
			}
		}
		if !matched {
			return fmt.Errorf(`nn: no layer to freeze is %q: want a name, the beginning of names as in "block1_*", or "..block4_pool" for all up to one`,
				pattern)
		}
	}
	s.Frozen = frozen
	return nil
}

// row returns the row of a layer, or −1.
func (net *Network) row(name string) int {
	return slices.IndexFunc(net.Table, func(row LayerInfo) bool { return row.Layer != nil && row.Name == name })
}

// take copies the weights of the layers that both models have, by name. It is an error if their
// shapes differ, or if there are none.
func (m *Model) take(from *Model) error {
	buffer := m.buffer()
	taken := false
	for _, w := range m.Weights {
		source, ok := from.Weight(w.Name)
		if !ok {
			continue
		}
		if !source.Shape.Equal(w.Shape) {
			return fmt.Errorf("nn: the weight %q has shape %v, in the model of From %v: give its layer another name",
				w.Name, w.Shape, source.Shape)
		}
		taken = true
		for at := 0; at < w.Shape.Size(); at += len(buffer) {
			block := buffer[:min(len(buffer), w.Shape.Size()-at)]
			if err := from.ReadPart(source, block, at); err != nil {
				return err
			}
			if err := m.backend.do(func() error { return m.write(m.flat(w), w.Offset+at, block) }); err != nil {
				return err
			}
		}
	}
	if !taken {
		return errors.New("nn: the model of From has no layer with the name of one here")
	}
	return nil
}
