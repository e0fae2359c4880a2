package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const errSigmoid = "cpu: a sigmoid loss has two classes"

// loss keeps the loss of each row, so that they are added in order.
type loss struct {
	b              *Backend
	logits, labels tensor.Shape
	weightShape    tensor.Shape
	entropy        ops.CrossEntropy
	classWeights   tensor.Tensor // or nil
	rows           int           // of a job
	losses         []float64
	correct        []bool
	x, d           array
	y, weights     []float32
	lossTask       func(worker, job int)
	gradTask       func(worker, job int)
}

// Loss makes a plan of a cross-entropy.
func (b *Backend) Loss(s backend.LossSpec) (backend.Loss, error) {
	outputs := s.Classes
	if s.Sigmoid {
		if s.Classes != 2 {
			panic(errSigmoid)
		}
		outputs = 1
	}
	l := &loss{
		b: b, logits: tensor.Shape{s.N, outputs}, labels: tensor.Shape{s.N}, weightShape: tensor.Shape{s.Classes},
		entropy:      ops.CrossEntropy{Sigmoid: s.Sigmoid, Smoothing: float64(s.Smoothing)},
		classWeights: s.Weights,
		rows:         max(1, 2048/outputs),
		losses:       make([]float64, s.N), correct: make([]bool, s.N),
	}
	l.lossTask, l.gradTask = l.lossJob, l.gradJob
	return l, b.reserve(l.rows * outputs)
}

// Forward measures the mean loss and the correct images.
func (l *loss) Forward(logits, labels tensor.Tensor) {
	l.read(logits, labels)
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
	l.read(logits, labels)
	l.d = output(dlogits, l.logits)
	l.b.pool.run(blocks(l.labels[0], l.rows), l.gradTask)
}

func (l *loss) read(logits, labels tensor.Tensor) {
	l.x, l.y = input(logits, l.logits), data(labels, l.labels)
	if l.classWeights != nil {
		l.weights = data(l.classWeights, l.weightShape)
	}
}

// weight returns the weight of a label.
func (l *loss) weight(label int) float64 {
	if l.weights == nil {
		return 1
	}
	return float64(l.weights[label])
}

func (l *loss) lossJob(worker, job int) {
	from, to := blockRange(l.labels[0], l.rows, job)
	c := l.logits[1]
	x := l.x.load(l.b.level, l.b.scratch(worker), from*c, to*c)
	for i := from; i < to; i++ {
		label := int(l.y[i])
		loss, correct := l.entropy.Loss(x[(i-from)*c:][:c], label)
		l.losses[i], l.correct[i] = loss*l.weight(label), correct
	}
}

func (l *loss) gradJob(worker, job int) {
	from, to := blockRange(l.labels[0], l.rows, job)
	c := l.logits[1]
	tmp := l.b.scratch(worker)
	x, d := l.x.load(l.b.level, tmp, from*c, to*c), l.d.dst(tmp, from*c, to*c)
	for i := from; i < to; i++ {
		at, label := (i-from)*c, int(l.y[i])
		l.entropy.Grad(d[at:][:c], x[at:][:c], label, l.weight(label)/float64(l.labels[0]))
	}
	l.d.store(l.b.level, d, from*c)
}
