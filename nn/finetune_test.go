package nn

import (
	"context"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

func TestFreeze(t *testing.T) {
	s := Sequential{Input: tensor.Shape{8, 8, 3}, Classes: 2, Layers: []Layer{Conv2D{Name: "block1_conv1",
		Filters: 3, Kernel: 3},
		ReLU{},
		Conv2D{Name: "block1_conv2", Filters: 3, Kernel: 3}, MaxPool{Name: "block1_pool"},
		Residual{Layers: []Layer{Conv2D{Filters: 3, Kernel: 3}}},
		Flatten{}, Dense{Name: "fc", Units: 2}}}
	for _, c := range []struct{ patterns, want []string }{
		{[]string{"fc"}, []string{"fc"}},
		{[]string{"block1_conv*"}, []string{"block1_conv1", "block1_conv2"}},
		{[]string{"..block1_pool"}, []string{"block1_conv1", "activation", "block1_conv2", "block1_pool"}},
		{[]string{"fc", "..block1_conv1", "block1_conv1"}, []string{"fc", "block1_conv1"}},
		{[]string{"..conv2d"}, []string{"block1_conv1", "activation", "block1_conv2", "block1_pool", "conv2d"}},
		{nil, nil},
	} {
		got := s
		if err := got.Freeze(c.patterns...); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got.Frozen); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.patterns, diff)
		}
	}
	for _, pattern := range []string{"", "fc2", "block3*", "..fc2", "activation_1"} {
		if err := s.Freeze("fc", pattern); err == nil || !strings.Contains(err.Error(), `"`+pattern+`"`) || s.Frozen != nil {
			t.Errorf("%q: error %v, frozen %q", pattern, err, s.Frozen)
		}
	}
	if err := s.Freeze("*"); err != nil {
		t.Fatal(err)
	}
	net := mustBuild(t, s)
	if trainable, other := net.Parameters(); trainable != 0 || other == 0 {
		t.Errorf("%d of %d parameters train, want none", trainable, trainable+other)
	}
	c := tinyConfig()
	if _, err := NewTrainer(backendtest.Reference(), net, c); err == nil || !strings.Contains(err.Error(), "all that have weights are frozen") {
		t.Errorf("trained without a layer to train: %v", err)
	}
}

func TestNewHead(t *testing.T) {
	input := tensor.Shape{8, 8, 3}
	conv := Conv2D{Name: "conv", Filters: 4, Kernel: 3}
	for _, c := range []struct {
		name   string
		layers []Layer
		head   []Layer
		want   []Layer
	}{
		{"dense", []Layer{conv, Flatten{}, Dense{Name: "fc", Units: 5}, ReLU{},
			Dense{Name: "predictions", Units: 3}, BatchNorm{}}, nil,
			[]Layer{conv, Flatten{}, Dense{Name: "fc", Units: 5}, ReLU{}, Dense{Name: "head", Units: 7}}},
		{"convolution", []Layer{conv, ReLU{}, Conv2D{Filters: 3, Kernel: 1}, GlobalAveragePool{}}, nil,
			[]Layer{conv, ReLU{}, GlobalAveragePool{}, Dense{Name: "head", Units: 7}}},
		{"layers", []Layer{conv, Flatten{}, Dense{Name: "head", Units: 3}}, []Layer{
			Dense{Name: "hidden", Units: 4},
			ReLU{},
			Dense{Name: "classes", Units: 7},
		},
			[]Layer{conv, Flatten{}, Dense{Name: "hidden", Units: 4}, ReLU{}, Dense{Name: "classes", Units: 7}}},
		{"a head before", []Layer{conv, Flatten{}, Dense{Name: "head", Units: 3}}, nil,
			[]Layer{conv, Flatten{}, Dense{Name: "head_1", Units: 7}}},
		{"from", []Layer{conv, Flatten{Name: "flat"}, From{"flat", Dense{Units: 3}}}, nil,
			[]Layer{conv, Flatten{Name: "flat"}, From{"flat", Dense{Name: "head", Units: 7}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Sequential{Input: input, Classes: 3, Layers: c.layers, Labels: []string{"a", "b", "c"},
				Output: LogitsOutput}
			if err := s.Freeze("*"); err != nil {
				t.Fatal(err)
			}
			got, err := s.NewHead(7, c.head...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Layers); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Classes != 7 || got.Labels != nil || got.Output != SoftmaxOutput || !slices.Contains(got.Frozen, "conv") {
				t.Errorf("%+v", got)
			}
			mustBuild(t, got)
			if diff := cmp.Diff(c.layers, s.Layers); diff != "" {
				t.Errorf("the network itself changed:\n%s", diff)
			}
		})
	}
	s := Sequential{
		Input:   input,
		Classes: 4,
		Layers:  []Layer{conv, Residual{Layers: []Layer{Conv2D{Filters: 4, Kernel: 3}}}, GlobalMaxPool{}},
	}
	if _, err := s.NewHead(7); err == nil || !strings.Contains(err.Error(), "that a new head could replace") {
		t.Errorf("a network that ends in a residual: %v", err)
	}
	if _, err := s.NewHead(0, Dense{Name: "x", Units: 3}); err == nil {
		t.Error("no error for 0 classes")
	}
}

// TestFineTune trains a network with frozen layers from an opened model: bits of frozen layers,
// running statistics among them, never change, others do, and all start as in the model.
func TestFineTune(t *testing.T) {
	onBackends(t, func(t *testing.T, b backend.Backend) {
		net := graphs(t)["residual"]
		c := tinyConfig()
		c.Epochs = 1
		first := newTrainer(t, b, net, c)
		if err := first.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		s, err := net.NewHead(2)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Freeze("..add"); err != nil {
			t.Fatal(err)
		}
		tuned := mustBuild(t, s)
		c.From, c.Data, c.Validation, c.Schedule = first.Model, dataFor(tuned, 30), dataFor(tuned, 13), Constant(0.1)
		c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
		trainer := newTrainer(t, b, tuned, c)
		before := map[string][]float32{}
		for _, w := range tuned.Weights {
			if before[w.Name], err = trainer.Model.Get(w.Name); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(w.Name, "head/") {
				continue
			}
			want, err := first.Model.Get(w.Name)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(before[w.Name], want) {
				t.Errorf("%s does not begin as in the model", w.Name)
			}
		}
		if err := trainer.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		opened, err := OpenModel(b, c.Checkpoint)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*Model{trainer.Model, opened} {
			frozen := 0
			for _, row := range m.Table {
				for _, w := range row.Weights {
					after, err := m.Get(w.Name)
					if err != nil {
						t.Fatal(err)
					}
					same := slices.Equal(before[w.Name], after)
					if row.Frozen && !same || !row.Frozen && same {
						t.Errorf("%s: unchanged is %v, frozen %v", w.Name, same, row.Frozen)
					}
					if row.Frozen {
						frozen++
					}
				}
			}
			if frozen == 0 {
				t.Error("nothing is frozen")
			}
		}
		if _, err := NewTrainer(b,
			mustBuild(t, Sequential{
				Input:   net.Input,
				Classes: 2,
				Layers:  []Layer{Flatten{}, Dense{Name: "other", Units: 2}},
			}),
			c); err == nil ||
			!strings.Contains(err.Error(), "no layer with the name") {
			t.Errorf("weights of no layer in common: %v", err)
		}
	})
}

// A run of AdamW continues to the bit, and not with another optimizer.
func TestResumeOfAdamW(t *testing.T) {
	for _, level := range ops.FloatLevels() {
		b := openCPU(t, level)
		c := tinyConfig()
		c.Momentum, c.Optimizer = 0, AdamW{WeightDecay: 0.01}
		c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
		c.Schedule = Constant(0.01)
		whole := newTinyTrainer(t, b, c)
		if err := whole.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		stopped := newTinyTrainer(t, b, c)
		stopAfter(t, stopped, 5)
		resumed := newTinyTrainer(t, b, c)
		if err := resumed.Resume(c.Checkpoint); err != nil {
			t.Fatal(err)
		}
		if resumed.Step != 5 {
			t.Errorf("resumed in step %d, want 5", resumed.Step)
		}
		if err := resumed.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := ofState(t, whole.State)
		for name, got := range ofState(t, resumed.State) {
			if !slices.Equal(got, want[name]) {
				t.Errorf("%s differs after resuming", name)
			}
		}
		if last := whole.History[len(whole.History)-1]; !(last.Loss < whole.History[0].Loss) {
			t.Errorf("the loss did not fall: %+v", whole.History)
		}
		if err := whole.ReadVelocity(whole.Model.Weights[0], make([]float32, 1), 0); err == nil {
			t.Error("AdamW has velocities")
		}
		c.Momentum, c.Optimizer = 0.9, nil
		if err := newTinyTrainer(t, b, c).Resume(c.Checkpoint); err == nil || !strings.Contains(err.Error(), "adamw, not sgd") {
			t.Errorf("resumed with SGD: %v", err)
		}
	}
}

// The loss of training and validation has smoothed labels, that of training also class weights.
func TestLossOptions(t *testing.T) {
	onBackends(t, func(t *testing.T, b backend.Backend) {
		net := mustBuild(t, Sequential{
			Input:   tensor.Shape{7, 6, 2},
			Classes: 3,
			Layers:  []Layer{Flatten{}, Dense{Units: 3}},
		})
		c := tinyConfig()
		d := tinyData(12)
		c.Data, c.Validation, c.Schedule, c.Batch, c.Epochs = d, d, Constant(0), 12, 1
		c.LabelSmoothing, c.ClassWeights = 0.25, []float32{1, 0.5, 3}
		trainer := newTrainer(t, b, net, c)
		logits, err := trainer.predictor.Logits(d.Pixels)
		if err != nil {
			t.Fatal(err)
		}
		var plain, weighted float64
		for i, z := range slices.Collect(slices.Chunk(logits, 3)) {
			sum := 0.0
			for _, v := range z {
				sum += math.Exp(float64(v))
			}
			loss := 0.0
			for class, v := range z {
				target := 0.25 / 3
				if class == int(d.Labels[i]) {
					target += 0.75
				}
				loss -= target * (float64(v) - math.Log(sum)) / 12
			}
			plain += loss
			weighted += loss * float64(c.ClassWeights[int(d.Labels[i])])
		}
		if err := trainer.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		row := trainer.History[0]
		if got := row.CrossEntropy; !(math.Abs(got-weighted) <= 1e-5*weighted) {
			t.Errorf("loss of training %v, want %v", got, weighted)
		}
		if got := row.Validation.CrossEntropy; !(math.Abs(got-plain) <= 1e-5*plain) {
			t.Errorf("loss of validation %v, want %v", got, plain)
		}
	})
}

// A run without validation, with a schedule of its own, that reports every step.
func TestOwnScheduleWithoutValidation(t *testing.T) {
	c := tinyConfig()
	c.Validation, c.EveryStep = nil, true
	rates := map[int]float64{}
	c.Schedule = ScheduleFunc(func(step, perEpoch, epochs int) float64 {
		if perEpoch != 4 || epochs != 3 {
			t.Errorf("%d steps in %d epochs, want 4 and 3", perEpoch, epochs)
		}
		return 0.01 / float64(step+1)
	})
	c.OnStep = func(p Progress) { rates[4*(p.Epoch-1)+p.Step] = p.LearningRate }
	trainer := newTinyTrainer(t, openCPU(t, 0), c)
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := map[int]float64{}
	for step := range 12 {
		want[step+1] = 0.01 / float64(step+1)
	}
	if !maps.Equal(rates, want) {
		t.Errorf("rates by step %v, want %v", rates, want)
	}
	if rows, err := ReadHistory(strings.NewReader(historyOf(t, trainer.History))); err != nil || len(rows) != 3 || rows[2].Validation != (Result{}) {
		t.Errorf("history %v, %v", rows, err)
	}
	c.Schedule = Constant(-1)
	if err := newTinyTrainer(t, openCPU(t, 0), c).Run(context.Background()); err == nil || !strings.Contains(err.Error(), "learning rate of -1 in step 0") {
		t.Errorf("a negative rate: %v", err)
	}
}

// A run goes on with more layers, from a state of AdamW that begins there.
func TestContinue(t *testing.T) {
	c := tinyConfig()
	c.Checkpoint, c.Schedule = filepath.Join(t.TempDir(), "checkpoint.lamina"), Constant(0.01)
	c.Momentum, c.Optimizer = 0, AdamW{}
	frozen := tinyNetwork(t, true).Sequential
	if err := frozen.Freeze(tinyNetwork(t, true).Table[0].Name); err != nil {
		t.Fatal(err)
	}
	b := openCPU(t, 0)
	first := newTrainer(t, b, mustBuild(t, frozen), c)
	if err := first.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.Epochs++
	c.Optimizer = AdamW{Start: first.Step}
	second := newTinyTrainer(t, b, c)
	if err := second.Resume(c.Checkpoint); err == nil || !strings.Contains(err.Error(), "other frozen layers") {
		t.Errorf("Resume: %v", err)
	}
	if err := second.Continue(c.Checkpoint); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.Position, second.Position, cmp.AllowUnexported(sums{})); diff != "" {
		t.Error(diff)
	}
	for _, w := range first.Model.Weights {
		was, err := first.Model.Get(w.Name)
		if err != nil {
			t.Fatal(err)
		}
		if is, err := second.Model.Get(w.Name); err != nil || !slices.Equal(was, is) {
			t.Errorf("%s differs: %v", w.Name, err)
		}
	}
	if err := second.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	other := mustBuild(t, Sequential{
		Input:   frozen.Input,
		Classes: frozen.Classes,
		Layers:  []Layer{Flatten{}, Dense{Units: frozen.Classes}},
	})
	if err := newTrainer(t, b, other, c).Continue(c.Checkpoint); err == nil || !strings.Contains(err.Error(), "another network") {
		t.Errorf("another network: %v", err)
	}
	// The first step has the rate of a first step: √(1 − β₂)/(1 − β₁) of the whole.
	o := AdamW{Start: 40}
	scale := func(steps int) float64 {
		return math.Sqrt(1-math.Pow(0.999, float64(steps))) / (1 - math.Pow(0.9, float64(steps)))
	}
	for _, k := range []int{0, 1, 100} {
		if got, want := o.correction(40+k)*scale(41+k), scale(1+k); math.Abs(got-want) > 1e-6*want {
			t.Errorf("step %d: %v, want %v", k, got, want)
		}
	}
}
