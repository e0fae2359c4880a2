package nn

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/tensor"
)

// traceNet is the form in which the reference data describe a network.
type traceNet struct {
	Input      tensor.Shape `json:"input"`
	Blocks     [][][2]int   `json:"blocks"` // kernel, filters
	Dense      []int        `json:"dense"`
	Classes    int          `json:"classes"`
	L2         float32      `json:"l2"`
	DenseNames []string     `json:"dense_names"`
}

func (n traceNet) sequential() Sequential {
	s := Sequential{Input: n.Input, Classes: n.Classes}
	for b, block := range n.Blocks {
		for c, conv := range block {
			s.Layers = append(s.Layers, Conv2D{Name: fmt.Sprintf("block%d_conv%d", b+1, c+1),
				Kernel: conv[0], Filters: conv[1], L2: n.L2}, BatchNorm{}, ReLU{})
		}
		s.Layers = append(s.Layers, MaxPool{Name: fmt.Sprintf("block%d_pool", b+1)})
	}
	s.Layers = append(s.Layers, Flatten{})
	for i, units := range n.Dense {
		s.Layers = append(s.Layers, Dense{Name: n.DenseNames[i], Units: units, L2: n.L2}, BatchNorm{}, ReLU{})
	}
	s.Layers = append(s.Layers, Dense{Name: n.DenseNames[len(n.Dense)], Units: n.Classes, L2: n.L2}, BatchNorm{})
	return s
}

// withoutMean returns pixels as the networks take them.
func withoutMean(pixels []float32) []float32 {
	out := slices.Clone(pixels)
	for i := range out {
		out[i] -= [3]float32{123.680, 116.779, 103.939}[i%3]
	}
	return out
}

// read returns a weight from a flat tensor.
func read(t *testing.T, m *Model, flat tensor.Tensor, name string) []float32 {
	t.Helper()
	w, ok := m.Weight(name)
	if !ok {
		t.Fatalf("the network has no weight %q", name)
	}
	values := make([]float32, w.Shape.Size())
	if err := m.backend.Read(values, m.view(flat, w)); err != nil {
		t.Fatal(err)
	}
	return values
}

func TestGoldenTrace(t *testing.T) {
	onBackends(t, func(t *testing.T, b backend.Backend) {
		var net traceNet
		var rates []float64
		var batches []int
		var momentum float64
		trace := golden.Read(t, "trace.safetensors")
		trace.Meta(t, "net", &net)
		trace.Meta(t, "learning_rates", &rates)
		trace.Meta(t, "batches", &batches)
		trace.Meta(t, "momentum", &momentum)
		var facts struct {
			Steps []struct {
				Loss     float64 `json:"loss"`
				L2       float64 `json:"l2_loss"`
				Accuracy float64 `json:"accuracy"`
			} `json:"steps"`
			Evaluation struct {
				Loss     float64 `json:"loss"`
				Accuracy float64 `json:"accuracy"`
			} `json:"evaluation"`
			Checks struct {
				Epoch fitEpoch `json:"fit_epoch"`
			} `json:"checks"`
		}
		golden.JSON(t, "trace.json", &facts)
		if len(facts.Steps) != len(batches) {
			t.Fatalf("%d steps of %d batches", len(facts.Steps), len(batches))
		}
		depth := 0
		for _, block := range net.Blocks {
			depth += len(block)
		}
		// A deeper network lets a rounding error of the first layers grow, and turns more ReLUs
		// over.
		lossTolerance, weightTolerance := 2e-5, 1e-5
		if depth > 2 {
			lossTolerance, weightTolerance = 1e-4, 1e-4
		}
		images := withoutMean(trace.Get(t, "images").Data)
		labels := trace.Get(t, "labels").Data
		evaluation := &Images{net.Input[0], net.Input[1], net.Input[2], net.Classes,
			withoutMean(trace.Get(t, "eval/images").Data), trace.Get(t, "eval/labels").Data, 0}

		newTrainer := func(data Data, rate float64) *Trainer {
			trainer, err := NewTrainer(b, mustBuild(t, net.sequential()), Config{Data: data, Validation: evaluation,
				Epochs: 1, Batch: slices.Max(slices.Concat(batches, facts.Checks.Epoch.Sizes)), Schedule: Constant(rate), Momentum: float32(momentum), Init: HeNormal()})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range trainer.Model.Weights {
				if err := trainer.Model.Set(w.Name, trace.Get(t, "init/"+w.Name).Data); err != nil {
					t.Fatal(err)
				}
			}
			return trainer
		}
		set := &Images{net.Input[0], net.Input[1], net.Input[2], net.Classes, images, labels, 0}
		trainer := newTrainer(set, 0)
		m := trainer.Model

		// weights compares all weights with the tensors of a prefix. The bias of a layer before
		// a BatchNorm has a gradient of rounding noise only, in proportion to the kernel's.
		weights := func(prefix string, flat func(Weight) tensor.Tensor) {
			t.Helper()
			compared := 0
			for _, w := range m.Weights {
				if !trace.Has(prefix + w.Name) {
					continue
				}
				compared++
				want := slices.Clone(trace.Get(t, prefix+w.Name).Data)
				if prefix == "grad1/" { // our gradients are without the penalty's
					for i, v := range trace.Get(t, "init/"+w.Name).Data {
						want[i] -= 2 * w.L2 * v
					}
				}
				scale := golden.Largest(want)
				if layer, ok := strings.CutSuffix(w.Name, "/bias"); ok && (prefix == "grad1/" || prefix == "velocity/") {
					scale = golden.Largest(trace.Get(t, prefix+layer+"/kernel").Data)
				}
				golden.Within(t, prefix+w.Name, read(t, m, flat(w), w.Name), want, weightTolerance*scale)
			}
			if compared == 0 {
				t.Errorf("no tensors %s", prefix)
			}
		}
		gradients := func(Weight) tensor.Tensor { return trainer.gradients }
		velocities := func(Weight) tensor.Tensor { return trainer.velocities }

		each, at := net.Input.Size(), 0
		golden.Within(t, "images of the first batch", images[:batches[0]*each], trace.Get(t, "batch_x/1").Data, 0)
		for k, n := range batches {
			trainer.config.Schedule = Constant(rates[k])
			if err := trainer.step(images[at*each:(at+n)*each], labels[at:at+n]); err != nil {
				t.Fatal(err)
			}
			at += n
			metrics, err := trainer.last.step.Metrics(nil)
			if err != nil || len(metrics) != 1 {
				t.Fatalf("metrics %v, %v", metrics, err)
			}
			got, want := metrics[0], facts.Steps[k]
			if loss := got.Loss + got.Penalty; !(math.Abs(loss-want.Loss) <= lossTolerance*math.Max(1, want.Loss)) {
				t.Errorf("step %d: loss %v, want %v", k+1, loss, want.Loss)
			}
			if !(math.Abs(got.Penalty-want.L2) <= 1e-5*want.L2) {
				t.Errorf("step %d: penalty %v, want %v", k+1, got.Penalty, want.L2)
			}
			if accuracy := float64(got.Correct) / float64(got.Images); got.Images != n || !(math.Abs(accuracy-want.Accuracy) <= 1e-6) {
				t.Errorf("step %d: accuracy %v of %d images, want %v", k+1, accuracy, got.Images, want.Accuracy)
			}
			if k == 0 {
				weights("grad1/", gradients)
				weights("after1/", m.flat)
			}
		}
		weights("final/", m.flat)
		weights("velocity/", velocities)

		for _, batch := range []int{slices.Max(batches), max(1, evaluation.Len()-5)} { // the result does not depend on it
			predictor, err := m.NewPredictor(batch)
			if err != nil {
				t.Fatal(err)
			}
			result, err := predictor.Evaluate(context.Background(), evaluation)
			if err != nil {
				t.Fatal(err)
			}
			if want := facts.Evaluation; !(math.Abs(result.Loss-want.Loss) <= 1e-4*want.Loss) || !(math.Abs(result.Accuracy-want.Accuracy) <= 1e-6) {
				t.Errorf("evaluation in batches of %d: %+v, want %+v", batch, result, want)
			}
			probabilities, err := predictor.Probabilities(evaluation.Pixels)
			if err != nil {
				t.Fatal(err)
			}
			golden.Within(t, "eval/probs", probabilities, trace.Get(t, "eval/probs").Data, 1e-4)
		}

		t.Run("epoch", func(t *testing.T) {
			want := facts.Checks.Epoch
			trainer := newTrainer(&inBatches{set, want.Sizes}, 0.01)
			trainer.Fresh = []string{} // in Keras, running statistics keep a rest of their initial values
			if err := trainer.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			row := trainer.History[0]
			for _, x := range []struct {
				what      string
				got, want float64
				tolerance float64
			}{
				{"loss", row.Loss, want.Loss, lossTolerance * math.Max(1, want.Loss)},
				{"accuracy", row.Accuracy, want.Accuracy, 1e-6},
				{"val_loss", row.Validation.Loss, want.ValLoss, 1e-4 * want.ValLoss},
				{"val_accuracy", row.Validation.Accuracy, want.ValAccuracy, 1e-6},
			} {
				if !(math.Abs(x.got-x.want) <= x.tolerance) {
					t.Errorf("%s %v, want %v", x.what, x.got, x.want)
				}
			}
		})
	})
}

// fitEpoch is what Keras reports of an epoch of uneven batches at learning rate 0.01.
type fitEpoch struct {
	Sizes       []int   `json:"batch_sizes"`
	Loss        float64 `json:"epoch_loss"`
	Accuracy    float64 `json:"epoch_accuracy"`
	ValLoss     float64 `json:"val_loss"`
	ValAccuracy float64 `json:"val_accuracy"`
}

// inBatches is the beginning of a set of images in its own order, in batches of given sizes.
type inBatches struct {
	*Images
	sizes []int
}

func (d *inBatches) Len() (n int) {
	for _, size := range d.sizes {
		n += size
	}
	return n
}

func (d *inBatches) Batches(epoch, first, size int) iter.Seq2[[]float32, []float32] {
	each := d.Height * d.Width * d.Channels
	return func(yield func(images, labels []float32) bool) {
		at := 0
		for _, n := range d.sizes {
			if !yield(d.Pixels[at*each:(at+n)*each], d.Labels[at:at+n]) {
				return
			}
			at += n
		}
	}
}
