package nn

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// foldNetwork has a BatchNorm in every position: after layers that fold it, after others that do
// not, and twice in a row.
func foldNetwork(t testing.TB) *Network {
	return mustBuild(t, Sequential{Input: tensor.Shape{7, 6, 2}, Classes: 3, Layers: []Layer{
		BatchNorm{Epsilon: 0.1},
		Conv2D{Name: "conv1", Filters: 5, Kernel: 3, L2: 0.001}, BatchNorm{}, ReLU{}, MaxPool{}, BatchNorm{},
		Conv2D{Name: "conv2", Filters: 4, Kernel: 1, L2: 0.002}, ReLU{}, BatchNorm{Epsilon: 0.01},
		Conv2D{Name: "conv3", Filters: 6, Kernel: 3}, BatchNorm{}, BatchNorm{},
		Flatten{}, Dense{Name: "fc", Units: 12, L2: 0.001}, BatchNorm{Epsilon: 0.01}, ReLU{}, Dropout{Rate: 0.25},
		Dense{Name: "predictions", Units: 3}, BatchNorm{},
	}})
}

// setAll gives all weights random values; variances are positive.
func setAll(t testing.TB, m *Model, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	for _, w := range m.Weights {
		values := make([]float32, w.Shape.Size())
		for i := range values {
			values[i] = float32(r.NormFloat64())
			if !w.Trainable && w.start == 1 {
				values[i] = float32(0.1 + r.ExpFloat64())
			}
		}
		if err := m.Set(w.Name, values); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFolded compares a Predictor with the layers one by one in float64, as validation computes
// them.
func TestFolded(t *testing.T) {
	net, data := foldNetwork(t), tinyData(13)
	trainer, err := NewTrainer(backendtest.Reference(), net, tinyConfig())
	if err != nil {
		t.Fatal(err)
	}
	setAll(t, trainer.Model, 3)
	want, err := trainer.predictor.Logits(data.Pixels)
	if err != nil {
		t.Fatal(err)
	}
	wantResult, err := trainer.predictor.Evaluate(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	scale := float64(max(slices.Max(want), -slices.Min(want)))
	onBackends(t, func(t *testing.T, b backend.Backend) {
		m, err := NewModel(b, net)
		if err != nil {
			t.Fatal(err)
		}
		setAll(t, m, 3)
		for _, batch := range []int{13, 5, 20} {
			p, err := m.NewPredictor(batch)
			if err != nil {
				t.Fatal(err)
			}
			check := func() {
				t.Helper()
				got, err := p.Logits(data.Pixels)
				if err != nil {
					t.Fatal(err)
				}
				// The sums of six layers, each of at most 144 products.
				golden.Within(t, "logits", got, want, 100*0x1p-24*scale)
			}
			check()
			result, err := p.Evaluate(context.Background(), data)
			if err != nil {
				t.Fatal(err)
			}
			if result.Accuracy != wantResult.Accuracy || !(math.Abs(result.Loss-wantResult.Loss) <= 1e-5*wantResult.Loss) {
				t.Errorf("batches of %d: %+v, want %+v", batch, result, wantResult)
			}
			// The weights are those of the time when it was made.
			setAll(t, m, 4)
			check()
			setAll(t, m, 3)
			left := 0
			for _, row := range p.model.Table {
				if _, ok := row.Layer.(BatchNorm); ok {
					left++
				}
			}
			if left != 4 {
				t.Errorf("%d BatchNorms are left, want 4", left)
			}
		}
	})
}

// A predictor that takes the weights of its model answers as one with a copy does, with less
// memory.
func TestIntoPredictor(t *testing.T) {
	data := tinyData(19)
	test := func(t *testing.T, b backend.Backend) {
		nets := []*Network{foldNetwork(t), tinyNetwork(t, false), tinyNetwork(t, true)}
		for _, net := range graphs(t) { // folding gives a bias to layers without one
			if net.Classes == data.NumClasses {
				nets = append(nets, net)
			}
		}
		for _, net := range nets {
			m, err := NewModel(b, net)
			if err != nil {
				t.Fatal(err)
			}
			setAll(t, m, 3)
			want, wantResult, err := answers(newPredictor(t, m, 4, 1), data)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.IntoPredictor(4, 5); err == nil {
				t.Error("fewer images than 5 are 4")
			}
			p, err := m.IntoPredictor(4, 1)
			if err != nil {
				t.Fatal(err)
			}
			if p.model.parameters != m.parameters {
				t.Error("the weights are a copy")
			}
			for range 2 {
				got, result, err := answers(p, data)
				if err != nil || !slices.Equal(got, want) || result != wantResult {
					t.Errorf("%v and %+v, want %v and %+v; %v", got, result, want, wantResult, err)
				}
				if err := m.Close(); err != nil { // frees nothing of the predictor's
					t.Fatal(err)
				}
			}
			if _, err := m.Get(m.Weights[0].Name); err == nil || err.Error() != "nn: the model is closed" {
				t.Errorf("error %v, want that the model is closed", err)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Logits(data.Pixels); err == nil || err.Error() != "nn: the predictor is closed" {
				t.Errorf("error %v, want that the predictor is closed", err)
			}
		}
	}
	onBackends(t, test)
	onPrecisions(t, func(t *testing.T, b *cpu.Backend) { test(t, b) })
}

// TestPredictorKeepsWeights changes the kernels of a Predictor after its first batches: it has
// another form of them for the batch sizes that it was given.
func TestPredictorKeepsWeights(t *testing.T) {
	data := tinyData(4)
	for _, level := range ops.FloatLevels() {
		m, err := NewModel(openCPU(t, level), foldNetwork(t))
		if err != nil {
			t.Fatal(err)
		}
		setAll(t, m, 3)
		p, err := m.NewPredictor(4, 3, 1)
		if err != nil {
			t.Fatal(err)
		}
		var before [5][]float32
		logits := func(n int) []float32 {
			got, err := p.Logits(data.Pixels[:n*m.Input.Size()])
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		for n := 1; n <= 4; n++ {
			before[n] = logits(n)
		}
		for _, w := range p.model.Weights {
			if w.FanIn > 0 {
				if err := p.model.Set(w.Name, make([]float32, w.Shape.Size())); err != nil {
					t.Fatal(err)
				}
			}
		}
		for n := 1; n <= 4; n++ {
			if kept := slices.Equal(logits(n), before[n]); kept != (n != 2) {
				t.Errorf("%v, %d images: weights kept: %v", level, n, kept)
			}
		}
	}
}

func TestPredictionAllocatesNothing(t *testing.T) {
	for _, level := range ops.FloatLevels() {
		m, err := NewModel(openCPU(t, level), foldNetwork(t))
		if err != nil {
			t.Fatal(err)
		}
		setAll(t, m, 3)
		for _, batch := range []int{1, 40} {
			p, err := m.NewPredictor(batch)
			if err != nil {
				t.Fatal(err)
			}
			q, err := p.program(batch)
			if err != nil {
				t.Fatal(err)
			}
			if n := testing.AllocsPerRun(20, func() {
				if err := q.predict.Run(backend.StepValues{}); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%v, %d images: %v allocations", level, batch, n)
			}
		}
	}
}

func TestEvaluateEach(t *testing.T) {
	net, data := foldNetwork(t), tinyData(13)
	onBackends(t, func(t *testing.T, b backend.Backend) {
		m, err := NewModel(b, net)
		if err != nil {
			t.Fatal(err)
		}
		setAll(t, m, 3)
		p, err := m.NewPredictor(5)
		if err != nil {
			t.Fatal(err)
		}
		want, err := p.Logits(data.Pixels)
		if err != nil {
			t.Fatal(err)
		}
		var labels, logits []float32
		result, err := p.EvaluateEach(context.Background(), data, func(y, x []float32) {
			labels, logits = append(labels, y...), append(logits, x...)
		})
		if err != nil {
			t.Fatal(err)
		}
		if alone, err := p.Evaluate(context.Background(), data); err != nil || alone != result {
			t.Errorf("%v, %v with a function, %v without", result, err, alone)
		}
		if !slices.Equal(labels, data.Labels) || !slices.Equal(logits, want) {
			t.Errorf("labels %v, want %v; logits %v, want %v", labels, data.Labels, logits, want)
		}
	})
}
