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
	return &loss{r, s}, nil
}

func (l *loss) args(logits, labels tensor.Tensor) (z, class []float64) {
	return l.ref.arg(logits, tensor.Shape{l.N, l.Classes}), l.ref.arg(labels, tensor.Shape{l.N})
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
		row, label := z[n*l.Classes:][:l.Classes], int(class[n])
		lse, best := logSumExp(row)
		m.Loss += (lse - row[label]) / float64(l.N)
		if best == label {
			m.Correct++
		}
	}
}

func (l *loss) Backward(dlogits, logits, labels tensor.Tensor) {
	z, class := l.args(logits, labels)
	d := l.ref.arg(dlogits, tensor.Shape{l.N, l.Classes})
	for n := range l.N {
		row, label := z[n*l.Classes:][:l.Classes], int(class[n])
		lse, _ := logSumExp(row)
		for i, v := range row {
			onehot := 0.0
			if i == label {
				onehot = 1
			}
			d[n*l.Classes+i] = (math.Exp(v-lse) - onehot) / float64(l.N)
		}
	}
}

type sgd struct {
	ref *reference
	backend.SGDSpec
	all    tensor.Shape
	lambda []float64 // of each parameter
}

func (r *reference) SGD(s backend.SGDSpec) (backend.Optimizer, error) {
	o := &sgd{r, s, tensor.Shape{s.Size}, make([]float64, s.Size)}
	end := 0
	for _, d := range s.Decay {
		if d.Offset < end || d.Size < 0 || d.Size > s.Size-d.Offset {
			panic(errDecay)
		}
		end = d.Offset + d.Size
		for i := d.Offset; i < end; i++ {
			o.lambda[i] = float64(d.Lambda)
		}
	}
	return o, nil
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

func (o *sgd) Penalty(w tensor.Tensor) {
	for i, x := range o.ref.arg(w, o.all) {
		o.ref.step.Penalty += o.lambda[i] * x * x
	}
}
