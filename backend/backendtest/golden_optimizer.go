package backendtest

import (
	"fmt"
	"math"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/tensor"
)

// optimizerTolerance is absolute, for weights of about 1.
const optimizerTolerance = 1e-6

// goldenSGD replays Keras's steps of SGD, with and without Nesterov, on all its weights
// in one tensor, and its L2 penalties.
func goldenSGD(t *testing.T, open func(t *testing.T) backend.Backend) {
	const file = "optimizer.safetensors"
	data := golden.Read(t, file)
	var settings struct {
		Momentum float32
		Rates    []float32 `json:"learning_rates"`
	}
	golden.JSON(t, "optimizer.json", &settings)
	// join puts a tensor of every weight behind each other.
	join := func(name func(weight int) string) []float32 {
		var all []float32
		for i := 0; data.Has(fmt.Sprintf("w%d/init", i)); i++ {
			all = append(all, data.Get(t, name(i)).Data...)
		}
		return all
	}
	initial := join(func(i int) string { return fmt.Sprintf("w%d/init", i) })
	steps := len(settings.Rates)
	if steps == 0 || len(initial) == 0 {
		t.Fatalf("no step in %s", file)
	}
	if data.Has(fmt.Sprintf("step%d/w0/grad", steps+1)) {
		t.Fatalf("%s has more steps than learning rates", file)
	}

	for _, nesterov := range []bool{true, false} {
		t.Run(fmt.Sprintf("nesterov_%t", nesterov), func(t *testing.T) {
			d := newDevice(t, open(t))
			plan, err := d.SGD(backend.SGDSpec{Size: len(initial), Momentum: settings.Momentum, Nesterov: nesterov})
			p := must(d, plan, err)
			shape := tensor.Shape{len(initial)}
			zero := make([]float32, len(initial))
			w, v, g := d.parameter(shape, initial), d.parameter(shape, zero), d.parameter(shape, zero)
			for k, lr := range settings.Rates {
				at := func(what string) []float32 {
					return join(func(i int) string { return fmt.Sprintf("step%d/w%d/%s", k+1, i, what) })
				}
				d.write(g, at("grad"))
				d.replay("step", backend.StepValues{LearningRate: lr}, func() { p.Step(w, []tensor.Tensor{v}, g) })
				if nesterov {
					golden.Within(t, fmt.Sprintf("weights after step %d", k+1), d.read(w), at("weight"), optimizerTolerance)
					golden.Within(t, fmt.Sprintf("velocities after step %d", k+1), d.read(v), at("velocity"), optimizerTolerance)
				}
			}
			if !nesterov {
				want := join(func(i int) string { return fmt.Sprintf("plain_momentum/w%d/weight_after_all", i) })
				golden.Within(t, "weights after all steps", d.read(w), want, optimizerTolerance)
			}
		})
	}
	for i := 0; data.Has(fmt.Sprintf("l2/%d/lambda", i)); i++ {
		t.Run(fmt.Sprintf("l2_%d", i), func(t *testing.T) {
			get := func(what string) []float32 { return data.Get(t, fmt.Sprintf("l2/%d/%s", i, what)).Data }
			w := data.Get(t, fmt.Sprintf("w%d/init", i)).Data
			zero := make([]float32, len(w))
			spec := backend.SGDSpec{Size: len(w), Decay: []backend.Decay{{Size: len(w), Lambda: get("lambda")[0]}}}
			// From no velocity and no other gradient, by the rate 1, v becomes −2λw.
			_, v, penalty := sgdStep(newDevice(t, open(t)), spec, 1, w, zero, zero)
			want := make([]float32, len(w))
			for j, g := range get("grad") {
				want[j] = -g
			}
			golden.Within(t, "gradient", v, want, optimizerTolerance*golden.Largest(want))
			if loss := float64(get("loss")[0]); !(math.Abs(penalty-loss) <= optimizerTolerance*loss) {
				t.Errorf("penalty %g, want %g", penalty, loss)
			}
		})
	}
}
