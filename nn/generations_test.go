package nn

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lamina-go/lamina/ops"
)

// epochOf returns the epoch of a checkpoint.
func epochOf(t *testing.T, path string) int {
	t.Helper()
	epoch := -1
	if err := withCheckpoint(path, func(c *checkpoint) error {
		epoch = c.position.Epoch
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return epoch
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A run whose last checkpoint is damaged resumes from the one before, to the same bits.
func TestDamagedNewestCheckpoint(t *testing.T) {
	b := openCPU(t, ops.Generic)
	alone := newTinyTrainer(t, b, tinyConfig())
	if err := alone.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(path string) error{
		"bit flipped": func(path string) error {
			data := mustRead(t, path)
			data[len(data)/2] ^= 8
			return os.WriteFile(path, data, 0o644)
		},
		"cut off": func(path string) error { return os.Truncate(path, 1000) },
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"zeros":   func(path string) error { return os.WriteFile(path, make([]byte, len(mustRead(t, path))), 0o644) },
		"absent":  os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			c := tinyConfig()
			c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
			c.CheckpointEvery = time.Nanosecond
			c.Epochs = 2
			if err := newTinyTrainer(t, b, c).Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			c.Epochs = 3
			previous := PreviousCheckpoint(c.Checkpoint)
			kept := mustRead(t, previous)
			if err := damage(c.Checkpoint); err != nil {
				t.Fatal(err)
			}

			resumed := newTinyTrainer(t, b, c)
			err := resumed.Resume(c.Checkpoint)
			if name == "absent" && !errors.Is(err, fs.ErrNotExist) || name != "absent" && !errors.Is(err, ErrDamaged) {
				t.Fatalf("error %v, want that the checkpoint is damaged", err)
			}
			if err := resumed.Resume(previous); err != nil {
				t.Fatal(err)
			}
			if resumed.Step >= 8 {
				t.Fatalf("the previous checkpoint is of step %d, want one before 8", resumed.Step)
			}
			stopped, stop := context.WithCancel(context.Background())
			stop()
			if err := resumed.Run(stopped); !errors.Is(err, context.Canceled) { // which saves once
				t.Fatal(err)
			}
			if !bytes.Equal(mustRead(t, previous), kept) {
				t.Error("the damaged checkpoint has replaced the one before it")
			}
			if err := resumed.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			sameState(t, alone.State, resumed.State)
			if bytes.Equal(mustRead(t, previous), kept) {
				t.Error("the previous checkpoint is that of the run before")
			}
		})
	}
}

// A file that the trainer does not know is not kept in the place of one that may be intact.
func TestUnknownCheckpointIsNotKept(t *testing.T) {
	b := openCPU(t, ops.Generic)
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	if err := os.WriteFile(c.Checkpoint, []byte("unknown"), 0o644); err != nil {
		t.Fatal(err)
	}
	stopAfter(t, newTinyTrainer(t, b, c), 1)
	if _, err := os.Lstat(PreviousCheckpoint(c.Checkpoint)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want no previous checkpoint", err)
	}
}

// The first and the last epoch are saved, others if the last time is long ago.
func TestEpochsAreSavedByTime(t *testing.T) {
	b := openCPU(t, ops.Generic)
	failed := errors.New("failed")
	for _, x := range []struct {
		name  string
		every time.Duration
		long  bool  // the interval has passed when the first epoch is saved
		fails int   // the epoch whose OnEpoch fails
		want  []int // the epoch of the checkpoint after each epoch, and at the end
	}{
		{name: "short epochs", want: []int{1, 1, 1, 4, 4}},
		{name: "a shorter interval", every: time.Nanosecond, want: []int{1, 2, 3, 4, 4}},
		{name: "a longer interval", every: time.Hour, want: []int{1, 1, 1, 4, 4}},
		{name: "a long time", long: true, want: []int{1, 2, 2, 4, 4}},
		{name: "an error", fails: 3, want: []int{1, 1, 1, 3}},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := tinyConfig()
			c.Epochs, c.Checkpoint, c.CheckpointEvery = 4, filepath.Join(t.TempDir(), "checkpoint.lamina"), x.every
			var trainer *Trainer
			var got []int
			c.OnEpoch = func(row Row) error {
				got = append(got, epochOf(t, c.Checkpoint))
				if x.long && row.Epoch == 1 {
					trainer.saved = time.Now().Add(-epochInterval)
				}
				if row.Epoch == x.fails {
					return failed
				}
				return nil
			}
			trainer = newTinyTrainer(t, b, c)
			if err := trainer.Run(context.Background()); x.fails == 0 && err != nil || x.fails > 0 && !errors.Is(err, failed) {
				t.Fatal(err)
			}
			if got = append(got, epochOf(t, c.Checkpoint)); !slices.Equal(got, x.want) {
				t.Errorf("checkpoints of the epochs %v, want %v", got, x.want)
			}
		})
	}
}
