package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const errDecay = "cpu: decay ranges overlap or lie outside the parameters"

// optimizer updates ranges of parameters with one λ each. It repacks the bfloat16 copies of the
// weights that it changes.
type optimizer struct {
	b           *Backend
	size        tensor.Shape
	ranges      []paramRange
	target      *buffer // of Step
	w, g        []float32
	state       [2][]float32
	update      func(p *paramRange) // makes a step on a range and sets its squares
	stepTask    func(worker, job int)
	acrossTask  func(worker, job int)
	penaltyTask func(worker, job int)
}

// paramRange is a range of the parameters with one λ.
type paramRange struct {
	from, to int
	lambda   float32
	squares  float64 // Σw² as last measured
}

// SGD makes a plan of stochastic gradient descent.
func (b *Backend) SGD(s backend.SGDSpec) (backend.Optimizer, error) {
	o := newOptimizer(b, s.Size, s.Decay)
	o.update = func(p *paramRange) {
		p.squares = b.level.SGD(o.w[p.from:p.to], o.state[0][p.from:p.to], o.g[p.from:p.to], ops.SGD{
			LearningRate: b.values.LearningRate,
			Momentum:     s.Momentum,
			Lambda:       p.lambda,
			Nesterov:     s.Nesterov,
		})
	}
	return o, nil
}

// AdamW makes a plan of Adam with decoupled weight decay.
func (b *Backend) AdamW(s backend.AdamWSpec) (backend.Optimizer, error) {
	o := newOptimizer(b, s.Size, s.Decay)
	o.update = func(p *paramRange) {
		p.squares = b.level.AdamW(o.w[p.from:p.to], o.state[0][p.from:p.to], o.state[1][p.from:p.to], o.g[p.from:p.to], ops.AdamW{
			LearningRate: b.values.LearningRate,
			Step:         b.values.Step + 1,
			Beta1:        s.Beta1,
			Beta2:        s.Beta2,
			Epsilon:      s.Epsilon,
			WeightDecay:  s.WeightDecay,
			Lambda:       p.lambda,
		})
	}
	return o, nil
}

func newOptimizer(b *Backend, size int, decay []backend.Decay) *optimizer {
	o := &optimizer{b: b, size: tensor.Shape{size}}
	o.stepTask, o.acrossTask, o.penaltyTask = o.stepJob, o.acrossJob, o.penaltyJob
	at := 0
	for _, d := range decay {
		if d.Offset < at || d.Size < 0 || d.Size > size-d.Offset {
			panic(errDecay)
		}
		o.split(at, d.Offset, 0)
		at = d.Offset + d.Size
		o.split(d.Offset, at, d.Lambda)
	}
	o.split(at, size, 0)
	return o
}

func (o *optimizer) split(from, to int, lambda float32) {
	for i := range blocks(to-from, blockSize) {
		a, b := blockRange(to-from, blockSize, i)
		o.ranges = append(o.ranges, paramRange{from: from + a, to: from + b, lambda: lambda})
	}
}

// Step updates w and its state and measures the penalty of the old w.
func (o *optimizer) Step(w tensor.Tensor, state []tensor.Tensor, g tensor.Tensor) {
	o.target = own(w)
	o.w, o.g = data(w, o.size), data(g, o.size)
	for i, t := range state {
		o.state[i] = output(t, o.size).f32
	}
	o.b.pool.run(len(o.ranges), o.stepTask)
	if len(o.target.root.copies) > 0 {
		o.b.pool.run(len(o.ranges), o.acrossTask)
		o.target.repacked()
	}
	o.measure()
}

// Penalty measures the penalty of w.
func (o *optimizer) Penalty(w tensor.Tensor) {
	o.w = data(w, o.size)
	o.b.pool.run(len(o.ranges), o.penaltyTask)
	o.measure()
}

// measure adds the penalties of the ranges, in order.
func (o *optimizer) measure() {
	for i := range o.ranges {
		if p := &o.ranges[i]; p.lambda != 0 {
			o.b.current.Penalty += float64(p.lambda) * p.squares
		}
	}
}

func (o *optimizer) stepJob(worker, job int) {
	p := &o.ranges[job]
	o.update(p)
	for _, c := range o.target.root.copies {
		at := c.offset - o.target.offset
		c.packInside(worker, p.from-at, p.to-at)
	}
}

// acrossJob packs rows that span several ranges.
func (o *optimizer) acrossJob(worker, job int) {
	p := &o.ranges[job]
	for _, c := range o.target.root.copies {
		at := c.offset - o.target.offset
		c.packAcross(worker, p.from-at, p.to-at)
	}
}

func (o *optimizer) penaltyJob(_, job int) {
	if p := &o.ranges[job]; p.lambda != 0 {
		p.squares = o.b.level.SumSquares(o.w[p.from:p.to])
	}
}
