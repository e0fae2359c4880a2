package nn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/tensor"
)

// counting is a backend that counts the values written to it, and stores sets of images.
type counting struct {
	backend.Augmenter
	*counted
}

// counted is what a backend and its scopes count.
type counted struct {
	written int
	sets    int
	err     error // instead of a set
}

func (c *counting) Scope() backend.Backend {
	return &counting{c.Augmenter.Scope().(backend.Augmenter), c.counted}
}

func (c *counting) Write(dst tensor.Tensor, src []float32) error {
	c.written += len(src)
	return c.Augmenter.Write(dst, src)
}

func (c *counting) Dataset(s backend.DatasetSpec) (backend.Dataset, error) {
	if c.err != nil {
		return nil, c.err
	}
	c.sets++
	return c.Augmenter.Dataset(s)
}

func newCounting() *counting {
	return &counting{backendtest.Reference().(backend.Augmenter), &counted{}}
}

// augmentedConfig trains and validates on 20 images, shifted by whole pixels, of which a backend
// can generate without rounding.
func augmentedConfig() Config {
	d := cifar.Shapes(1, 20, 7)
	c := tinyConfig()
	c.Epochs, c.Batch = 2, 8
	c.Data, c.Validation = d.Training(cifar.MeanOnly(), cifar.WholePixel, 3), d.Validation(cifar.MeanOnly())
	return c
}

// freshFlags is the number of values that say which BatchNorm layers are fresh, written once a run.
const freshFlags = 1

func augmentedNetwork(t *testing.T) *Network {
	return mustBuild(t, Sequential{Input: tensor.Shape{cifar.Size, cifar.Size, cifar.Channels}, Classes: 10, Layers: []Layer{
		Conv2D{Filters: 2, Kernel: 3}, BatchNorm{}, ReLU{}, MaxPool{}, MaxPool{}, MaxPool{}, Flatten{}, Dropout{Rate: 0.5}, Dense{Units: 10}}})
}

// TestGeneratedBatches trains where the backend generates the images, and where they are given to
// it: to the same state, and in a step nothing is written but the samples and the labels.
func TestGeneratedBatches(t *testing.T) {
	b, config := newCounting(), augmentedConfig()
	generated := newTrainer(t, b, augmentedNetwork(t), config)
	if b.sets != 2 {
		t.Fatalf("%d sets of images on the backend, want 2", b.sets)
	}
	b.written = 0
	if err := generated.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if want := config.Epochs*(20+7)*(backend.SampleSize+1) + freshFlags; b.written != want {
		t.Errorf("%d values were written, want %d", b.written, want)
	}

	config.Data, config.Validation = struct{ Data }{config.Data}, struct{ Data }{config.Validation}
	given := newTrainer(t, b, augmentedNetwork(t), config)
	if err := given.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if b.sets != 2 {
		t.Errorf("a set of %T on the backend", config.Data)
	}
	sameState(t, given.State, generated.State)
}

// A set that does not fit into the memory of the backend is given to it batch by batch; other
// errors are errors.
func TestSetsThatDoNotFit(t *testing.T) {
	b := newCounting()
	b.err = fmt.Errorf("full: %w", backend.ErrMemory)
	config := augmentedConfig()
	config.Epochs = 1
	trainer := newTrainer(t, b, augmentedNetwork(t), config)
	b.written = 0
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if want := (20+7)*(cifar.Size*cifar.Size*cifar.Channels+1) + freshFlags; b.written != want {
		t.Errorf("%d values were written, want %d", b.written, want)
	}
	b.err = errors.New(injected)
	if _, err := NewTrainer(b, augmentedNetwork(t), config); err == nil || !strings.Contains(err.Error(), injected) {
		t.Errorf("error %v", err)
	}
}
