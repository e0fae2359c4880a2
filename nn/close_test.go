package nn

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/ops"
)

// savedModel saves the tiny network with weights and returns the checkpoint.
func savedModel(t *testing.T, b backend.Backend) (path string) {
	t.Helper()
	trainer := newTinyTrainer(t, b, tinyConfig())
	setAll(t, trainer.Model, 3)
	path = filepath.Join(t.TempDir(), "checkpoint.lamina")
	if err := trainer.Save(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func openModel(t *testing.T, b backend.Backend, path string) *Model {
	t.Helper()
	m, err := OpenModel(b, path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newPredictor(t *testing.T, m *Model, batch int, fewer ...int) *Predictor {
	t.Helper()
	p, err := m.NewPredictor(batch, fewer...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// onPrecisions runs a test on the CPU with two workers in both precisions.
func onPrecisions(t *testing.T, test func(t *testing.T, b *cpu.Backend)) {
	for _, bf16 := range []bool{false, true} {
		t.Run(fmt.Sprintf("bf16 %v", bf16), func(t *testing.T) {
			b, err := cpu.Open(cpu.Options{Threads: 2, BF16: bf16})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close() })
			test(t, b)
		})
	}
}

// answers returns the results of a predictor for 1 to 9 images and of an evaluation.
func answers(p *Predictor, data *Images) (all []float32, result Result, err error) {
	each := len(data.Pixels) / data.Len()
	for n := range 9 {
		x, err := p.Probabilities(data.Pixels[n*each : (2*n+1)*each])
		if err != nil {
			return nil, Result{}, err
		}
		all = append(all, x...)
	}
	result, err = p.EvaluateEach(context.Background(), data, func(_, logits []float32) { all = append(all, logits...) })
	return all, result, err
}

// Eight goroutines use one predictor, and a ninth a predictor of its own on the same model.
func TestConcurrentPredictions(t *testing.T) {
	onPrecisions(t, func(t *testing.T, b *cpu.Backend) {
		data := tinyData(19)
		m := openModel(t, b, savedModel(t, b))
		shared := newPredictor(t, m, 4, 1)
		want, wantResult, err := answers(shared, data)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range 9 {
			p := shared
			if i == 8 {
				p = newPredictor(t, m, 4, 1)
			}
			all.Go(func() {
				for range 5 {
					got, result, err := answers(p, data)
					if err != nil || !slices.Equal(got, want) || result != wantResult {
						t.Errorf("goroutine %d: other answers than alone, %+v, want %+v, %v", i, result, wantResult, err)
					}
				}
			})
		}
		all.Wait()
	})
}

// A trainer, two predictors of another model and one of the trainer's model work at once, each as
// if it were alone.
func TestConcurrentTraining(t *testing.T) {
	onPrecisions(t, func(t *testing.T, b *cpu.Backend) {
		alone := newTinyTrainer(t, b, tinyConfig())
		if err := alone.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		data := tinyData(19)
		m := openModel(t, b, savedModel(t, b))
		predictors := []*Predictor{newPredictor(t, m, 4), newPredictor(t, m, 7)}
		var want [2][]float32
		for i, p := range predictors {
			var err error
			if want[i], _, err = answers(p, data); err != nil {
				t.Fatal(err)
			}
		}
		c := tinyConfig()
		ran := make(chan struct{})
		together := newTinyTrainer(t, b, c)
		var all sync.WaitGroup
		for i, p := range predictors {
			all.Go(func() {
				for done := false; !done; {
					select {
					case <-ran:
						done = true
					default:
					}
					if got, _, err := answers(p, data); err != nil || !slices.Equal(got, want[i]) {
						t.Errorf("predictor %d: other answers than alone, %v", i, err)
					}
				}
			})
		}
		all.Go(func() {
			for range 3 { // of whatever the weights are now
				p := newPredictor(t, together.Model, 4)
				if _, _, err := answers(p, data); err != nil {
					t.Error(err)
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
		})
		if err := together.Run(context.Background()); err != nil {
			t.Error(err)
		}
		close(ran)
		all.Wait()
		sameState(t, alone.State, together.State)
	})
}

// Run within Run is an error, and so is Resume.
func TestConcurrentRuns(t *testing.T) {
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	var trainer *Trainer
	c.OnEpoch = func(Row) error {
		for what, err := range map[string]error{"Run": trainer.Run(context.Background()), "Resume": trainer.Resume(c.Checkpoint)} {
			if err != errBusy {
				t.Errorf("%s while the trainer runs: %v", what, err)
			}
		}
		return nil
	}
	trainer = newTinyTrainer(t, openCPU(t, ops.Generic), c)
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// mapped returns the bytes of this process's address space, 0 if that is not known.
func mapped(t *testing.T) (bytes int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		if runtime.GOOS == "linux" {
			t.Fatal(err)
		}
		return 0
	}
	if _, err := fmt.Sscan(string(text), &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes * os.Getpagesize()
}

func TestCloseGivesMemoryBack(t *testing.T) {
	onPrecisions(t, func(t *testing.T, b *cpu.Backend) {
		data, path := tinyData(19), savedModel(t, b)
		var bytes, space int
		for i := range 100 {
			m := openModel(t, b, path)
			p := newPredictor(t, m, 4)
			if err := m.Close(); err != nil { // the predictor has weights of its own
				t.Fatal(err)
			}
			if _, _, err := answers(p, data); err != nil {
				t.Fatal(err)
			}
			trainer := newTinyTrainer(t, b, tinyConfig())
			stepMetrics(t, trainer, data, 8)
			for _, c := range []interface{ Close() error }{p, trainer, p, m, trainer.Model} { // some again
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if i == 0 {
				bytes, space = b.Bytes(), mapped(t)
			} else if now := b.Bytes(); now != bytes {
				t.Fatalf("%d bytes after time %d, %d after the first", now, i+1, bytes)
			}
		}
		// Each of the three maps more than chunk bytes, which a leak would do 99 times. Go's heap
		// reserves its address space in pieces of the same size, and may have needed some.
		const chunk = 64 << 20
		if now := mapped(t); now > space+10*chunk {
			t.Errorf("the address space grew from %d to %d bytes", space, now)
		}
	})
}

// Whoever fails to make something gives the memory back.
func TestCloseAfterFailure(t *testing.T) {
	b, err := cpu.Open(cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	path := savedModel(t, b)
	m := openModel(t, b, path)
	newPredictor(t, m, 4).Close() // has made the scratch memory
	for what, f := range map[string]func(backend.Backend) error{
		"OpenModel": func(b backend.Backend) error { _, err := OpenModel(b, path); return err },
		"NewTrainer": func(b backend.Backend) error {
			_, err := NewTrainer(b, tinyNetwork(t, true), tinyConfig())
			return err
		},
	} {
		bytes, worked := b.Bytes(), false
		for n := 0; !worked; n++ {
			calls := n
			if err := f(&failing{b, &calls}); err == nil {
				worked = true
			} else if now := b.Bytes(); now != bytes {
				t.Fatalf("%s, of which call %d fails: %d bytes, %d before", what, n, now, bytes)
			}
		}
	}
}

// Goroutines that use a predictor while it is closed, or its backend, get an error.
func TestCloseWhileInUse(t *testing.T) {
	for what, text := range map[string]string{"predictor": "nn: the predictor is closed", "backend": "cpu: the backend is closed"} {
		t.Run(what, func(t *testing.T) {
			b, err := cpu.Open(cpu.Options{Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			data := tinyData(19)
			p := newPredictor(t, openModel(t, b, savedModel(t, b)), 4)
			var all sync.WaitGroup
			started := make(chan struct{}, 8)
			for range 8 {
				all.Go(func() {
					_, _, err := answers(p, data)
					started <- struct{}{}
					for err == nil {
						_, _, err = answers(p, data)
					}
					if err.Error() != text {
						t.Errorf("error %q, want %q", err, text)
					}
				})
			}
			<-started
			if what == "predictor" {
				err = p.Close()
			} else {
				err = b.Close()
			}
			if err != nil {
				t.Error(err)
			}
			all.Wait()
		})
	}
	trainer := newTinyTrainer(t, openCPU(t, ops.Generic), tinyConfig())
	if err := trainer.Close(); err != nil {
		t.Fatal(err)
	}
	_, get := trainer.Model.Get("fc/bias")
	_, predictor := trainer.Model.NewPredictor(1)
	for what, err := range map[string]error{"Run": trainer.Run(context.Background()), "Get": get, "NewPredictor": predictor} {
		if err == nil || err.Error() != "nn: the trainer is closed" {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}
