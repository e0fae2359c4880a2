package nn

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const injected = "the device is gone"

// failing is a backend of which one call fails.
type failing struct {
	backend.Backend
	calls *int // before the one that fails
}

func (f *failing) Scope() backend.Backend { return &failing{f.Backend.Scope(), f.calls} }

func (f *failing) err() error {
	*f.calls--
	if *f.calls == -1 {
		return errors.New(injected)
	}
	return nil
}

// try makes a call unless it is the one that fails.
func try[T any](f *failing, call func() (T, error)) (T, error) {
	if err := f.err(); err != nil {
		var none T
		return none, err
	}
	return call()
}

func (f *failing) Parameters(s tensor.Shape) (tensor.Tensor, error) {
	return try(f, func() (tensor.Tensor, error) { return f.Backend.Parameters(s) })
}

func (f *failing) Activations(s tensor.Shape) (tensor.Tensor, error) {
	return try(f, func() (tensor.Tensor, error) { return f.Backend.Activations(s) })
}

func (f *failing) Kernel(t tensor.Tensor, offset int, s tensor.Shape) (tensor.Tensor, error) {
	return try(f, func() (tensor.Tensor, error) { return f.Backend.Kernel(t, offset, s) })
}

func (f *failing) Write(dst tensor.Tensor, src []float32) error {
	return errors.Join(f.err(), f.Backend.Write(dst, src))
}

func (f *failing) Read(dst []float32, src tensor.Tensor) error {
	return errors.Join(f.err(), f.Backend.Read(dst, src))
}

func (f *failing) Conv2D(s backend.Conv2DSpec) (backend.Conv2D, error) {
	return try(f, func() (backend.Conv2D, error) { return f.Backend.Conv2D(s) })
}

func (f *failing) Dense(s backend.DenseSpec) (backend.Dense, error) {
	return try(f, func() (backend.Dense, error) { return f.Backend.Dense(s) })
}

func (f *failing) BatchNorm(s backend.BatchNormSpec) (backend.BatchNorm, error) {
	return try(f, func() (backend.BatchNorm, error) { return f.Backend.BatchNorm(s) })
}

func (f *failing) Flatten(s tensor.Shape) (backend.Activation, error) {
	return try(f, func() (backend.Activation, error) { return f.Backend.Flatten(s) })
}

func (f *failing) Loss(s backend.LossSpec) (backend.Loss, error) {
	return try(f, func() (backend.Loss, error) { return f.Backend.Loss(s) })
}

func (f *failing) SGD(s backend.SGDSpec) (backend.Optimizer, error) {
	return try(f, func() (backend.Optimizer, error) { return f.Backend.SGD(s) })
}

func (f *failing) Record(calls func()) backend.Step {
	return &failingStep{f.Backend.Record(calls), f}
}

type failingStep struct {
	backend.Step
	f *failing
}

func (s *failingStep) Run(v backend.StepValues) error {
	if err := s.f.err(); err != nil {
		return err
	}
	return s.Step.Run(v)
}

func (s *failingStep) Metrics(dst []backend.StepMetrics) ([]backend.StepMetrics, error) {
	metrics, err := s.Step.Metrics(dst)
	return metrics, errors.Join(s.f.err(), err)
}

// TestBackendFailures lets each call to the backend fail in turn: its error comes out, and the
// checkpoint is one that was saved as a whole.
func TestBackendFailures(t *testing.T) {
	real := openCPU(t, ops.Generic)
	path := filepath.Join(t.TempDir(), "checkpoint.lamina")
	// all trains an epoch, resumes, opens the model and classifies with it.
	all := func(b backend.Backend) error {
		c := tinyConfig()
		c.Epochs, c.Batch, c.Checkpoint = 1, 16, path
		trainer, err := NewTrainer(b, tinyNetwork(t, true), c)
		if err != nil {
			return err
		}
		if err := trainer.Run(context.Background()); err != nil {
			return err
		}
		if err := trainer.Resume(path); err != nil {
			return err
		}
		m, err := OpenModel(b, path)
		if err != nil {
			return err
		}
		p, err := m.NewPredictor(4)
		if err != nil {
			return err
		}
		if _, err := p.Evaluate(context.Background(), c.Validation); err != nil {
			return err
		}
		_, err = p.Probabilities(tinyData(5).Pixels)
		return err
	}
	for n := 0; ; n++ {
		calls := n
		f := &failing{real, &calls}
		err := all(f)
		if calls >= 0 { // no call was left to fail
			if err != nil {
				t.Error(err)
			}
			if n < 100 {
				t.Errorf("only %d calls", n)
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), injected) {
			t.Fatalf("call %d fails: error %v", n, err)
		}
		if _, err := os.Stat(path); err == nil {
			if _, err := OpenModel(real, path); err != nil {
				t.Fatalf("call %d fails: %v", n, err)
			}
		}
	}
}

func TestSaveRefusesNaN(t *testing.T) {
	c := tinyConfig()
	path := filepath.Join(t.TempDir(), "checkpoint.lamina")
	trainer := newTinyTrainer(t, openCPU(t, ops.Generic), c)
	if err := trainer.Save(path); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(-1)} {
		if err := trainer.Model.Set("fc/bias", append(make([]float32, 11), float32(bad))); err != nil {
			t.Fatal(err)
		}
		if err := trainer.Save(path); err == nil || !strings.Contains(err.Error(), "fc/bias has the value") {
			t.Errorf("error %v", err)
		}
		if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, good) {
			t.Errorf("the older checkpoint has changed, %v", err)
		}
	}
}
