package keras

import (
	"context"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// modelTolerances are those of the reference data, relative to the largest value of a tensor.
type modelTolerances struct{ outputs, training, gradients, after float64 }

func tolerancesOf(name string) modelTolerances {
	if strings.HasSuffix(name, "vgg16_cifar") { // many BatchNorms in a row let rounding errors grow
		return modelTolerances{3e-6, 5e-4, 5e-3, 3e-3}
	}
	return modelTolerances{3e-6, 3e-6, 1e-4, 3e-6}
}

// goldenPixels returns a case's images as the network takes them.
func goldenPixels(t *testing.T, tensors *golden.Tensors, name string, m *nn.Network) []float32 {
	x := slices.Clone(tensors.Get(t, name+"/x").Data)
	for i := range x {
		if c := i % m.Input[2]; m.Mean != nil {
			x[i] = float32((float64(x[i]) - float64(m.Mean[c])) / float64(m.Std[c]))
		}
	}
	return x
}

// onGoldenModels runs a test of each file of each case on the reference and on the CPU at every
// level.
func onGoldenModels(t *testing.T, test func(t *testing.T, b backend.Backend, name string, c goldenModel, all *goldenModels, path string)) {
	on := func(name string, b backend.Backend) {
		t.Run(name, func(t *testing.T) {
			eachGoldenModel(t, func(t *testing.T, name string, c goldenModel, all *goldenModels, path string) {
				if c.Expect != "refuse" {
					test(t, b, name, c, all, path)
				}
			})
		})
	}
	on("reference", backendtest.Reference())
	for _, level := range ops.FloatLevels() {
		b, err := cpu.Open(cpu.Options{Level: level})
		if err != nil {
			t.Fatal(err)
		}
		on(level.String(), b)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// openGoldenModel opens a model, or skips one that may be rejected.
func openGoldenModel(t *testing.T, b backend.Backend, c goldenModel, path string) *nn.Model {
	t.Helper()
	m, _, err := OpenModel(b, path)
	if err != nil && c.Expect == "may refuse" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// TestGoldenModelsInfer compares logits and probabilities.
func TestGoldenModelsInfer(t *testing.T) {
	tensors := golden.Read(t, "models.safetensors")
	onGoldenModels(t, func(t *testing.T, b backend.Backend, name string, c goldenModel, _ *goldenModels, path string) {
		m := openGoldenModel(t, b, c, path)
		logits, probabilities := infer(t, m, goldenPixels(t, tensors, name, m.Network))
		wantLogits, wantProbabilities := tensors.Get(t, name+"/logits").Data, tensors.Get(t, name+"/probs").Data
		tolerance := tolerancesOf(name).outputs
		golden.Within(t, "logits", logits, wantLogits, tolerance*golden.Largest(wantLogits))
		golden.Within(t, "probs", probabilities, wantProbabilities, tolerance*golden.Largest(wantProbabilities))
	})
}

// infer returns a model's logits and probabilities as Keras gives them: of a sigmoid only that of
// class 1.
func infer(t *testing.T, m *nn.Model, x []float32) (logits, probabilities []float32) {
	t.Helper()
	n := len(x) / m.Input.Size()
	p, err := m.NewPredictor(n)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if logits, err = p.Logits(x); err != nil {
		t.Fatal(err)
	}
	if probabilities, err = p.Probabilities(x); err != nil {
		t.Fatal(err)
	}
	if m.Output == nn.SigmoidOutput {
		for _, list := range []*[]float32{&logits, &probabilities} {
			var second []float32
			for pair := range slices.Chunk(*list, 2) {
				second = append(second, pair[1])
			}
			*list = second
		}
	}
	return logits, probabilities
}

// withoutDropout returns the network as the reference data train it.
func withoutDropout(t *testing.T, s nn.Sequential) *nn.Network {
	t.Helper()
	s.Layers = slices.Clone(s.Layers)
	for i, l := range s.Layers {
		from, isFrom := l.(nn.From)
		if isFrom {
			l = from.Layer
		}
		if d, ok := l.(nn.Dropout); ok {
			d.Rate = 0
			s.Layers[i] = d
			if isFrom {
				s.Layers[i] = nn.From{Input: from.Input, Layer: d}
			}
		}
	}
	net, err := nn.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// oneBatch is a set of images that makes one batch, in its own order.
type oneBatch struct{ *nn.Images }

func (d oneBatch) Batches(_, _, _ int) iter.Seq2[[]float32, []float32] {
	return func(yield func(images, labels []float32) bool) { yield(d.Pixels, d.Labels) }
}

// recorder is a backend that keeps the logits of the first loss.
type recorder struct {
	backend.Backend
	logits *[]float32
}

func (r recorder) Scope() backend.Backend { return recorder{r.Backend.Scope(), r.logits} }

func (r recorder) Loss(s backend.LossSpec) (backend.Loss, error) {
	l, err := r.Backend.Loss(s)
	n := s.N * s.Classes
	if s.Sigmoid {
		n = s.N
	}
	return recordedLoss{l, r, n}, err
}

type recordedLoss struct {
	backend.Loss
	recorder
	size int
}

func (l recordedLoss) Forward(logits, labels tensor.Tensor) {
	if *l.logits == nil { // the others are of validation
		*l.logits = make([]float32, l.size)
		if err := l.Read(*l.logits, logits); err != nil {
			panic(err)
		}
	}
	l.Loss.Forward(logits, labels)
}

// TestGoldenModelsTrain compares the logits, the loss, the gradients, the weights and the
// statistics of a step.
func TestGoldenModelsTrain(t *testing.T) {
	tensors := golden.Read(t, "models.safetensors")
	onGoldenModels(t, func(t *testing.T, b backend.Backend, name string, c goldenModel, all *goldenModels, path string) {
		m := openGoldenModel(t, b, c, path)
		x, labels := goldenPixels(t, tensors, name, m.Network), tensors.Get(t, name+"/labels").Data
		data := oneBatch{&nn.Images{Height: m.Input[0], Width: m.Input[1], Channels: m.Input[2],
			NumClasses: m.Classes, Pixels: x, Labels: labels}}
		var logits []float32
		trainer, err := nn.NewTrainer(recorder{b, &logits}, withoutDropout(t, m.Sequential), nn.Config{Data: data,
			Validation: data, Epochs: 1, Batch: len(labels),
			Schedule: nn.Constant(all.Rate), Momentum: float32(all.Momentum), Init: nn.HeNormal()})
		if err != nil {
			t.Fatal(err)
		}
		defer trainer.Close()
		for _, w := range m.Weights {
			values, err := m.Get(w.Name)
			if err != nil {
				t.Fatal(err)
			}
			set(t, trainer.Model, w.Name, values)
		}
		trainer.Fresh = []string{} // in Keras, running statistics keep a rest of their values
		if err := trainer.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := name + "/loss"
		if tensors.Has(name + "/total_loss") {
			want = name + "/total_loss"
		}
		tolerance := tolerancesOf(name)
		compareScaled(t, "train_logits", logits, tensors.Get(t, name+"/train_logits").Data, tolerance.training)
		if loss := float64(tensors.Get(t, want).Data[0]); !(math.Abs(trainer.History[0].Loss-loss) <= tolerance.training*loss) {
			t.Errorf("loss %v, want %v", trainer.History[0].Loss, loss)
		}
		for _, w := range trainer.Model.Weights {
			values, err := trainer.Model.Get(w.Name)
			if err != nil {
				t.Fatal(err)
			}
			if key := name + "/bn/" + w.Name; tensors.Has(key) {
				compareScaled(t, key, values, tensors.Get(t, key).Data, tolerance.after)
			}
			if !w.Trainable {
				if before, err := m.Get(w.Name); !tensors.Has(name+"/bn/"+w.Name) && (err != nil || !slices.Equal(before, values)) {
					t.Errorf("%s has changed, %v", w.Name, err)
				}
				continue
			}
			compareScaled(t, "after/"+w.Name, values, tensors.Get(t, name+"/after/"+w.Name).Data, tolerance.after)
			gradient := make([]float32, w.Shape.Size())
			if err := trainer.ReadVelocity(w, gradient, 0); err != nil {
				t.Fatal(err)
			}
			for i := range gradient { // the velocity after one step is −rate·gradient
				gradient[i] /= -float32(all.Rate)
			}
			if slices.Contains(c.ZeroGradient, w.Name) {
				golden.Within(t, "grad/"+w.Name, gradient, make([]float32, len(gradient)), 1e-6)
				continue
			}
			compareScaled(t, "grad/"+w.Name, gradient, tensors.Get(t, name+"/grad/"+w.Name).Data, tolerance.gradients)
		}
	})
}

// compareScaled compares with a tolerance relative to the largest wanted value.
func compareScaled(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	golden.Within(t, what, got, want, tolerance*golden.Largest(want))
}

// TestGoldenModelsBF16 compares logits and probabilities in bf16. Each row of a network's table
// rounds its output, a relative error of 2⁻⁹ at most. How the network amplifies errors shows in
// what becomes of the outputs in float32 when kernels and images are rounded to bf16.
func TestGoldenModelsBF16(t *testing.T) {
	tensors := golden.Read(t, "models.safetensors")
	half, err := cpu.Open(cpu.Options{BF16: true})
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	full := openCPU(t)
	eachGoldenModel(t, func(t *testing.T, name string, c goldenModel, _ *goldenModels, path string) {
		if c.Expect == "refuse" {
			return
		}
		m, rounded := openGoldenModel(t, half, c, path), openGoldenModel(t, full, c, path)
		x := goldenPixels(t, tensors, name, m.Network)
		for _, w := range rounded.Weights {
			values, err := rounded.Get(w.Name)
			if err != nil {
				t.Fatal(err)
			}
			if len(w.Shape) > 1 {
				set(t, rounded, w.Name, roundedBF16(values))
			}
		}
		logits, probabilities := infer(t, m, x)
		roundedLogits, roundedProbabilities := infer(t, rounded, roundedBF16(x))
		for _, each := range []struct {
			what         string
			got, rounded []float32
		}{{"logits", logits, roundedLogits}, {"probs", probabilities, roundedProbabilities}} {
			want := tensors.Get(t, name+"/"+each.what).Data
			amplified := 0.0
			for i, v := range each.rounded {
				amplified = max(amplified, math.Abs(float64(v)-float64(want[i])))
			}
			golden.Within(t, each.what, each.got, want, 4*amplified+float64(len(m.Table))*0x1p-9*golden.Largest(want))
		}
	})
}

// roundedBF16 returns values rounded to bf16.
func roundedBF16(x []float32) []float32 {
	y := slices.Clone(x)
	for i, v := range y {
		bits := math.Float32bits(v)
		y[i] = math.Float32frombits((bits + 0x7fff + bits>>16&1) &^ 0xffff)
	}
	return y
}
