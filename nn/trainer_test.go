package nn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// someNetworks returns networks in which layers meet in unlike ways.
func someNetworks(t *testing.T) map[string]*Network {
	input := tensor.Shape{7, 6, 2}
	build := func(layers ...Layer) *Network {
		return mustBuild(t, Sequential{Input: input, Classes: 3, Layers: layers})
	}
	return map[string]*Network{
		"frozen weights": mustBuild(t, Sequential{Input: input, Classes: 3, Frozen: []string{"whiten/kernel",
			"second/bias", "dense/kernel"}, Layers: []Layer{
			Conv2D{Name: "whiten", Filters: 16, Kernel: 2, Padding: Valid}, Conv2D{Name: "second", Filters: 3,
				Kernel: 3, L2: 0.01}, MaxPool{}, ReLU{}, Flatten{}, Dense{Units: 3, L2: 0.01}}}),
		"with BN":    tinyNetwork(t, true),
		"without BN": tinyNetwork(t, false),
		"dense only": build(Flatten{}, Dense{Units: 5, L2: 0.01}, ReLU{}, Dense{Units: 3}),
		"pool first": build(MaxPool{}, Conv2D{Filters: 3, Kernel: 3}, MaxPool{}, ReLU{}, Flatten{}, Dense{Units: 3}),
		"BN first": build(BatchNorm{}, Conv2D{Filters: 3, Kernel: 3}, BatchNorm{}, MaxPool{}, Flatten{},
			Dropout{Rate: 0.5}, Dense{Units: 3}),
		"one layer": build(Flatten{}, Dense{Units: 3}),
		"wide dense": build(Flatten{}, Dense{Units: 150, L2: 0.01}, BatchNorm{}, ReLU{}, Dropout{Rate: 0.5},
			Dense{Units: 3, L2: 0.01}),
	}
}

func newTrainer(t *testing.T, b backend.Backend, net *Network, c Config) *Trainer {
	t.Helper()
	trainer, err := NewTrainer(b, net, c)
	if err != nil {
		t.Fatal(err)
	}
	return trainer
}

// stepMetrics does a step on the first n images and returns what it measured.
func stepMetrics(t *testing.T, trainer *Trainer, d *Images, n int) backend.StepMetrics {
	t.Helper()
	if err := trainer.step(d.Pixels[:n*len(d.Pixels)/d.Len()], d.Labels[:n]); err != nil {
		t.Fatal(err)
	}
	metrics, err := trainer.last.step.Metrics(nil)
	if err != nil || len(metrics) != 1 {
		t.Fatalf("metrics %v, %v", metrics, err)
	}
	return metrics[0]
}

// TestGradients compares gradients with differences of the loss, on the reference backend, which
// computes in float64.
func TestGradients(t *testing.T) {
	networks := someNetworks(t)
	maps.Copy(networks, graphs(t))
	for name, net := range networks {
		t.Run(name, func(t *testing.T) {
			d, c := dataFor(net, 8), tinyConfig()
			c.Data, c.Validation, c.Schedule = d, d, Constant(0)
			trainer := newTrainer(t, backendtest.Reference(), net, c)
			loss := func() float64 {
				trainer.Step = 0 // the same dropout masks
				return stepMetrics(t, trainer, d, 8).Loss
			}
			r := rand.New(rand.NewPCG(1, 1))
			for _, w := range net.Weights {
				if !w.Trainable {
					continue
				}
				loss()
				gradient := read(t, trainer.Model, trainer.gradients, w.Name)
				values := read(t, trainer.Model, trainer.Model.parameters, w.Name)
				for range 5 {
					i := r.IntN(len(values))
					const step = 1.0 / (1 << 18) // few ReLUs change sides
					at := func(v float32) float64 {
						changed := slices.Clone(values)
						changed[i] = v
						if err := trainer.Model.Set(w.Name, changed); err != nil {
							t.Fatal(err)
						}
						return loss()
					}
					up, down := values[i]+step, values[i]-step
					want := (at(up) - at(down)) / (float64(up) - float64(down))
					if !(math.Abs(float64(gradient[i])-want) <= 1e-6) {
						t.Errorf("%s[%d]: gradient %v, by differences %v", w.Name, i, gradient[i], want)
					}
				}
				if err := trainer.Model.Set(w.Name, values); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// predict returns the logits of 13 images.
func predict(t *testing.T, m *Model) []float32 {
	t.Helper()
	p, err := m.NewPredictor(13)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	logits, err := p.Logits(dataFor(m.Network, 13).Pixels)
	if err != nil {
		t.Fatal(err)
	}
	return logits
}

// TestBackendsAgree trains on the reference and on each level of the CPU.
func TestBackendsAgree(t *testing.T) {
	networks := someNetworks(t)
	maps.Copy(networks, graphs(t))
	for name, net := range networks {
		t.Run(name, func(t *testing.T) {
			train := func(t *testing.T, b backend.Backend) *Trainer {
				c := tinyConfig()
				c.Data, c.Validation, c.Epochs = dataFor(net, 30), dataFor(net, 13), 1
				trainer := newTrainer(t, b, net, c)
				if err := trainer.Run(context.Background()); err != nil {
					t.Fatal(err)
				}
				return trainer
			}
			reference := train(t, backendtest.Reference())
			want := ofState(t, reference.State)
			logits := predict(t, reference.Model)
			for _, level := range ops.FloatLevels() {
				trainer := train(t, openCPU(t, level))
				for weight, got := range ofState(t, trainer.State) {
					golden.Within(t, fmt.Sprintf("%v: %s", level, weight), got, want[weight],
						2e-5*max(1, golden.Largest(want[weight])))
				}
				near(t, fmt.Sprintf("%v: logits", level), predict(t, trainer.Model), logits, 1e-4)
				a, b := reference.History[0], trainer.History[0]
				if !(math.Abs(a.Loss-b.Loss) <= 1e-5) || !(math.Abs(a.Validation.Loss-b.Validation.Loss) <= 1e-5) || a.Accuracy != b.Accuracy {
					t.Errorf("%v: epoch %+v, want %+v", level, b, a)
				}
			}
		})
	}
}

func TestTraining(t *testing.T) {
	c := tinyConfig()
	c.Epochs = 25
	c.Data = tinyData(300)
	c.Schedule = Constant(0.05)
	var progress []Progress
	c.OnStep = func(p Progress) { progress = append(progress, p) }
	var epochs []Row
	c.OnEpoch = func(r Row) error {
		epochs = append(epochs, r)
		return nil
	}
	trainer := newTinyTrainer(t, openCPU(t, ops.Generic), c)
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if last := epochs[len(epochs)-1]; !(last.Accuracy >= 0.85 && last.Validation.Accuracy >= 0.9 && last.Loss <= epochs[0].Loss/2) {
		t.Errorf("learnt little: %+v after %+v", last, epochs[0])
	}
	if diff := cmp.Diff(epochs, trainer.History); diff != "" {
		t.Errorf("OnEpoch and history differ:\n%s", diff)
	}
	for i, e := range epochs {
		if e.Epoch != i+1 || e.LearningRate != 0.05 || !(e.ImagesPerSecond > 0) {
			t.Errorf("row %d: %+v", i, e)
		}
	}
	last := progress[len(progress)-1]
	if last.Epoch != 25 || last.Step != 38 || last.Steps != 38 || last.Result != epochs[24].Result || last.LearningRate != 0.05 {
		t.Errorf("last progress %+v", last)
	}
	if err := trainer.Run(context.Background()); err != nil || len(epochs) != 25 {
		t.Errorf("running on after the end: %v, %d epochs", err, len(epochs))
	}
}

// TestOnValidation compares what the callback sees with the results of the epochs.
func TestOnValidation(t *testing.T) {
	c := tinyConfig()
	var correct, images int
	var labels []float32
	c.OnValidation = func(classes, logits []float32) {
		n := len(logits) / len(classes)
		for i, class := range classes {
			row := logits[i*n : (i+1)*n]
			if slices.Index(row, slices.Max(row)) == int(class) {
				correct++
			}
		}
		images += len(classes)
		labels = append(labels, classes...)
	}
	epochs := 0
	c.OnEpoch = func(r Row) error {
		want := c.Validation.(*Images).Labels
		if got := float64(correct) / float64(images); got != r.Validation.Accuracy || !slices.Equal(labels, want) {
			t.Errorf("epoch %d: accuracy %v of classes %v, want %v of %v", r.Epoch, got, labels,
				r.Validation.Accuracy, want)
		}
		correct, images, labels = 0, 0, nil
		epochs++
		return nil
	}
	trainer := newTinyTrainer(t, backendtest.Reference(), c)
	if err := trainer.Run(context.Background()); err != nil || epochs != c.Epochs {
		t.Fatal(epochs, err)
	}
}

func TestBatchLargerThanData(t *testing.T) {
	c := tinyConfig()
	c.Batch = 1000
	trainer := newTinyTrainer(t, openCPU(t, ops.Generic), c)
	if err := trainer.Run(context.Background()); err != nil || trainer.Step != 3 || trainer.History[0].Epoch != 1 {
		t.Errorf("%d steps in %d epochs, %v", trainer.Step, len(trainer.History), err)
	}
}

func TestConfigErrors(t *testing.T) {
	b := openCPU(t, ops.Generic)
	for want, change := range map[string]func(*Config){
		"-1 epochs":                 func(c *Config) { c.Epochs = -1 },
		"batch of 0":                func(c *Config) { c.Batch = 0 },
		"momentum NaN":              func(c *Config) { c.Momentum = float32(math.NaN()) },
		"no learning rate":          func(c *Config) { c.Schedule = nil },
		"no training data":          func(c *Config) { c.Data = nil },
		"has its own":               func(c *Config) { c.Optimizer = AdamW{} },
		"β 1":                       func(c *Config) { c.Optimizer, c.Momentum = AdamW{Beta2: 1}, 0 },
		"weight decay of -1":        func(c *Config) { c.Optimizer, c.Momentum = AdamW{WeightDecay: -1}, 0 },
		"label smoothing 1":         func(c *Config) { c.LabelSmoothing = 1 },
		"2 class weights for 3":     func(c *Config) { c.ClassWeights = []float32{1, 2} },
		"weight -1 of class 2":      func(c *Config) { c.ClassWeights = []float32{1, 2, -1} },
		"images of shape (6, 7, 2)": func(c *Config) { c.Data = &Images{Height: 6, Width: 7, Channels: 2} },
		"data of 4 classes": func(c *Config) {
			c.Validation = &Images{Height: 7, Width: 6,
				Channels: 2, NumClasses: 4}
		},
		"a dataset without images": func(c *Config) { c.Data = tinyData(0) },
	} {
		c := tinyConfig()
		change(&c)
		if _, err := NewTrainer(b, tinyNetwork(t, true), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// A network that drops out of images infers as the one without.
func TestDropoutOfImages(t *testing.T) {
	b := openCPU(t, ops.Generic)
	with := tinyNetwork(t, true).Sequential
	with.Layers = append([]Layer{Dropout{Name: "early", Rate: 0.5}}, with.Layers...)
	net := mustBuild(t, with)
	var logits [2][]float32
	for i, net := range []*Network{net, tinyNetwork(t, true)} {
		m, err := NewModel(b, net)
		if err == nil {
			err = m.Init(HeNormal(), 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err := m.NewPredictor(3)
		if err != nil {
			t.Fatal(err)
		}
		if logits[i], err = p.Logits(tinyData(3).Pixels); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(logits[0], logits[1]) {
		t.Errorf("logits %v, want %v", logits[0], logits[1])
	}
}

func TestDivergence(t *testing.T) {
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	c.Epochs = 1
	b := openCPU(t, ops.Generic)
	first := newTinyTrainer(t, b, c)
	if err := first.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(c.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name   string
		damage func(*Config) // in the second epoch
		want   string
	}{
		{"NaN in an image", func(c *Config) { c.Data.(*Images).Pixels[0] = float32(math.NaN()) },
			fmt.Sprintf("epoch 2, step %d: the loss is NaN", stepOfImage(t, 0))},
		{
			"NaN in validation",
			func(c *Config) { c.Validation.(*Images).Pixels[0] = float32(math.NaN()) },
			"epoch 2: the validation loss is NaN",
		},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := tinyConfig()
			c.Checkpoint = first.config.Checkpoint
			c.Epochs = 2
			x.damage(&c)
			trainer := newTinyTrainer(t, b, c)
			if err := trainer.Resume(c.Checkpoint); err != nil {
				t.Fatal(err)
			}
			err := trainer.Run(context.Background())
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("error %v, want one with %q", err, x.want)
			}
			if data, err := os.ReadFile(c.Checkpoint); err != nil || !bytes.Equal(data, good) {
				t.Errorf("the last good checkpoint is gone, %v", err)
			}
		})
	}
}

// stepOfImage returns the step, from 1, of the second epoch of tinyConfig in which an image is.
func stepOfImage(t *testing.T, image int) int {
	t.Helper()
	c := tinyConfig()
	d := c.Data.(*Images)
	d.Labels[image] = 100
	step := 0
	for _, labels := range d.Batches(1, 0, c.Batch) {
		step++
		if slices.Contains(labels, 100) {
			return step
		}
	}
	t.Fatal("the image is in no batch")
	return 0
}

func TestStepDoesNotAllocate(t *testing.T) {
	d := tinyData(8)
	for _, level := range ops.FloatLevels() {
		trainer := newTinyTrainer(t, openCPU(t, level), tinyConfig())
		n := testing.AllocsPerRun(20, func() {
			if err := trainer.step(d.Pixels, d.Labels); err != nil {
				t.Fatal(err)
			}
			trainer.metrics, _ = trainer.last.step.Metrics(trainer.metrics[:0])
		})
		if n != 0 {
			t.Errorf("%v: %v allocations a step", level, n)
		}
	}
}

func TestEvaluateIsCancelled(t *testing.T) {
	m := newTinyTrainer(t, openCPU(t, ops.Generic), tinyConfig()).Model
	p, err := m.NewPredictor(4)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Evaluate(ctx, tinyData(9)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := p.Logits(make([]float32, 7*6*2+1)); err == nil {
		t.Error("no error for a fraction of an image")
	}
	for _, sizes := range [][]int{{0}, {4, 0}, {4, 5}} {
		if _, err := m.NewPredictor(sizes[0], sizes[1:]...); err == nil {
			t.Errorf("no error for batches of %d", sizes)
		}
	}
}

func TestModelWeights(t *testing.T) {
	m := newTinyTrainer(t, openCPU(t, ops.Generic), tinyConfig()).Model
	for _, w := range m.Weights {
		values, err := m.Get(w.Name)
		if err != nil || len(values) != w.Shape.Size() {
			t.Fatalf("%s: %d values, %v", w.Name, len(values), err)
		}
		if w.FanIn == 0 && (slices.Min(values) != w.start || slices.Max(values) != w.start) {
			t.Errorf("%s starts as %v, want %v", w.Name, values, w.start)
		}
		if w.FanIn > 0 {
			want := make([]float32, len(values))
			HeNormal().fill(want, w, 9, 0)
			if !slices.Equal(values, want) {
				t.Errorf("%s is not as initialized", w.Name)
			}
		}
		for i := range values {
			values[i] = float32(i) + 0.5
		}
		if err := m.Set(w.Name, values); err != nil {
			t.Fatal(err)
		}
		if got, _ := m.Get(w.Name); !slices.Equal(got, values) {
			t.Errorf("%s: got %v, set %v", w.Name, got, values)
		}
		if err := m.Set(w.Name, values[1:]); err == nil {
			t.Errorf("%s: no error for a value too few", w.Name)
		}
	}
	if _, err := m.Get("fc/gamma"); err == nil {
		t.Error("no error for an unknown weight")
	}
	if err := m.Set("fc/gamma", nil); err == nil {
		t.Error("no error for an unknown weight")
	}
}

func TestWriteHistory(t *testing.T) {
	var b strings.Builder
	err := WriteHistory(&b, []Row{
		{1, Result{2.5, 0.1, 2.3125}, Result{2.25, 1.0 / 3, 2.125}, 0.01, 123.456},
		{2, Result{1e-7, 1, 0}, Result{0, 0, 0}, 0.001, 9},
	})
	want := "epoch,loss,accuracy,val_loss,val_accuracy,lr,images_per_s,cross_entropy,val_cross_entropy\n" +
		"1,2.5,0.1,2.25,0.3333333333333333,0.01,123.5,2.3125,2.125\n" +
		"2,1e-07,1,,,0.001,9.0,,\n"
	if err != nil || b.String() != want {
		t.Errorf("%v, %q, want %q", err, b.String(), want)
	}
}

func TestImagesBatches(t *testing.T) {
	d := tinyData(11)
	for i := range d.Labels { // so that each image is known by its label
		d.Labels[i] = float32(i)
		d.Pixels[i*84] = float32(i)
	}
	orders := map[string]bool{}
	for _, epoch := range []int{InOrder, 0, 1} {
		var order []float32
		for images, labels := range d.Batches(epoch, 0, 4) {
			if len(images) != 84*len(labels) || len(labels) != min(4, 11-len(order)) {
				t.Fatalf("%d values for %d images after %d", len(images), len(labels), len(order))
			}
			for i, l := range labels {
				if images[i*84] != l {
					t.Errorf("image %v has label %v", images[i*84], l)
				}
			}
			order = append(order, labels...)
		}
		var rest []float32
		for _, labels := range d.Batches(epoch, 1, 4) {
			rest = append(rest, labels...)
		}
		if !slices.Equal(rest, order[4:]) {
			t.Errorf("from batch 1: %v, the whole epoch is %v", rest, order)
		}
		orders[fmt.Sprint(order)] = true
		if sorted := slices.Sorted(slices.Values(order)); (epoch == InOrder) != slices.Equal(order, sorted) || sorted[0] != 0 || sorted[10] != 10 {
			t.Errorf("epoch %d: order %v", epoch, order)
		}
	}
	if len(orders) != 3 {
		t.Errorf("two epochs have the same order: %v", orders)
	}
}
