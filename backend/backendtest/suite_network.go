package backendtest

import (
	"fmt"
	"math"
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// network is a small network of every plan, wired as a trainer wires them: gradients in
// the memory of activations, parameters and gradients in flat tensors, the batch on
// views. Its layers are 3x3 and 1x1 convolutions, a dense layer with dropout and one
// that gives the logits, each followed by BatchNorm.
type network struct {
	*device
	batch     int
	images    tensor.Tensor
	labels    tensor.Tensor
	forward   []func()
	backward  []func() // in the order of forward
	loss      backend.Loss
	logits    tensor.Tensor
	optimizer backend.Optimizer
	state     *networkState
	disturb   disturbance

	// Where the weights and statistics begin in their flat tensors.
	weights, statistics []int
}

// disturbance is done to each tensor that a pass has computed with roundings, and to the kernels
// that it rounds before it computes, which are as they were after undo.
type disturbance func(tensor.Tensor) (undo func())

// networkState is what plans for two batch sizes share.
type networkState struct {
	memory                []tensor.Tensor // activations, for the largest batch
	weights, velocity, gs tensor.Tensor
	statistics            tensor.Tensor
}

const (
	networkBatch      = 12
	networkClasses    = 4
	networkParameters = 3*3*3*8 + 8 + 16 + 8*16 + 16 + 32 + 3*3*16*16 + 16 + 32 + 4*16*24 + 24 + 48 + 24*networkClasses + networkClasses + 2*networkClasses
	networkStatistics = 2 * (8 + 16 + 16 + 24 + networkClasses)
)

func newNetworkState(d *device, weights []float32) *networkState {
	flat := tensor.Shape{networkParameters}
	zero := make([]float32, networkParameters)
	statistics := make([]float32, networkStatistics)
	for i := range statistics {
		statistics[i] = 1
	}
	return &networkState{
		weights: d.parameter(flat, weights), velocity: d.parameter(flat, zero), gs: d.parameter(flat, zero),
		statistics: d.parameter(tensor.Shape{networkStatistics}, statistics),
	}
}

// build makes the plans for a batch. The first batch must be the largest.
func build(d *device, state *networkState, batch int, disturb disturbance) *network {
	net := &network{device: d, batch: batch, state: state, disturb: disturb}
	used, parameters, statistics := 0, 0, 0
	activation := func(shape ...int) tensor.Tensor {
		if used == len(state.memory) {
			state.memory = append(state.memory, d.empty(shape))
		}
		used++
		return d.View(state.memory[used-1], 0, shape)
	}
	var decay []backend.Decay
	weight := func(shape ...int) (w, dw tensor.Tensor) {
		w, dw = d.View(state.weights, parameters, shape), d.View(state.gs, parameters, shape)
		if len(shape) > 1 {
			w = d.kernelOf(state.weights, parameters, shape)
			decay = append(decay, backend.Decay{Offset: parameters, Size: w.Shape().Size(), Lambda: 0.01})
		}
		net.weights = append(net.weights, parameters)
		parameters += w.Shape().Size()
		return w, dw
	}
	statistic := func(c int) tensor.Tensor {
		net.statistics = append(net.statistics, statistics)
		statistics += c
		return d.View(state.statistics, statistics-c, tensor.Shape{c})
	}
	add := func(forward, backward func()) {
		net.forward, net.backward = append(net.forward, forward), append(net.backward, backward)
	}
	linear := func(x, y tensor.Tensor, c linearCase, kernel ...int) {
		c.BatchNorm = true
		p := c.plan(d)
		w, dw := weight(kernel...)
		b, db := weight(c.Out)
		add(func() {
			undo := disturb(w)
			p.Forward(y, x, w, b)
			undo()
			disturb(y)
		}, func() {
			p.BackwardFilter(dw, db, y, x)
			disturb(dw)
			if !c.NoInputGrad {
				undo := disturb(w)
				p.BackwardData(x, y, w)
				undo()
				disturb(x)
			}
		})
	}
	norm := func(x, y tensor.Tensor, relu, pool bool) {
		_, _, _, c := x.Shape().NHWC()
		spec := backend.BatchNormSpec{Shape: x.Shape(), Epsilon: 1e-3, Momentum: 0.9, Unbiased: len(x.Shape()) == 4, Function: rectifier(relu), Pool: pool}
		plan, err := d.BatchNorm(spec)
		p := must(d, plan, err)
		gamma, dgamma := weight(c)
		beta, dbeta := weight(c)
		mean, variance := statistic(c), statistic(c)
		add(func() {
			p.Forward(y, x, gamma, beta, mean, variance)
			disturb(y)
		}, func() {
			p.Backward(x, dgamma, dbeta, y, x, gamma, beta)
			disturb(x)
		})
	}
	simple := func(x, y tensor.Tensor, plan backend.Activation, err error) {
		p := must(d, plan, err)
		add(func() { p.Forward(y, x) }, func() { p.Backward(x, y, x) })
	}

	n := batch
	net.images = activation(n, 8, 9, 3)
	c1 := activation(n, 8, 9, 8)
	first := conv(n, 8, 9, 3, 8, 3)
	first.NoInputGrad = true
	linear(net.images, c1, first, 3, 3, 3, 8)
	n1 := activation(n, 4, 4, 8)
	norm(c1, n1, true, true)
	c2 := activation(n, 4, 4, 16)
	linear(n1, c2, conv(n, 4, 4, 8, 16, 1), 1, 1, 8, 16)
	n2 := activation(n, 4, 4, 16)
	norm(c2, n2, false, false)
	r2 := activation(n, 4, 4, 16)
	relu, err := d.Function(n2.Shape(), tensor.Rectifier())
	simple(n2, r2, relu, err)
	c3 := activation(n, 4, 4, 16)
	linear(r2, c3, conv(n, 4, 4, 16, 16, 3), 3, 3, 16, 16)
	n3 := activation(n, 4, 4, 16)
	norm(c3, n3, true, false)
	p3 := activation(n, 2, 2, 16)
	pool, err := d.Pool(backend.PoolSpec{Shape: n3.Shape(), Window: tensor.Square(2, 2)})
	simple(n3, p3, pool, err)
	flat := activation(n, 64)
	flatten, err := d.Flatten(p3.Shape())
	simple(p3, flat, flatten, err)
	f1 := activation(n, 24)
	linear(flat, f1, denseCase(n, 64, 24), 64, 24)
	n4 := activation(n, 24)
	norm(f1, n4, true, false)
	d4 := activation(n, 24)
	dropout, err := d.Dropout(backend.DropoutSpec{Shape: n4.Shape(), Rate: 0.25, Seed: 5, Layer: 1})
	simple(n4, d4, dropout, err)
	f2 := activation(n, networkClasses)
	linear(d4, f2, denseCase(n, 24, networkClasses), 24, networkClasses)
	net.logits = activation(n, networkClasses)
	norm(f2, net.logits, false, false)

	labels, err := d.Parameters(tensor.Shape{n})
	net.labels = must(d, labels, err)
	loss, err := d.Loss(backend.LossSpec{N: n, Classes: networkClasses})
	net.loss = must(d, loss, err)
	sgd, err := d.SGD(backend.SGDSpec{Size: parameters, Decay: decay, Momentum: 0.9, Nesterov: true})
	net.optimizer = must(d, sgd, err)
	return net
}

func (net *network) train(v backend.StepValues, images, labels []float32) {
	net.write(net.images, images)
	net.write(net.labels, labels)
	net.replay(fmt.Sprint("train ", net.batch), v, func() {
		for _, f := range net.forward {
			f()
		}
		net.loss.Forward(net.logits, net.labels)
		net.loss.Backward(net.logits, net.logits, net.labels)
		net.disturb(net.logits)
		for i := len(net.backward) - 1; i >= 0; i-- {
			net.backward[i]()
		}
		net.optimizer.Step(net.state.weights, []tensor.Tensor{net.state.velocity}, net.state.gs)
	})
}

// networkResults are the results of a training.
type networkResults struct {
	weights, velocity, statistics []float32
	metrics                       []backend.StepMetrics
}

// network trains the same steps on the backend under test, twice, and on the
// reference, with a smaller batch in between.
func (s *suite) network() {
	weights := s.normal(networkParameters, 0.3)
	batches := []int{networkBatch, networkBatch, networkBatch - 5, networkBatch, networkBatch - 5}
	var images, labels [][]float32
	for _, n := range batches {
		images = append(images, s.normal(n*8*9*3, 1))
		l := make([]float32, n)
		for i := range l {
			l[i] = float32(s.rng.IntN(networkClasses))
		}
		labels = append(labels, l)
	}
	var first *network
	train := func(d *device, disturb disturbance) networkResults {
		state := newNetworkState(d, weights)
		first = build(d, state, networkBatch, disturb)
		nets := map[int]*network{networkBatch: first}
		for i, n := range batches {
			if nets[n] == nil {
				nets[n] = build(d, state, n, disturb)
			}
			nets[n].train(backend.StepValues{LearningRate: 0.01 / float32(i+1), Step: uint64(i)}, images[i], labels[i])
		}
		return networkResults{d.read(state.weights), d.read(state.velocity), d.read(state.statistics), d.measured()}
	}
	exactly := func(tensor.Tensor) func() { return func() {} }
	got, again, want := train(s.device(), exactly), train(s.device(), exactly), train(s.reference(), exactly)

	same(s.T, "weights of a second run", again.weights, got.weights)
	same(s.T, "velocity of a second run", again.velocity, got.velocity)
	same(s.T, "statistics of a second run", again.statistics, got.statistics)
	for i := range got.metrics {
		if got.metrics[i] != again.metrics[i] {
			s.Errorf("step %d measured %+v and in a second run %+v", i, got.metrics[i], again.metrics[i])
		}
	}

	// The reference shows how far roundings propagate, also through ReLUs that flip, when each of
	// its results is disturbed by a rounding. A backend rounds less than that on average, and may
	// be off by twice the largest difference.
	var off networkTolerance
	for range 8 {
		off.widen(train(s.reference(), s.roundings), want, first)
	}
	if s.Truncated {
		off.widen(train(s.reference(), s.truncations), want, first)
	}
	near(s.T, "weights", got.weights, want.weights, off.weights.of(want.weights))
	near(s.T, "velocity", got.velocity, want.velocity, off.velocity.of(want.velocity))
	near(s.T, "statistics", got.statistics, want.statistics, off.statistics.of(want.statistics))
	if len(got.metrics) != len(want.metrics) {
		s.Fatalf("%d metrics of %d steps", len(got.metrics), len(want.metrics))
	}
	for i, m := range got.metrics {
		w := want.metrics[i]
		if m.Images != w.Images || !(math.Abs(m.Loss-w.Loss) <= off.loss[i]) || !(math.Abs(m.Penalty-w.Penalty) <= off.penalty[i]) {
			s.Errorf("step %d measured %+v, want %+v: tolerances %.3g and %.3g", i, m, w, off.loss[i], off.penalty[i])
		}
	}
}

// roundings disturbs a tensor of the reference as a rounding of each number does, and of the inputs
// of the sum that it is: up or down by the unit of rounding, of the number and of the tensor's root
// mean square together. What is exactly 0, behind a ReLU, stays so.
func (s *suite) roundings(t tensor.Tensor) (undo func()) {
	x := own(t).data
	before := slices.Clone(x)
	relative := s.Products * (s.Unit + 16*unit) // a sum of float32 values is rounded many times
	square := 0.0
	for _, v := range x {
		square += v * v
	}
	mean := math.Sqrt(square / float64(len(x)))
	for i, v := range x {
		if v != 0 {
			x[i] += float64(2*s.rng.IntN(2)-1) * relative * math.Hypot(v, mean)
		}
	}
	return func() { copy(x, before) }
}

// truncations disturbs a tensor of the reference as truncation does at most: towards zero, by the
// unit of rounding.
func (s *suite) truncations(t tensor.Tensor) (undo func()) {
	x := own(t).data
	before := slices.Clone(x)
	for i := range x {
		x[i] *= 1 - s.Products*s.Unit
	}
	return func() { copy(x, before) }
}

// networkTolerance is how far results may be from the reference's.
type networkTolerance struct {
	weights, velocity, statistics tolerances
	loss, penalty                 []float64 // of each step
}

// widen takes in the distance between two results.
func (n *networkTolerance) widen(got, want networkResults, net *network) {
	n.weights.widen(got.weights, want.weights, net.weights)
	n.velocity.widen(got.velocity, want.velocity, net.weights)
	n.statistics.widen(got.statistics, want.statistics, net.statistics)
	n.loss, n.penalty = slices.Grow(n.loss, len(want.metrics))[:len(want.metrics)], slices.Grow(n.penalty, len(want.metrics))[:len(want.metrics)]
	for i, m := range got.metrics {
		n.loss[i] = max(n.loss[i], 2*math.Abs(m.Loss-want.metrics[i].Loss))
		n.penalty[i] = max(n.penalty[i], 2*math.Abs(m.Penalty-want.metrics[i].Penalty), sumError(networkParameters)*m.Penalty)
	}
}

// tolerances are those of the tensors in a flat one.
type tolerances struct {
	begin []int
	off   []float64
}

func (p *tolerances) widen(got, want []float32, begin []int) {
	if p.off == nil {
		p.begin, p.off = begin, make([]float64, len(begin))
	}
	for i := range want {
		at := p.at(i)
		p.off[at] = max(p.off[at], 2*math.Abs(float64(got[i])-float64(want[i])))
	}
}

// at returns the tensor in which element i lies.
func (p *tolerances) at(i int) int {
	at, found := slices.BinarySearch(p.begin, i)
	if !found {
		at--
	}
	return at
}

// of returns the tolerance of each element, with the roundings of float32 in which the flat tensor
// is kept.
func (p *tolerances) of(want []float32) func(int) float64 {
	return func(i int) float64 { return p.off[p.at(i)] + 8*unit*math.Abs(float64(want[i])) }
}

// inferenceBatch checks that a batch divides into whole fractions.
func (s *suite) inferenceBatch() {
	b := s.open(s.T)
	b.Lock()
	defer b.Unlock()
	for _, n := range []int{1, 7, 24, 128} {
		for _, weights := range []int{1, 1 << 24} {
			spec := backend.InferenceSpec{N: n, Largest: 1 << 20, Activations: 1 << 22, Weights: weights,
				Convolutions: []backend.Conv2DSpec{{N: n, H: 4, W: 4, In: 64, Out: 64, Window: tensor.Centered(3)}}}
			if got := b.InferenceBatch(spec); got < 1 || n%got != 0 {
				s.Errorf("%d of %d images at a time", got, n)
			}
		}
	}
}
