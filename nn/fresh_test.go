package nn

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
)

// runningMean trains for some steps and returns the running mean of a layer.
func runningMean(t *testing.T, trainer *Trainer, steps int, layer string) []float32 {
	t.Helper()
	stopAfter(t, trainer, steps)
	return read(t, trainer.Model, trainer.Model.statistics, layer+"/moving_mean")
}

// New running statistics have no trace of their initial values after one step; those from a file
// keep the share that the momentum says. Both are known after a resume.
func TestFreshStatistics(t *testing.T) {
	onBackends(t, func(t *testing.T, b backend.Backend) {
		c := tinyConfig()
		trainer := newTinyTrainer(t, b, c)
		norms := trainer.Model.batchNorms()
		if len(norms) < 2 {
			t.Fatalf("the network has the BatchNorm layers %q, want 2", norms)
		}
		first, second := norms[0], norms[1]
		ofBatch := runningMean(t, trainer, 1, first)
		if !slices.Equal(trainer.Fresh, norms) {
			t.Errorf("fresh are %q, want %q", trainer.Fresh, norms)
		}
		if !slices.ContainsFunc(ofBatch, func(v float32) bool { return v != 0 }) {
			t.Fatal("the running mean is 0 after a step")
		}

		c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
		loaded := newTinyTrainer(t, b, c)
		w, _ := loaded.Model.Weight(first + "/moving_mean")
		before := make([]float32, w.Shape.Size())
		for i := range before {
			before[i] = float32(i + 1)
		}
		if err := loaded.Model.Set(w.Name, before); err != nil {
			t.Fatal(err)
		}
		momentum := float64(loaded.Model.momentumOf(t, first))
		for i, got := range runningMean(t, loaded, 1, first) {
			want := momentum*float64(before[i]) + (1-momentum)*float64(ofBatch[i])
			if math.Abs(float64(got)-want) > 1e-5*math.Abs(want) {
				t.Errorf("the running mean %d, from a file, is %v after a step, want %v", i, got, want)
			}
		}
		if want := norms[1:]; !slices.Equal(loaded.Fresh, want) {
			t.Errorf("fresh are %q, want %q", loaded.Fresh, want)
		}

		if b.Name() == "reference" { // a checkpoint rounds its float64
			return
		}
		resumed := newTinyTrainer(t, b, c)
		if err := resumed.Resume(c.Checkpoint); err != nil {
			t.Fatal(err)
		}
		for _, trainer := range []*Trainer{loaded, resumed} {
			trainer.config.Checkpoint = ""
			if err := trainer.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		sameState(t, loaded.State, resumed.State)
		if v := read(t, resumed.Model, resumed.Model.statistics, second+"/moving_variance"); slices.Contains(v, 1) {
			t.Errorf("a running variance of %s is 1 after 3 epochs", second)
		}
	})
}

// A checkpoint that does not say which statistics are fresh is of a version that knew the momentum
// alone. Its run continues by that.
func TestStatisticsOfOldCheckpoint(t *testing.T) {
	b := openCPU(t, 0)
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	trainer := newTinyTrainer(t, b, c)
	stopAfter(t, trainer, 2)
	trainer.Fresh = nil
	if err := trainer.Save(c.Checkpoint); err != nil {
		t.Fatal(err)
	}
	old := newTinyTrainer(t, b, c)
	if err := old.Resume(c.Checkpoint); err != nil {
		t.Fatal(err)
	}
	if err := old.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(old.Fresh) != 0 {
		t.Errorf("fresh are %q, want none", old.Fresh)
	}
}

func (net *Network) momentumOf(t *testing.T, layer string) float32 {
	t.Helper()
	i := slices.IndexFunc(net.Table, func(l LayerInfo) bool { return l.Name == layer })
	return net.Layers[i].(BatchNorm).momentum()
}
