package nn

import (
	"errors"
	"fmt"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// Model is a network with its weights on a backend. It is safe for use by multiple goroutines.
type Model struct {
	*Network
	backend    *scope
	parameters tensor.Tensor // all trainable weights; nil if there are none
	statistics tensor.Tensor // the others; nil if there are none
}

// NewModel allocates a network's weights on a backend. They are zero until Init, Set or a
// checkpoint sets them. Close frees them.
func NewModel(b backend.Backend, net *Network) (*Model, error) {
	d := newScope(b, "model")
	var m *Model
	err := d.do(func() (err error) {
		m, err = newModel(d, net)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return m, nil
}

// newModel is NewModel on a scope whose lock is held.
func newModel(d *scope, net *Network) (*Model, error) {
	m := &Model{Network: net, backend: d}
	var err error
	if net.ParameterSize > 0 {
		if m.parameters, err = d.Parameters(tensor.Shape{net.ParameterSize}); err != nil {
			return nil, err
		}
	}
	if net.StatisticSize > 0 {
		if m.statistics, err = d.Parameters(tensor.Shape{net.StatisticSize}); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Describe returns the model with other names of the classes and another normalization of pixels,
// as in [Sequential]; nil ones stay as they are. It shares the weights with m, and either's Close
// frees them.
func (m *Model) Describe(labels []string, mean, std []float32) (*Model, error) {
	net := *m.Network
	if labels != nil {
		net.Labels = labels
	}
	if mean != nil || std != nil {
		net.Mean, net.Std = mean, std
	}
	if err := net.checkImages(); err != nil {
		return nil, err
	}
	described := *m
	described.Network = &net
	return &described, nil
}

// Close waits for other goroutines' operations and frees the weights. Later operations return an
// error. Predictors of the model are not affected, as they have copies of the weights. Close of the
// model of a Trainer closes the Trainer, too.
func (m *Model) Close() error { return m.backend.Close() }

// chunk is the number of weights copied at a time between the host and the backend. It is a
// multiple of initBlock.
const chunk = 1 << 20

// buffer returns a slice for a chunk of any weight.
func (net *Network) buffer() []float32 {
	largest := 0
	for _, w := range net.Weights {
		largest = max(largest, w.Shape.Size())
	}
	return make([]float32, min(chunk, largest))
}

// Init sets all weights to their initial values: kernels are random, biases, β and running means
// are 0, γ and running variances 1.
func (m *Model) Init(in Initializer, seed uint64) error {
	return m.backend.do(func() error { return m.init(in, seed) })
}

func (m *Model) init(in Initializer, seed uint64) error {
	buffer := m.buffer()
	for _, w := range m.Weights {
		t := m.flat(w)
		for at := 0; at < w.Shape.Size(); at += chunk {
			values := buffer[:min(chunk, w.Shape.Size()-at)]
			if w.FanIn > 0 {
				in.fill(values, w, seed, at/initBlock)
			} else {
				for i := range values {
					values[i] = w.start
				}
			}
			if err := m.write(t, w.Offset+at, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// flat returns the tensor that holds the weight.
func (m *Model) flat(w Weight) tensor.Tensor {
	if w.Trainable {
		return m.parameters
	}
	return m.statistics
}

// view returns the weight in a flat tensor.
func (m *Model) view(flat tensor.Tensor, w Weight) tensor.Tensor {
	return m.backend.View(flat, w.Offset, w.Shape)
}

// read and write copy elements of a flat tensor from an offset on. The lock is held.
func (m *Model) read(flat tensor.Tensor, offset int, dst []float32) error {
	return m.backend.Read(dst, m.backend.View(flat, offset, tensor.Shape{len(dst)}))
}

func (m *Model) write(flat tensor.Tensor, offset int, src []float32) error {
	return m.backend.Write(m.backend.View(flat, offset, tensor.Shape{len(src)}), src)
}

// Get returns the values of the weight of that full name, in the order of its shape.
func (m *Model) Get(name string) (values []float32, err error) {
	err = m.backend.do(func() error {
		values, err = m.get(name)
		return err
	})
	return values, err
}

func (m *Model) get(name string) ([]float32, error) {
	w, ok := m.Weight(name)
	if !ok {
		return nil, fmt.Errorf("nn: the network has no weight %q", name)
	}
	values := make([]float32, w.Shape.Size())
	return values, m.read(m.flat(w), w.Offset, values)
}

// ReadPart copies len(dst) elements of a weight to dst, from element first on.
func (m *Model) ReadPart(w Weight, dst []float32, first int) error {
	return m.readPart(m.flat(w), w, dst, first)
}

// readPart is ReadPart from a flat tensor that has the weight, its velocity or its gradient.
func (m *Model) readPart(flat tensor.Tensor, w Weight, dst []float32, first int) error {
	if err := w.checkPart(first, len(dst)); err != nil {
		return err
	}
	return m.backend.do(func() error { return m.read(flat, w.Offset+first, dst) })
}

// WritePart sets len(src) elements of a weight, from element first on.
func (m *Model) WritePart(w Weight, src []float32, first int) error {
	if err := w.checkPart(first, len(src)); err != nil {
		return err
	}
	return m.backend.do(func() error { return m.write(m.flat(w), w.Offset+first, src) })
}

// checkPart returns an error unless the weight has n elements from element first on.
func (w Weight) checkPart(first, n int) error {
	if first < 0 || n > w.Shape.Size() || first > w.Shape.Size()-n {
		return fmt.Errorf("nn: elements %d to %d of the weight %q of shape %v", first, first+n, w.Name, w.Shape)
	}
	return nil
}

// Set sets the values of the weight of that full name, in the order of its shape.
func (m *Model) Set(name string, values []float32) error {
	w, ok := m.Weight(name)
	if !ok {
		return fmt.Errorf("nn: the network has no weight %q", name)
	}
	if len(values) != w.Shape.Size() {
		return fmt.Errorf("nn: %d values for the weight %q of shape %v", len(values), name, w.Shape)
	}
	return m.backend.do(func() error { return m.write(m.flat(w), w.Offset, values) })
}

// decay returns the L2 penalties of a range of the parameters.
func (net *Network) decay(from, to int) []backend.Decay {
	var all []backend.Decay
	for _, w := range net.Weights {
		first, end := max(from, w.Offset), min(to, w.Offset+w.Shape.Size())
		if w.Trainable && w.L2 > 0 && first < end {
			all = append(all, backend.Decay{Offset: first - from, Size: end - first, Lambda: w.L2})
		}
	}
	return all
}
