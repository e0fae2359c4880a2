package backendtest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/tensor"
)

//go:embed testdata/keras.json
var kerasJSON []byte

// kerasData is what testdata/make_keras.py wrote.
type kerasData struct {
	Functions []struct {
		Function         tensor.Function
		X, Y, Derivative []float32
	}
	Losses []struct {
		Sigmoid                          bool
		Smoothing                        float32
		Weights, Logits, Labels, DLogits []float32
		Classes                          int
		Loss                             float64
	}
	AdamW []struct {
		Settings struct {
			Beta1       float32 `json:"beta_1"`
			Beta2       float32 `json:"beta_2"`
			Epsilon     float32
			WeightDecay float32 `json:"weight_decay"`
		}
		Weights []float32
		Steps   []struct {
			Rate              float32
			Gradient, Weights []float32
		}
	}
}

func readKeras(t *testing.T) (data kerasData) {
	if err := json.Unmarshal(kerasJSON, &data); err != nil {
		t.Fatal(err)
	}
	if len(data.Functions) == 0 || len(data.Losses) == 0 || len(data.AdamW) == 0 {
		t.Fatal("testdata/keras.json lacks cases")
	}
	return data
}

// goldenFunctions compares activation functions and their derivatives with Keras's.
func goldenFunctions(t *testing.T, open func(t *testing.T) backend.Backend) {
	for _, c := range readKeras(t).Functions {
		t.Run(functionName(c.Function), func(t *testing.T) {
			d, shape := newDevice(t, open(t)), tensor.Shape{1, len(c.X)}
			plan, err := d.Function(shape, c.Function)
			ones := make([]float32, len(c.X))
			for i := range ones {
				ones[i] = 1
			}
			y, dx := activationPasses(d, must(d, plan, err), shape, shape, 0, c.X, ones, true)
			near(t, "y", y, c.Y, func(i int) float64 { return 1e-6 * (1 + math.Abs(float64(c.Y[i]))) })
			near(t, "dx", dx, c.Derivative, func(i int) float64 { return 1e-6 * (1 + math.Abs(float64(c.Derivative[i]))) })
		})
	}
}

// goldenLosses compares losses and their gradients with those that Keras's train_on_batch has.
func goldenLosses(t *testing.T, open func(t *testing.T) backend.Backend) {
	for _, c := range readKeras(t).Losses {
		t.Run(fmt.Sprintf("sigmoid_%t_smoothing_%g_weights_%t",
			c.Sigmoid, c.Smoothing, len(c.Weights) > 0), func(t *testing.T) {
			spec := backend.LossSpec{N: len(c.Labels), Classes: c.Classes, Sigmoid: c.Sigmoid, Smoothing: c.Smoothing}
			m, dlogits := lossPasses(newDevice(t, open(t)), spec, lossData{c.Logits, c.Labels, c.Weights}, true)
			if !(math.Abs(m.Loss-c.Loss) <= 1e-6*(1+c.Loss)) {
				t.Errorf("loss %g, want %g", m.Loss, c.Loss)
			}
			golden.Within(t, "dlogits", dlogits, c.DLogits, 1e-6)
		})
	}
}

// goldenAdamW replays Keras's steps of AdamW. Keras rounds 1 − β from a β in float64, a backend
// from one in float32, which are 1e-5 apart for β2 = 0.999. That is the share of the difference in
// a step, which is about the rate.
func goldenAdamW(t *testing.T, open func(t *testing.T) backend.Backend) {
	for i, c := range readKeras(t).AdamW {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			d, shape := newDevice(t, open(t)), tensor.Shape{len(c.Weights)}
			plan, err := d.AdamW(backend.AdamWSpec{Size: len(c.Weights), Beta1: c.Settings.Beta1, Beta2: c.Settings.Beta2,
				Epsilon: c.Settings.Epsilon, WeightDecay: c.Settings.WeightDecay})
			p, zero := must(d, plan, err), make([]float32, len(c.Weights))
			w, m, v, g := d.parameter(shape, c.Weights), d.parameter(shape, zero), d.parameter(shape, zero), d.parameter(shape, zero)
			moved := 0.0
			for k, s := range c.Steps {
				d.write(g, s.Gradient)
				d.replay("step", backend.StepValues{LearningRate: s.Rate, Step: uint64(k)}, func() { p.Step(w, []tensor.Tensor{m, v}, g) })
				moved += 3 * float64(s.Rate)
				golden.Within(t, fmt.Sprintf("weights after step %d",
					k+1), d.read(w), s.Weights, 1e-5*moved+8*float64(k+1)*unit*golden.Largest(s.Weights))
			}
		})
	}
}
