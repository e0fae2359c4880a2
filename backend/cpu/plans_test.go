package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// elementwisePlans returns steps of plans that compute element by element, by name, and the tensors
// that they write.
func elementwisePlans(b *benchTensors) (steps map[string]func(), results map[string][]tensor.Tensor) {
	steps, results = map[string]func(){}, map[string][]tensor.Tensor{}
	shape := tensor.Shape{5, 20, 11, 70} // more than two jobs
	activation := func(name string, plan backend.Activation) {
		x, dy := b.activation(shape...), b.activation(shape...)
		y, dx := b.activation(shape...), b.activation(shape...)
		steps[name] = func() {
			plan.Forward(y, x)
			plan.Backward(dx, dy, x)
		}
		results[name] = []tensor.Tensor{y, dx}
	}
	merge := func(name string, plan backend.Merge, out tensor.Shape) {
		xs := []tensor.Tensor{b.activation(shape...), b.activation(shape...)}
		dxs := []tensor.Tensor{b.activation(shape...), b.activation(shape...)}
		y, dy := b.activation(out...), b.activation(out...)
		steps[name] = func() {
			plan.Forward(y, xs)
			plan.Backward(dxs, dy, xs)
		}
		results[name] = append(dxs, y)
	}
	for _, f := range []tensor.Function{{Kind: tensor.ReLU, Max: 1}, {Kind: tensor.GELU}, {Kind: tensor.SiLU}} {
		activation(string(f.Kind), must(b.Function(shape, f)))
		merge("add "+string(f.Kind), must(b.Add(backend.AddSpec{Shape: shape, Inputs: 2, Function: f})), shape)
	}
	activation("softmax", must(b.Softmax(shape)))
	for _, channels := range []bool{false, true} {
		activation(fmt.Sprint("dropout channels ", channels), must(b.Dropout(backend.DropoutSpec{Shape: shape, Rate: 0.5, Channels: channels})))
	}
	merge("add relu", must(b.Add(backend.AddSpec{Shape: shape, Inputs: 2, Function: tensor.Rectifier()})), shape)
	merge("concat", must(b.Concat(backend.ConcatSpec{Shapes: []tensor.Shape{shape, shape}})), tensor.Shape{5, 20, 11, 140})

	for _, spec := range []backend.BatchNormSpec{
		{Function: tensor.Function{Kind: tensor.SiLU}},
		{Function: tensor.Function{Kind: tensor.ReLU, Max: 1}, Frozen: true},
		{Function: tensor.Rectifier(), Frozen: true, Pool: true},
	} {
		spec.Shape, spec.Epsilon, spec.Momentum = shape, 1e-3, 0.9
		ys := shape
		if spec.Pool {
			ys = tensor.Shape{5, 10, 5, 70}
		}
		plan := must(b.BatchNorm(spec))
		x, dx, y, dy := b.activation(shape...), b.activation(shape...), b.activation(ys...), b.activation(ys...)
		gamma, mean, variance, dgamma := b.parameter(70), b.parameter(70), b.parameter(70), b.parameter(70)
		if err := b.Write(variance, []float32{69: 1}); err != nil {
			panic(err)
		}
		name := fmt.Sprintf("batch norm %s frozen %t pool %t", spec.Function.Kind, spec.Frozen, spec.Pool)
		steps[name] = func() {
			plan.Forward(y, x, gamma, nil, mean, variance)
			plan.Backward(dx, dgamma, nil, dy, x, gamma, nil)
		}
		results[name] = []tensor.Tensor{y, dx, dgamma, mean, variance}
	}
	const size = 3*blockSize + 5
	adamW := must(b.AdamW(backend.AdamWSpec{Size: size, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7, WeightDecay: 0.1}))
	w, g, state := b.parameter(size), b.parameter(size), []tensor.Tensor{must(b.Parameters(tensor.Shape{size})), must(b.Parameters(tensor.Shape{size}))}
	steps["AdamW"] = func() {
		b.values.LearningRate = 0.01
		adamW.Step(w, state, g)
	}
	results["AdamW"] = append(state, w)
	loss := must(b.Loss(backend.LossSpec{N: 700, Classes: 70, Smoothing: 0.1, Weights: b.parameter(70)}))
	logits, dlogits, labels := b.activation(700, 70), b.activation(700, 70), must(b.Parameters(tensor.Shape{700}))
	steps["loss"] = func() {
		loss.Forward(logits, labels)
		loss.Backward(dlogits, logits, labels)
	}
	results["loss"] = []tensor.Tensor{dlogits}
	return steps, results
}

// TestElementwisePlans checks that results do not depend on the number of workers, and that a step
// allocates nothing.
func TestElementwisePlans(t *testing.T) {
	eachStep(t, func(t *testing.T, o Options) {
		want := map[string][]float32{}
		for _, threads := range []int{1, 2, 5} {
			o.Threads = threads
			b := &benchTensors{open(t, o), rand.New(rand.NewPCG(1, 2))}
			steps, results := elementwisePlans(b)
			for name, step := range steps {
				step()
				var got []float32
				for _, result := range results[name] {
					x := make([]float32, result.Shape().Size())
					if err := b.Read(x, result); err != nil {
						t.Fatal(err)
					}
					got = append(got, x...)
				}
				if want[name] == nil {
					want[name] = got
				}
				for i := range got {
					if math.Float32bits(got[i]) != math.Float32bits(want[name][i]) {
						t.Fatalf("%s: with %d threads element %d is %g, with one %g", name, threads, i, got[i], want[name][i])
					}
				}
				if threads != 2 {
					continue
				}
				// In so many runs a thread that the runtime may start counts as nothing.
				if n := testing.AllocsPerRun(20, step); n != 0 {
					t.Errorf("%s: %g allocations a step", name, n)
				}
			}
		}
	})
}
