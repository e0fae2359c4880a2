package nn

import (
	"cmp"
	"fmt"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// Optimizer is how a Trainer updates parameters: SGD or AdamW.
type Optimizer interface {
	// name is that in checkpoints, empty for SGD.
	name() string
	check() error
	// plan returns the optimizer of some parameters.
	plan(b backend.Backend, size int, decay []backend.Decay) (backend.Optimizer, error)
}

// SGD is stochastic gradient descent with Nesterov momentum.
type SGD struct {
	Momentum float32
}

// AdamW is Adam with decoupled weight decay (https://arxiv.org/abs/1711.05101), as in Keras. Fields
// that are 0 have Keras's values, except WeightDecay.
type AdamW struct {
	Beta1, Beta2 float32 // of the moving means of the gradient and of its square; 0 means 0.9 and 0.999
	Epsilon      float32 // 0 means 1e-7
	// WeightDecay d changes each parameter w by −lr·d·w in a step, biases and those of BatchNorm
	// among them. Keras's own AdamW has 0.004.
	WeightDecay float32
}

func (SGD) name() string   { return "" }
func (AdamW) name() string { return "adamw" }

func (o SGD) check() error {
	if !(o.Momentum >= 0 && o.Momentum < 1) {
		return fmt.Errorf("nn: momentum %g: must be at least 0 and below 1", o.Momentum)
	}
	return nil
}

func (o AdamW) check() error {
	for _, beta := range []float32{o.Beta1, o.Beta2} {
		if !(beta >= 0 && beta < 1) {
			return fmt.Errorf("nn: AdamW with β %g: must be at least 0 and below 1", beta)
		}
	}
	for _, v := range []float32{o.Epsilon, o.WeightDecay} {
		if !(v >= 0) || !tensor.Finite(v) {
			return fmt.Errorf("nn: AdamW with an epsilon of %g and a weight decay of %g: must be finite and at least 0", o.Epsilon, o.WeightDecay)
		}
	}
	return nil
}

func (o SGD) plan(b backend.Backend, size int, decay []backend.Decay) (backend.Optimizer, error) {
	return b.SGD(backend.SGDSpec{Size: size, Decay: decay, Momentum: o.Momentum, Nesterov: true})
}

func (o AdamW) plan(b backend.Backend, size int, decay []backend.Decay) (backend.Optimizer, error) {
	return b.AdamW(backend.AdamWSpec{Size: size, Decay: decay, Beta1: cmp.Or(o.Beta1, 0.9), Beta2: cmp.Or(o.Beta2, 0.999),
		Epsilon: cmp.Or(o.Epsilon, 1e-7), WeightDecay: o.WeightDecay})
}
