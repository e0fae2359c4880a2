//go:build cudnn && cgo && linux

package cudnn

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// openCard opens a backend on the machine's card. Where there is none the test is left out, unless
// LAMINA_CARD is set, which says that there is one.
func openCard(t testing.TB, o Options) *Backend {
	t.Helper()
	b, err := Open(o)
	if err != nil && os.Getenv("LAMINA_CARD") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// needPrecision leaves a test out where the card lacks a precision.
func needPrecision(t testing.TB, precision string) {
	t.Helper()
	b := openCard(t, Options{})
	defer b.Close()
	if precision != "fp32" && b.card.capability() < ampere {
		t.Skipf("the card has no %s", precision)
	}
}

// TestCard is the suite of all backends on a card, in each precision that it has.
func TestCard(t *testing.T) {
	for precision, options := range map[string]backendtest.Options{
		"fp32": {Mixed: true, Products: 4}, // cuDNN may take Winograd's algorithms
		"tf32": {Unit: 0x1p-11},
		"bf16": {Unit: 0x1p-8, Products: 2},
	} {
		t.Run(precision, func(t *testing.T) {
			o := Options{Precision: precision, Deterministic: true}
			needPrecision(t, precision)
			backendtest.Run(t, func(t *testing.T) backend.Backend { return openCard(t, o) }, options)
		})
	}
}

// TestCardGolden compares a card with Keras.
func TestCardGolden(t *testing.T) {
	backendtest.Golden(t, func(t *testing.T) backend.Backend { return openCard(t, Options{}) })
}

// BenchmarkCard trains the networks at batch 128, and reports the time of a step by the clock and
// by events on the card.
func BenchmarkCard(b *testing.B) {
	const batch, steps = 128, 100
	for _, precision := range Precisions() {
		for _, model := range []string{"vgg11", "vgg13", "vgg16", "vgg19"} {
			b.Run(model+"/"+precision, func(b *testing.B) {
				needPrecision(b, precision)
				card := openCard(b, Options{Precision: precision})
				defer card.Close()
				layers, err := nn.VGG(model, nn.VGGOptions{Input: tensor.Shape{32, 32, 3}, Classes: 10, BatchNorm: true, Dropout: 0.5, L2: 0.0005})
				if err != nil {
					b.Fatal(err)
				}
				net, err := nn.Build(layers)
				if err != nil {
					b.Fatal(err)
				}
				schedule, err := nn.ParseSchedule("0.0001")
				if err != nil {
					b.Fatal(err)
				}
				init, err := nn.ParseInit("he_normal")
				if err != nil {
					b.Fatal(err)
				}
				data := func(n int) *cifar.Loader {
					black := cifar.Images{Pixels: make([]byte, n*cifar.Size*cifar.Size*cifar.Channels), Labels: make([]int32, n)}
					return &cifar.Loader{Images: black, NumClasses: 10, Normalization: cifar.MeanOnly(), Augmentation: cifar.SubPixel}
				}
				var before, after time.Time
				config := nn.Config{Data: data(batch * steps), Validation: data(1), Epochs: 1 + b.N, Batch: batch, Schedule: schedule, Momentum: 0.9, Init: init}
				config.OnEpoch = func(r nn.Row) error {
					if after = time.Now(); r.Epoch == 1 { // which searched and recorded
						before = after
					}
					return nil
				}
				t, err := nn.NewTrainer(card, net, config)
				if err != nil {
					b.Fatal(err)
				}
				milliseconds, err := card.elapsed(func() error { return t.Run(context.Background()) })
				if err != nil {
					b.Fatal(err)
				}
				total := float64(steps * b.N)
				free, all := card.memoryInfo()
				b.ReportMetric(float64(after.Sub(before).Microseconds())/1000/total, "ms/step")
				b.ReportMetric(float64(milliseconds)/float64(steps*(1+b.N)), "card-ms/step-with-start")
				b.ReportMetric(float64((all-free)>>20), "MiB")
				b.Log(fmt.Sprint(card.Name(), " ", card.ConvTable()))
			})
		}
	}
}
