package backendtest

import (
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

type loss struct {
	ref *reference
	backend.LossSpec
}

func (r *reference) Loss(s backend.LossSpec) (backend.Loss, error) {
	if s.Sigmoid && s.Classes != 2 {
		panic(errSigmoid)
	}
	return &loss{r, s}, nil
}

// outputs returns the number of logits of an image.
func (l *loss) outputs() int {
	if l.Sigmoid {
		return 1
	}
	return l.Classes
}

func (l *loss) args(logits, labels tensor.Tensor) (z, class []float64) {
	return l.ref.arg(logits, tensor.Shape{l.N, l.outputs()}), l.ref.arg(labels, tensor.Shape{l.N})
}

// row returns the logits of image n, one for each class. The sigmoid of z is the softmax of 0 and
// z.
func (l *loss) row(z []float64, n int) []float64 {
	if l.Sigmoid {
		return []float64{0, z[n]}
	}
	return z[n*l.Classes:][:l.Classes]
}

// target returns what the probability of a class is compared with.
func (l *loss) target(class, label int) float64 {
	s := float64(l.Smoothing)
	if class == label {
		return 1 - s + s/float64(l.Classes)
	}
	return s / float64(l.Classes)
}

// share returns the weight of a label divided by N, for the mean.
func (l *loss) share(label int) float64 {
	if l.Weights != nil {
		return l.ref.arg(l.Weights, tensor.Shape{l.Classes})[label] / float64(l.N)
	}
	return 1 / float64(l.N)
}

// logSumExp returns log Σ exp(z), which does not overflow, and the index of the
// largest z, the first of equals.
func logSumExp(z []float64) (lse float64, best int) {
	for i, v := range z {
		if v > z[best] {
			best = i
		}
	}
	var sum float64
	for _, v := range z {
		sum += math.Exp(v - z[best])
	}
	return z[best] + math.Log(sum), best
}

func (l *loss) Forward(logits, labels tensor.Tensor) {
	z, class := l.args(logits, labels)
	m := &l.ref.step
	m.Images = l.N
	for n := range l.N {
		row, label := l.row(z, n), int(class[n])
		lse, best := logSumExp(row)
		for i, v := range row {
			if t := l.target(i, label); t != 0 {
				m.Loss += l.share(label) * t * (lse - v)
			}
		}
		if best == label {
			m.Correct++
		}
	}
}

func (l *loss) Backward(dlogits, logits, labels tensor.Tensor) {
	z, class := l.args(logits, labels)
	d := l.ref.arg(dlogits, tensor.Shape{l.N, l.outputs()})
	for n := range l.N {
		row, label := l.row(z, n), int(class[n])
		lse, _ := logSumExp(row)
		for i := range l.outputs() {
			j := i // the class of output i
			if l.Sigmoid {
				j = 1
			}
			d[n*l.outputs()+i] = (math.Exp(row[j]-lse) - l.target(j, label)) * l.share(label)
		}
	}
}

// penalty is an L2 penalty on ranges of the parameters.
type penalty struct {
	ref    *reference
	all    tensor.Shape
	lambda []float64 // of each parameter
}

func newPenalty(r *reference, size int, decay []backend.Decay) penalty {
	p := penalty{r, tensor.Shape{size}, make([]float64, size)}
	end := 0
	for _, d := range decay {
		if d.Offset < end || d.Size < 0 || d.Size > size-d.Offset {
			panic(errDecay)
		}
		end = d.Offset + d.Size
		for i := d.Offset; i < end; i++ {
			p.lambda[i] = float64(d.Lambda)
		}
	}
	return p
}

func (p penalty) Penalty(w tensor.Tensor) {
	for i, x := range p.ref.arg(w, p.all) {
		p.ref.step.Penalty += p.lambda[i] * x * x
	}
}

type sgd struct {
	penalty
	backend.SGDSpec
}

func (r *reference) SGD(s backend.SGDSpec) (backend.Optimizer, error) {
	return &sgd{newPenalty(r, s.Size, s.Decay), s}, nil
}

func (o *sgd) Step(w tensor.Tensor, state []tensor.Tensor, g tensor.Tensor) {
	o.Penalty(w)
	wv, vv, gv := o.ref.arg(w, o.all), o.ref.arg(state[0], o.all), o.ref.arg(g, o.all)
	lr, m := float64(o.ref.values.LearningRate), float64(o.Momentum)
	for i := range wv {
		move := -lr * (gv[i] + 2*o.lambda[i]*wv[i])
		vv[i] = m*vv[i] + move
		if o.Nesterov {
			wv[i] += m*vv[i] + move
		} else {
			wv[i] += vv[i]
		}
	}
}

type adamW struct {
	penalty
	backend.AdamWSpec
}

func (r *reference) AdamW(s backend.AdamWSpec) (backend.Optimizer, error) {
	return &adamW{newPenalty(r, s.Size, s.Decay), s}, nil
}

func (o *adamW) Step(w tensor.Tensor, state []tensor.Tensor, g tensor.Tensor) {
	o.Penalty(w)
	wv, gv := o.ref.arg(w, o.all), o.ref.arg(g, o.all)
	mv, vv := o.ref.arg(state[0], o.all), o.ref.arg(state[1], o.all)
	lr, t := float64(o.ref.values.LearningRate), float64(o.ref.values.Step+1)
	beta1, beta2 := float64(o.Beta1), float64(o.Beta2)
	rate := lr * math.Sqrt(1-math.Pow(beta2, t)) / (1 - math.Pow(beta1, t))
	for i := range wv {
		d := gv[i] + 2*o.lambda[i]*wv[i]
		mv[i] += (d - mv[i]) * (1 - beta1)
		vv[i] += (d*d - vv[i]) * (1 - beta2)
		wv[i] -= lr*float64(o.WeightDecay)*wv[i] + rate*mv[i]/(math.Sqrt(vv[i])+float64(o.Epsilon))
	}
}
