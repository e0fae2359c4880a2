//go:build cudnn && cgo && linux

package cudnn

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
)

// TestGoldenModels compares Keras's models with the backend on the fake libraries.
func TestGoldenModels(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	goldenModels(t, openFake(t, Options{Deterministic: true}), 1)
}

// TestCardGoldenModels compares them with a card, where cuDNN may take Winograd's algorithms.
func TestCardGoldenModels(t *testing.T) {
	goldenModels(t, openCard(t, Options{Deterministic: true}), cardOptions["fp32"].Products)
}

// goldenModels opens each of Keras's models on a backend, infers, and trains one step. factor
// multiplies the tolerances, which are those of the reference data.
func goldenModels(t *testing.T, b *Backend, factor float64) {
	defer b.Close()
	var all struct {
		Cases map[string]struct {
			Expect string
			Files  []struct{ File string }
		}
	}
	golden.JSON(t, "models.json", &all)
	data := golden.Read(t, "models.safetensors")
	for name, c := range all.Cases {
		if c.Expect != "ok" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			vgg := strings.Contains(name, "vgg16") // whose training has other tolerances, and takes long
			if vgg && testing.Short() {
				t.Skip("has 15 million weights")
			}
			m, _, err := keras.OpenModel(b, golden.Path(t, "models/"+c.Files[0].File))
			must(t, m, err)
			defer m.Close()
			x, labels := data.Get(t, name+"/x"), data.Get(t, name+"/labels")
			pixels := slices.Clone(x.Data)
			for i := range pixels {
				if channel := i % x.Shape[3]; m.Raw { // the file has a layer for it
					pixels[i] = (pixels[i] - m.Mean[channel]) / m.Std[channel]
				}
			}
			within := func(what string, got []float32, tolerance float64) {
				t.Helper()
				want := data.Get(t, name+"/"+what).Data
				golden.Within(t, what, got, want, factor*tolerance*golden.Largest(want))
			}
			predictor, err := m.NewPredictor(x.Shape[0])
			must(t, predictor, err)
			defer predictor.Close()
			logits, err := predictor.Logits(pixels)
			must(t, logits, err)
			if m.Output == nn.SigmoidOutput { // of class 0 and class 1, of which Keras has the second
				logits = slices.DeleteFunc(logits, func(v float32) bool { return v == 0 })
			}
			within("logits", logits, 3e-6)

			s := m.Sequential
			s.Layers = slices.Clone(s.Layers)
			for i, l := range s.Layers {
				if d, ok := l.(nn.Dropout); ok {
					d.Rate = 0
					s.Layers[i] = d
				}
			}
			net, err := nn.Build(s)
			must(t, net, err)
			trainer, err := nn.NewTrainer(b, net, nn.Config{
				Data:   &nn.Images{Height: x.Shape[1], Width: x.Shape[2], Channels: x.Shape[3], NumClasses: s.Classes, Pixels: pixels, Labels: labels.Data},
				Epochs: 1, Batch: x.Shape[0], Schedule: nn.Constant(0.05), Momentum: 0.9, Init: nn.HeNormal(), From: m,
			})
			must(t, trainer, err)
			defer trainer.Close()
			if err := trainer.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			tolerance := 3e-6
			if vgg {
				tolerance = 3e-3
			}
			for _, w := range net.Weights {
				what := "after/" + w.Name
				if !data.Has(name + "/" + what) {
					what = "bn/" + w.Name // the variance as in Keras 2, unbiased
				}
				if data.Has(name + "/" + what) {
					values, err := trainer.Model.Get(w.Name)
					within(what, must(t, values, err), tolerance)
				}
			}
		})
	}
}
