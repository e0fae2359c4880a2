package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lamina-go/lamina/nn"
)

func TestBest(t *testing.T) {
	for _, c := range []struct {
		accuracies []float64
		want       int
	}{{[]float64{0.1}, 1}, {[]float64{0.1, 0.2}, 2}, {[]float64{0.2, 0.1}, 1}, {[]float64{0.2, 0.2}, 1}, {[]float64{0.1, 0.3, 0.2}, 2}} {
		if got := Best(historyOf(c.accuracies...)).Epoch; got != c.want {
			t.Errorf("%v: epoch %d, want %d", c.accuracies, got, c.want)
		}
	}
}

// historyOf returns epochs of these accuracies.
func historyOf(accuracies ...float64) (history []nn.Row) {
	for i, a := range accuracies {
		history = append(history, nn.Row{Epoch: i + 1, Validation: nn.Result{Accuracy: a}})
	}
	return history
}

// TestSavedBefore resumes runs whose model is older or newer than the checkpoint, or is not there.
func TestSavedBefore(t *testing.T) {
	rising, falling := historyOf(0.1, 0.2), historyOf(0.2, 0.1)
	older, newer, absent := -time.Second, time.Second, time.Duration(0)
	for _, c := range []struct {
		name      string
		history   []nn.Row
		steps     int // of the next epoch
		best      bool
		wasBest   bool
		age       time.Duration
		anew      bool
		want      int
		nothing   bool // nothing can be saved at the end
		otherwise string
	}{
		{name: "last", history: falling, age: newer, want: 2},
		{name: "last, asked for again", history: falling, age: newer, anew: true, want: 0},
		{name: "ended before it was saved", history: falling, age: older, want: 0},
		{name: "not there", history: falling, age: absent, want: 0},
		{name: "elsewhere before", history: falling, age: newer, otherwise: "other.h5", want: 0},
		{name: "best", history: falling, best: true, wasBest: true, age: older, want: 1},
		{name: "best, asked for again", history: falling, best: true, wasBest: true, age: older, anew: true, want: 1},
		{name: "best, within the next epoch", history: rising, steps: 1, best: true, wasBest: true, age: older, want: 2},
		{name: "best, ended before it was saved", history: rising, best: true, wasBest: true, age: older, want: 0, nothing: true},
		{name: "best, not there", history: falling, best: true, wasBest: true, age: absent, want: 0, nothing: true},
		{name: "the last before, now the best", history: falling, best: true, age: newer, want: 0, nothing: true},
		{name: "the best before, now the last", history: falling, wasBest: true, age: newer, want: 0},
		{name: "no epochs", age: newer, best: true, wasBest: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			checkpoint, path := filepath.Join(dir, CheckpointName), filepath.Join(dir, "m.h5")
			for _, file := range []string{checkpoint, path} {
				if err := os.WriteFile(file, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			now := time.Now()
			os.Chtimes(checkpoint, now, now)
			os.Chtimes(path, now, now.Add(c.age))
			if c.age == absent {
				os.Remove(path)
			}
			s := &saver{path: path, best: c.best, trainer: &nn.Trainer{State: &nn.State{Position: nn.Position{History: c.history, EpochStep: c.steps}}}}
			before := Settings{Save: path, SaveBest: c.wasBest}
			if c.otherwise != "" {
				before.Save = c.otherwise
			}
			s.resume(before, checkpoint, c.anew)
			if s.saved != c.want {
				t.Errorf("saved after epoch %d, want %d", s.saved, c.want)
			}
			if !c.best {
				return // it would save
			}
			err := s.end()
			if (err != nil) != c.nothing || c.nothing && !strings.Contains(err.Error(), "--save "+path+": nothing was saved") {
				t.Errorf("error %v, want one: %t", err, c.nothing)
			}
		})
	}
}
