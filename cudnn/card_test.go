//go:build cudnn && cgo && linux

package cudnn

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/golden"
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

// cardOptions are the tolerances of a card, in each precision.
//
// TF32 keeps 11 significant bits of a factor. Hopper's tensor cores read float32 and ignore the
// other 13, so the error of a factor is below 2⁻¹⁰: that of truncation, twice that of rounding.
var cardOptions = map[string]backendtest.Options{
	"fp32": {Mixed: true, Products: 4}, // cuDNN may take Winograd's algorithms
	"tf32": {Unit: 0x1p-10, Truncated: true},
	"bf16": {Unit: 0x1p-8, Products: 2},
}

// shared returns what opens a backend for a case of the suite: a scope of one backend. The suite
// has more than a thousand cases, and to open a card takes some tenths of a second. What it checks
// of scopes gets a backend of its own.
func shared(t *testing.T, open func(t testing.TB) *Backend) func(t *testing.T) backend.Backend {
	b := open(t)
	t.Cleanup(func() { b.Close() })
	return func(t *testing.T) backend.Backend {
		if strings.Contains(t.Name(), "/Scopes/") {
			return open(t)
		}
		return b.Scope()
	}
}

// TestCard is the suite of all backends on a card, in each precision that it has.
func TestCard(t *testing.T) {
	for precision, options := range cardOptions {
		t.Run(precision, func(t *testing.T) {
			o := Options{Precision: precision, Deterministic: true}
			needPrecision(t, precision)
			backendtest.Run(t, shared(t, func(t testing.TB) *Backend { return openCard(t, o) }), options)
		})
	}
}

// TestCardMeasured is the part of the suite with convolutions, by the algorithms that a card takes
// after measuring.
func TestCardMeasured(t *testing.T) {
	for precision, options := range cardOptions {
		t.Run(precision, func(t *testing.T) {
			needPrecision(t, precision)
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			backendtest.RunConvolutions(t, shared(t, func(t testing.TB) *Backend { return openCard(t, Options{Precision: precision}) }), options)
		})
	}
}

// TestCardGolden compares a card with Keras. Where LAMINA_CARD says that there is a card, the
// reference data must be there, too.
func TestCardGolden(t *testing.T) {
	needPrecision(t, "fp32")
	if os.Getenv("LAMINA_CARD") != "" && golden.Folder() == "" {
		t.Fatalf("no reference data: set %s to its folder", golden.Variable)
	}
	o := Options{Deterministic: true}
	backendtest.Golden(t, shared(t, func(t testing.TB) *Backend { return openCard(t, o) }))
}

// noisyImages returns n images of random pixels and labels. On images of one colour a card would be
// faster.
func noisyImages(n, classes int) cifar.Images {
	images := cifar.Images{Pixels: make([]byte, n*cifar.Size*cifar.Size*cifar.Channels), Labels: make([]int32, n)}
	var seed [32]byte
	rand.NewChaCha8(seed).Read(images.Pixels) // which returns no error
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range images.Labels {
		images.Labels[i] = int32(rng.IntN(classes))
	}
	return images
}

// BenchmarkCard trains the networks at batch 128, and reports the time of a step by the clock and
// by events on the card.
func BenchmarkCard(b *testing.B) {
	const batch, steps = 128, 400
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
					return &cifar.Loader{Images: noisyImages(n, 10), NumClasses: 10, Normalization: cifar.MeanOnly(), Augmentation: cifar.SubPixel}
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
