package nn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/ops"
)

// tinyData returns n images for tinyNetwork: each class has a brighter region of its own.
func tinyData(n int) *Images {
	d := &Images{Height: 7, Width: 6, Channels: 2, NumClasses: 3, Seed: 5}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		class := i % 3
		d.Labels = append(d.Labels, float32(class))
		for p := range 7 * 6 * 2 {
			v := r.NormFloat64()
			if p*3/(7*6*2) == class {
				v++
			}
			d.Pixels = append(d.Pixels, float32(v))
		}
	}
	return d
}

// tinyConfig is a run of 3 epochs of 4 steps, the last smaller.
func tinyConfig() Config {
	schedule, err := ParseSchedule("cosine:0.1")
	if err != nil {
		panic(err)
	}
	return Config{Data: tinyData(30), Validation: tinyData(13), Epochs: 3, Batch: 8,
		Schedule: WarmUp(schedule, 1), Momentum: 0.9, Init: HeNormal(), Seed: 9}
}

func newTinyTrainer(t *testing.T, b backend.Backend, c Config) *Trainer {
	t.Helper()
	trainer, err := NewTrainer(b, tinyNetwork(t, true), c)
	if err != nil {
		t.Fatal(err)
	}
	return trainer
}

// ofState returns all values of a state by name.
func ofState(t *testing.T, s *State) map[string][]float32 {
	t.Helper()
	all := map[string][]float32{}
	for _, w := range s.Model.Weights {
		all[w.Name] = read(t, s.Model, s.Model.flat(w), w.Name)
		if w.Trainable {
			for i, state := range s.states() {
				all[s.prefixes()[i]+w.Name] = read(t, s.Model, state, w.Name)
			}
		}
	}
	return all
}

func sameState(t *testing.T, want, got *State) {
	t.Helper()
	bits := cmp.Comparer(func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
	if diff := cmp.Diff(ofState(t, want), ofState(t, got), bits); diff != "" {
		t.Errorf("weights or velocities differ (-want +got):\n%s", diff)
	}
	timing := []cmp.Option{cmpopts.IgnoreFields(Row{}, "ImagesPerSecond"), cmpopts.IgnoreFields(Position{}, "Seconds")}
	if diff := cmp.Diff(want.Position, got.Position, timing...); diff != "" {
		t.Errorf("position or history differs (-want +got):\n%s", diff)
	}
}

func TestResumeRepeatsTheBits(t *testing.T) {
	for _, level := range ops.FloatLevels() {
		t.Run(level.String(), func(t *testing.T) {
			b := openCPU(t, level)
			alone := newTinyTrainer(t, b, tinyConfig())
			if err := alone.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if len(alone.History) != 3 || alone.Step != 12 {
				t.Fatalf("%d epochs, %d steps", len(alone.History), alone.Step)
			}
			for stop := range 13 { // steps after which the run is stopped; 4, 8 and 12 end an epoch
				c := tinyConfig()
				c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
				stopAfter(t, newTinyTrainer(t, b, c), stop)
				resumed := newTinyTrainer(t, b, c)
				if err := resumed.Resume(c.Checkpoint); err != nil {
					t.Fatal(err)
				}
				if resumed.Step != stop {
					t.Fatalf("resumed at step %d, want %d", resumed.Step, stop)
				}
				if err := resumed.Run(context.Background()); err != nil {
					t.Fatal(err)
				}
				sameState(t, alone.State, resumed.State)

				last := newTinyTrainer(t, b, c)
				if err := last.Resume(c.Checkpoint); err != nil {
					t.Fatal(err)
				}
				sameState(t, alone.State, last.State)
			}
		})
	}
}

func TestThreadsGiveTheSameBits(t *testing.T) {
	for _, bf16 := range []bool{false, true} {
		var first *Trainer
		for _, threads := range []int{1, 2, 3} {
			b, err := cpu.Open(cpu.Options{Threads: threads, BF16: bf16})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			trainer := newTinyTrainer(t, b, tinyConfig())
			if err := trainer.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = trainer
			}
			sameState(t, first.State, trainer.State)
		}
	}
}

// stopAfter runs a trainer and cancels it after some steps.
func stopAfter(t *testing.T, trainer *Trainer, steps int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := 0
	before(trainer.data, func() {
		if done == steps {
			cancel()
		}
		done++
	})
	if steps == trainer.Steps()*trainer.config.Epochs { // during the last validation
		before(trainer.measured, func() {
			if done == steps {
				cancel()
			}
		})
	}
	if err := trainer.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped run: %v", err)
	}
}

// before lets a source call a function before each batch that it gives.
func before(s *source, call func()) {
	batches := s.batches
	s.batches = func(epoch, first, size int) iter.Seq2[[]float32, []float32] {
		return func(yield func(images, labels []float32) bool) {
			for images, labels := range batches(epoch, first, size) {
				call()
				if !yield(images, labels) {
					return
				}
			}
		}
	}
}

// saved returns the bytes of the checkpoint of a run of two steps.
func saved(t *testing.T, b backend.Backend) []byte {
	t.Helper()
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	stopAfter(t, newTinyTrainer(t, b, c), 6)
	data, err := os.ReadFile(c.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCheckpointIsSafetensors(t *testing.T) {
	b := openCPU(t, ops.Generic)
	data := saved(t, b)
	h, err := safetensors.ReadHeader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(h.Entries, func(e safetensors.Entry) bool { return e.Name == "fc/kernel" })
	if i < 0 || !slices.Equal(h.Entries[i].Shape, []int{36, 12}) || h.Metadata["position"] == "" {
		t.Errorf("header %+v", h)
	}
	last := h.Entries[len(h.Entries)-1]
	sum := sha256.Sum256(data[:len(data)-32])
	if last.Name != "sha256" || last.Type != "U8" || !bytes.Equal(data[len(data)-32:], sum[:]) {
		t.Errorf("the file does not end in its checksum: %+v", last)
	}
}

func TestOpenModel(t *testing.T) {
	b := openCPU(t, ops.Generic)
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	trainer := newTinyTrainer(t, b, c)
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	m, err := OpenModel(b, c.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(trainer.Model.Sequential, m.Sequential); diff != "" {
		t.Errorf("network (-want +got):\n%s", diff)
	}
	p, err := m.NewPredictor(5)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Evaluate(context.Background(), c.Validation)
	if err != nil {
		t.Fatal(err)
	}
	if want := trainer.History[2].Validation; got.Accuracy != want.Accuracy || !(math.Abs(got.Loss-want.Loss) <= 1e-6*want.Loss) {
		t.Errorf("evaluation %+v, want %+v", got, want)
	}
}

func TestSaveOnFullDisk(t *testing.T) {
	if !clitest.Alone(t) {
		return
	}
	b := openCPU(t, ops.Generic)
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	stopAfter(t, newTinyTrainer(t, b, c), 3)
	before, err := os.ReadFile(c.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	clitest.LimitFiles(t, uint64(len(before)/2))
	if err := newTinyTrainer(t, b, c).Run(context.Background()); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("error %v, want that the file is too large", err)
	}
	if after, err := os.ReadFile(c.Checkpoint); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the older checkpoint has changed, %v", err)
	}
}

func TestCheckpointWithinEpoch(t *testing.T) {
	b := openCPU(t, ops.Generic)
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	c.CheckpointEvery = time.Nanosecond
	trainer := newTinyTrainer(t, b, c)
	seen := map[int]bool{}
	before(trainer.data, func() {
		time.Sleep(pollInterval) // so that each step is looked at
		if trainer.Step == 0 {
			return
		}
		other := newTinyTrainer(t, b, c)
		if err := other.Resume(c.Checkpoint); err != nil {
			t.Error(err)
		}
		seen[other.Step] = true
	})
	trainer.config.Epochs = 1
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 {
		t.Errorf("checkpoints after steps %v, want 1, 2 and 3", seen)
	}
}

// Resume compares the settings of the run, also after a resume of a checkpoint that has none.
func TestResumeComparesSettings(t *testing.T) {
	b := openCPU(t, 0)
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	save := func(resume bool, settings map[string]string) error {
		t.Helper()
		c.Settings = settings
		trainer := newTinyTrainer(t, b, c)
		defer trainer.Close()
		if resume {
			if err := trainer.Resume(c.Checkpoint); err != nil {
				return err
			}
		}
		return trainer.Save(c.Checkpoint)
	}
	slow, fast := map[string]string{"--lr": "0.01"}, map[string]string{"--lr": "0.02"}
	for i, step := range []struct {
		resume   bool
		settings map[string]string
		want     string
	}{
		{false, nil, ""},
		{true, slow, ""}, // nothing to compare with
		{true, fast, `checkpoint ` + c.Checkpoint + `: it is of a run with --lr "0.01", not "0.02": restore that, or start another run`},
		{true, map[string]string{"--lr": "0.01", "--new": "x"}, ""}, // a flag of a later version
		{true, slow, ""},
	} {
		if err := save(step.resume, step.settings); err == nil && step.want != "" || err != nil && err.Error() != step.want {
			t.Errorf("step %d: error %v, want %q", i, err, step.want)
		}
	}
}
