package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const errDecay = "cpu: decay ranges overlap or lie outside the parameters"

// loss keeps the loss of each row, so that they are added in order.
type loss struct {
	b              *Backend
	logits, labels tensor.Shape
	rows           int // of a job
	losses         []float64
	correct        []bool
	x, d           array
	y              []float32
	lossTask       func(worker, job int)
	gradTask       func(worker, job int)
}

// Loss makes a plan of softmax and cross-entropy.
func (b *Backend) Loss(s backend.LossSpec) (backend.Loss, error) {
	l := &loss{
		b: b, logits: tensor.Shape{s.N, s.Classes}, labels: tensor.Shape{s.N},
		rows:   max(1, 2048/s.Classes),
		losses: make([]float64, s.N), correct: make([]bool, s.N),
	}
	l.lossTask, l.gradTask = l.lossJob, l.gradJob
	return l, b.reserve(l.rows * s.Classes)
}

// Forward measures the mean loss and the correct images.
func (l *loss) Forward(logits, labels tensor.Tensor) {
	l.x, l.y = input(logits, l.logits), data(labels, l.labels)
	l.b.pool.run(blocks(l.labels[0], l.rows), l.lossTask)
	m := &l.b.current
	m.Images = l.labels[0]
	for i, v := range l.losses {
		m.Loss += v / float64(m.Images)
		if l.correct[i] {
			m.Correct++
		}
	}
}

// Backward computes dlogits.
func (l *loss) Backward(dlogits, logits, labels tensor.Tensor) {
	l.d, l.x, l.y = output(dlogits, l.logits), input(logits, l.logits), data(labels, l.labels)
	l.b.pool.run(blocks(l.labels[0], l.rows), l.gradTask)
}

func (l *loss) lossJob(worker, job int) {
	from, to := blockRange(l.labels[0], l.rows, job)
	c := l.logits[1]
	x := l.x.load(l.b.level, l.b.scratch(worker), from*c, to*c)
	for i := from; i < to; i++ {
		l.losses[i], l.correct[i] = ops.SoftmaxLoss(x[(i-from)*c:][:c], int(l.y[i]))
	}
}

func (l *loss) gradJob(worker, job int) {
	from, to := blockRange(l.labels[0], l.rows, job)
	c := l.logits[1]
	tmp := l.b.scratch(worker)
	x, d := l.x.load(l.b.level, tmp, from*c, to*c), l.d.dst(tmp, from*c, to*c)
	for i := from; i < to; i++ {
		at := (i - from) * c
		ops.SoftmaxGrad(d[at:][:c], x[at:][:c], int(l.y[i]), 1/float64(l.labels[0]))
	}
	l.d.store(l.b.level, d, from*c)
}

// sgd is an optimizer of ranges of parameters with one λ each. It repacks the bfloat16 copies of
// the weights that it changes.
type sgd struct {
	b           *Backend
	spec        backend.SGDSpec
	size        tensor.Shape
	ranges      []paramRange
	target      *buffer // of Step
	w, v, g     []float32
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

// SGD makes a plan of an optimizer.
func (b *Backend) SGD(s backend.SGDSpec) (backend.Optimizer, error) {
	o := &sgd{b: b, spec: s, size: tensor.Shape{s.Size}}
	o.stepTask, o.acrossTask, o.penaltyTask = o.stepJob, o.acrossJob, o.penaltyJob
	at := 0
	for _, d := range s.Decay {
		if d.Offset < at || d.Size < 0 || d.Size > s.Size-d.Offset {
			panic(errDecay)
		}
		o.split(at, d.Offset, 0)
		at = d.Offset + d.Size
		o.split(d.Offset, at, d.Lambda)
	}
	o.split(at, s.Size, 0)
	return o, nil
}

func (o *sgd) split(from, to int, lambda float32) {
	for i := range blocks(to-from, blockSize) {
		a, b := blockRange(to-from, blockSize, i)
		o.ranges = append(o.ranges, paramRange{from: from + a, to: from + b, lambda: lambda})
	}
}

// Step updates w and its velocity and measures the penalty of the old w.
func (o *sgd) Step(w tensor.Tensor, state []tensor.Tensor, g tensor.Tensor) {
	o.target = own(w)
	o.w, o.v, o.g = data(w, o.size), output(state[0], o.size).f32, data(g, o.size)
	o.b.pool.run(len(o.ranges), o.stepTask)
	if len(o.target.root.copies) > 0 {
		o.b.pool.run(len(o.ranges), o.acrossTask)
		o.target.repacked()
	}
	o.measure()
}

// Penalty measures the penalty of w.
func (o *sgd) Penalty(w tensor.Tensor) {
	o.w = data(w, o.size)
	o.b.pool.run(len(o.ranges), o.penaltyTask)
	o.measure()
}

// measure adds the penalties of the ranges, in order.
func (o *sgd) measure() {
	for i := range o.ranges {
		if p := &o.ranges[i]; p.lambda != 0 {
			o.b.current.Penalty += float64(p.lambda) * p.squares
		}
	}
}

func (o *sgd) stepJob(worker, job int) {
	p := &o.ranges[job]
	p.squares = o.b.level.SGD(o.w[p.from:p.to], o.v[p.from:p.to], o.g[p.from:p.to], ops.SGD{
		LearningRate: o.b.values.LearningRate,
		Momentum:     o.spec.Momentum,
		Lambda:       p.lambda,
		Nesterov:     o.spec.Nesterov,
	})
	for _, c := range o.target.root.copies {
		at := c.offset - o.target.offset
		c.packInside(worker, p.from-at, p.to-at)
	}
}

// acrossJob packs rows that span several ranges.
func (o *sgd) acrossJob(worker, job int) {
	p := &o.ranges[job]
	for _, c := range o.target.root.copies {
		at := c.offset - o.target.offset
		c.packAcross(worker, p.from-at, p.to-at)
	}
}

func (o *sgd) penaltyJob(_, job int) {
	if p := &o.ranges[job]; p.lambda != 0 {
		p.squares = o.b.level.SumSquares(o.w[p.from:p.to])
	}
}
