// Package classifytest provides a small trained model, and what it must answer, to tests.
package classifytest

import (
	"context"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
	"github.com/lamina-go/lamina/internal/sample"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

var generated = sync.OnceValue(func() *cifar.Dataset { return cifar.Shapes(1, 640, 300) })

// Shapes returns the dataset of the small model.
func Shapes() *cifar.Dataset {
	d := *generated()
	return &d
}

// Image returns test image i of the dataset.
func Image(i int) image.Image {
	return picturetest.RGB(Shapes().Test.Pixels[i*cifar.Size*cifar.Size*cifar.Channels:], cifar.Size)
}

// PNG returns test image i of the dataset as a file.
func PNG(t testing.TB, i int) []byte { return picturetest.PNG(t, Image(i)) }

// Small returns a network that trains in a moment.
func Small(height, width int) nn.Sequential {
	return nn.Sequential{Input: tensor.Shape{height, width, 3}, Classes: 10, Layers: []nn.Layer{
		nn.Conv2D{Filters: 16, Kernel: 3, L2: 1e-4}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
		nn.Conv2D{Filters: 32, Kernel: 3, L2: 1e-4}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
		nn.Conv2D{Filters: 32, Kernel: 3, L2: 1e-4}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
		nn.Flatten{}, nn.Dense{Units: 10}, nn.BatchNorm{},
	}}
}

// trainedRun is a run of the small model.
type trainedRun struct {
	folder     string
	validation nn.Result // of its last epoch
}

var trained = sync.OnceValues(func() (*trainedRun, error) {
	parent, err := os.MkdirTemp("", "classifytest")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(parent, "shapes") // the name that the page shows
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	d, n := Shapes(), cifar.MeanOnly()
	s := Small(32, 32)
	s.Labels, s.Mean, s.Std = d.Classes, n.Mean[:], []float32{1, 1, 1}
	network, err := nn.Build(s)
	if err != nil {
		return nil, err
	}
	b, err := cpu.Open(cpu.Options{})
	if err != nil {
		return nil, err
	}
	defer b.Close()
	t, err := nn.NewTrainer(b, network, nn.Config{
		Data: d.Training(n, cifar.None, 1), Validation: d.Validation(n),
		Epochs: 4, Batch: 32, Schedule: nn.Constant(0.02), Momentum: 0.9, Init: nn.HeNormal(), Seed: 1,
		Checkpoint: filepath.Join(dir, classify.CheckpointName),
	})
	if err != nil {
		return nil, err
	}
	if err := t.Run(context.Background()); err != nil {
		return nil, err
	}
	if err := sample.Write(dir, d); err != nil {
		return nil, err
	}
	return &trainedRun{dir, t.History[len(t.History)-1].Validation}, nil
})

// Folder is [Run] for examples, which have no testing.TB.
func Folder() (string, error) {
	r, err := trained()
	if err != nil {
		return "", err
	}
	return r.folder, nil
}

func run(t testing.TB) *trainedRun {
	t.Helper()
	r, err := trained()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Run returns the folder of a run of the small model, which is trained at the first call.
func Run(t testing.TB) string { t.Helper(); return run(t).folder }

// Checkpoint returns the checkpoint of the run.
func Checkpoint(t testing.TB) string {
	t.Helper()
	return filepath.Join(Run(t), classify.CheckpointName)
}

// Validation returns what the training measured on the test images.
func Validation(t testing.TB) nn.Result { t.Helper(); return run(t).validation }

// Remove deletes the run, at the end of the tests.
func Remove() {
	if r, err := trained(); err == nil {
		os.RemoveAll(filepath.Dir(r.folder))
	}
}

// OpenCPU opens the CPU for a test.
func OpenCPU(t testing.TB) backend.Backend {
	t.Helper()
	b, err := cpu.Open(cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// Untrained saves a network with its initial weights.
func Untrained(t testing.TB, s nn.Sequential) (path string) {
	t.Helper()
	network, err := nn.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	h, w, c := s.Input[0], s.Input[1], s.Input[2]
	data := &nn.Images{Height: h, Width: w, Channels: c, NumClasses: s.Classes, Pixels: make([]float32, h*w*c),
		Labels: []float32{0}}
	trainer, err := nn.NewTrainer(OpenCPU(t), network, nn.Config{Data: data, Validation: data, Epochs: 1, Batch: 1,
		Schedule: nn.Constant(0.01), Init: nn.HeNormal(), Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "model.lamina")
	if err := trainer.State.Save(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Probabilities returns what a Predictor says of test images with the small model.
func Probabilities(t testing.TB, from, to int) [][]float32 {
	t.Helper()
	m, err := nn.OpenModel(OpenCPU(t), Checkpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.NewPredictor(to - from)
	if err != nil {
		t.Fatal(err)
	}
	d := Shapes()
	d.Test.Pixels, d.Test.Labels = d.Test.Pixels[from*32*32*3:], d.Test.Labels[from:]
	for images := range d.Validation(cifar.MeanOnly()).Batches(nn.InOrder, 0, to-from) {
		all, err := p.Probabilities(images)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Collect(slices.Chunk(all, 10))
	}
	return nil
}

// Check compares the top classes of an image with the probabilities of all.
func Check(t testing.TB, got []classify.Class, top int, want []float32) {
	t.Helper()
	if len(got) != top {
		t.Errorf("%d classes, want %d", len(got), top)
		return
	}
	names := Shapes().Classes
	for i, s := range got {
		class := slices.Index(names, s.Label)
		if class < 0 || !(math.Abs(s.Probability-float64(want[class])) <= 1e-5) {
			t.Errorf("class %d is %v, want one of %v", i, s, want)
		}
		if i > 0 && !(s.Probability <= got[i-1].Probability) {
			t.Errorf("classes out of order: %v", got)
		}
	}
	if !(got[0].Probability >= float64(slices.Max(want))-1e-5) {
		t.Errorf("the first class is %v, want that of %v", got[0], want)
	}
}
