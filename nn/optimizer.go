package nn

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path"
	"strings"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// Optimizer is how a Trainer updates parameters: SGD, AdamW or Muon.
type Optimizer interface {
	// name is that in checkpoints, empty for SGD.
	name() string
	check() error
	// plan returns the optimizer of the parameters from from to to.
	plan(b backend.Backend, net *Network, from, to int) (backend.Optimizer, error)
	// rates returns learning rates of a step besides that of Config.Schedule.
	rates(step, stepsPerEpoch, epochs int) ([backend.MaxRates]float32, error)
	// rests reports whether a weight is a vector with a rate of 0: its gradient changes nothing.
	rests(w Weight, rates [backend.MaxRates]float32) bool
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
	// Start is the step of the run in which the moving means begin: 0, or that of Trainer.Continue.
	// The rate corrects them, so WeightDecay, too, is smaller in the first hundreds of steps.
	Start int
}

// correction returns the factor by which the rate of a step corrects moving means that began in
// Start instead of step 0.
func (o AdamW) correction(step int) float64 {
	bias := func(beta float32, steps int) float64 { return 1 - math.Pow(float64(beta), float64(steps)) }
	began := max(step-o.Start, 0) + 1
	one, two := cmp.Or(o.Beta1, adamBeta1), cmp.Or(o.Beta2, adamBeta2)
	return math.Sqrt(bias(two, began)/bias(two, step+1)) * bias(one, step+1) / bias(one, began)
}

// Keras's.
const adamBeta1, adamBeta2 = 0.9, 0.999

// Muon makes the updates of convolutions' kernels orthogonal
// (https://kellerjordan.github.io/posts/muon), by the learning rate of Config.Schedule, and keeps
// the kernels at a norm of √filters. Other parameters, and the kernels of DepthwiseConv2D, have SGD
// with Nesterov momentum and Rates of their own. Layers have no L2 penalties.
type Muon struct {
	Momentum   float32 // of the kernels, Nesterov's
	Iterations int     // of Newton and Schulz; 0 means 3
	Others     SGD
	Rates      []Rate // the first that matches counts; at most backend.MaxRates
}

// Rate is the learning rate of some weights.
type Rate struct {
	// Weights is a pattern of path.Match for their names, such as "*/bias" or "head/*".
	Weights  string
	Schedule Schedule
	// Decay d changes each of their elements w by −rate·d·w in a step, before momentum.
	Decay float32
}

func (SGD) name() string   { return "" }
func (AdamW) name() string { return adamW }
func (Muon) name() string  { return "muon" }

const adamW = "adamw"

// optimizers are the names in checkpoints.
var optimizers = []string{"", adamW, Muon{}.name()}

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
			return fmt.Errorf("nn: AdamW with an epsilon of %g and a weight decay of %g: must be finite and at least 0",
				o.Epsilon, o.WeightDecay)
		}
	}
	return nil
}

func (o Muon) check() error {
	if len(o.Rates) == 0 || len(o.Rates) > backend.MaxRates {
		return fmt.Errorf("nn: Muon with %d Rates: want 1 to %d", len(o.Rates), backend.MaxRates)
	}
	if o.Iterations < 0 || o.Iterations > 100 {
		return fmt.Errorf("nn: Muon with %d iterations: want 1 to 100, or 0 for 3", o.Iterations)
	}
	for _, r := range o.Rates {
		if _, err := path.Match(r.Weights, ""); err != nil {
			return fmt.Errorf("nn: Muon with a Rate for weights %q: want a pattern of path.Match", r.Weights)
		}
		if r.Schedule == nil {
			return fmt.Errorf("nn: Muon with a Rate for %q without a Schedule", r.Weights)
		}
		if !(r.Decay >= 0) || !tensor.Finite(r.Decay) {
			return fmt.Errorf("nn: Muon with a decay of %g for %q: must be finite and at least 0", r.Decay, r.Weights)
		}
	}
	return errors.Join(o.Others.check(), SGD{o.Momentum}.check())
}

func (o SGD) plan(b backend.Backend, net *Network, from, to int) (backend.Optimizer, error) {
	return b.SGD(backend.SGDSpec{Size: to - from, Decay: net.decay(from, to), Momentum: o.Momentum, Nesterov: true})
}

func (o AdamW) plan(b backend.Backend, net *Network, from, to int) (backend.Optimizer, error) {
	return b.AdamW(backend.AdamWSpec{Size: to - from, Decay: net.decay(from, to), Beta1: cmp.Or(o.Beta1, adamBeta1), Beta2: cmp.Or(o.Beta2, adamBeta2),
		Epsilon: cmp.Or(o.Epsilon, 1e-7), WeightDecay: o.WeightDecay})
}

func (o Muon) plan(b backend.Backend, net *Network, from, to int) (backend.Optimizer, error) {
	spec := backend.MuonSpec{Size: to - from, Momentum: o.Momentum, SGD: o.Others.Momentum, Iterations: cmp.Or(o.Iterations, 3)}
	for _, w := range net.Weights {
		first, end := max(from, w.Offset), min(to, w.Offset+w.Shape.Size())
		if !w.Trainable || first >= end {
			continue
		}
		if w.L2 > 0 {
			return nil, fmt.Errorf("nn: Muon and an L2 penalty on %q: Muon has Rate.Decay in its place", w.Name)
		}
		if w.orthogonal() {
			columns := w.Shape[len(w.Shape)-1]
			spec.Kernels = append(spec.Kernels, backend.MuonKernel{Offset: first - from, Rows: (end - first) / columns, Columns: columns})
			continue
		}
		i := o.rate(w.Name)
		if i < 0 {
			return nil, fmt.Errorf("nn: Muon has no Rate for the weight %q", w.Name)
		}
		spec.Others = append(spec.Others, backend.MuonRange{Offset: first - from, Size: end - first, Rate: i, Decay: o.Rates[i].Decay})
	}
	return b.Muon(spec)
}

// orthogonal reports whether w is the kernel of a convolution over all channels, whose updates Muon
// makes orthogonal.
func (w Weight) orthogonal() bool {
	return len(w.Shape) == 4 && !strings.HasSuffix(w.Name, "/depthwise_kernel")
}

// rate returns the index of the Rate of a weight, or −1.
func (o Muon) rate(weight string) int {
	for i, r := range o.Rates {
		if ok, _ := path.Match(r.Weights, weight); ok {
			return i
		}
	}
	return -1
}

func (SGD) rates(int, int, int) (all [backend.MaxRates]float32, err error)   { return all, nil }
func (AdamW) rates(int, int, int) (all [backend.MaxRates]float32, err error) { return all, nil }

func (SGD) rests(Weight, [backend.MaxRates]float32) bool   { return false }
func (AdamW) rests(Weight, [backend.MaxRates]float32) bool { return false }

func (o Muon) rests(w Weight, rates [backend.MaxRates]float32) bool {
	return len(w.Shape) == 1 && rates[o.rate(w.Name)] == 0
}

func (o Muon) rates(step, stepsPerEpoch, epochs int) (all [backend.MaxRates]float32, err error) {
	for i, r := range o.Rates {
		rate := r.Schedule.At(step, stepsPerEpoch, epochs)
		if err := checkRate(rate, step); err != nil {
			return all, err
		}
		all[i] = float32(rate)
	}
	return all, nil
}

// checkRate returns an error if a schedule gives no possible learning rate in a step.
func checkRate(rate float64, step int) error {
	if !tensor.Finite(rate) || rate < 0 {
		return fmt.Errorf("nn: the schedule gives a learning rate of %v in step %d: must be finite and at least 0",
			rate, step)
	}
	return nil
}
