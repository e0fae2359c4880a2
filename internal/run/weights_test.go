package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/nn"
)

func TestBest(t *testing.T) {
	for _, c := range []struct {
		accuracies []float64
		want       int
	}{
		{[]float64{0.1}, 1},
		{[]float64{0.1, 0.2}, 2},
		{[]float64{0.2, 0.1}, 1},
		{[]float64{0.2, 0.2}, 1},
		{[]float64{0.1, 0.3, 0.2}, 2},
	} {
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

// TestSavedBefore resumes runs that saved a model before, of some epoch, at the same path or
// another.
func TestSavedBefore(t *testing.T) {
	rising, falling := historyOf(0.1, 0.2), historyOf(0.2, 0.1)
	for _, c := range []struct {
		name    string
		history []nn.Row
		steps   int // of the next epoch
		best    bool
		before  int  // epoch of what was saved, 0 for nothing
		absent  bool // it does not exist
		other   bool // it is elsewhere
		again   bool
		want    int
		nothing bool // is saved at the end, an error
	}{
		{name: "last", history: falling, before: 2, want: 2},
		{name: "last, requested again", history: falling, before: 2, again: true, want: 0},
		{name: "of an earlier epoch", history: falling, before: 1, want: 1},
		{name: "not there", history: falling, before: 2, absent: true, want: 0},
		{name: "elsewhere", history: falling, before: 2, other: true, want: 0},
		{name: "never, though there is a file", history: falling, want: 0},
		{name: "best", history: falling, best: true, before: 1, want: 1},
		{name: "best, requested again", history: falling, best: true, before: 1, again: true, want: 1},
		{name: "best, within the next epoch, requested again", history: rising, steps: 1, best: true,
			before: 2, again: true, want: 2},
		{name: "best, not there", history: falling, best: true, before: 1, absent: true, want: 0, nothing: true},
		{name: "the last before, now the best", history: falling, best: true, before: 2, want: 2, nothing: true},
		{name: "never the best, though there is a file", history: falling, best: true, want: 0, nothing: true},
		{name: "no epochs", best: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.h5")
			if !c.absent {
				if err := os.WriteFile(path, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			d := &Folder{}
			if c.before > 0 {
				d.Config.Saved = Saved{path, c.before}
			}
			if c.other {
				d.Config.Saved.Path += "5"
			}
			s := &saver{
				path:    path,
				best:    c.best,
				folder:  d,
				trainer: &nn.Trainer{State: &nn.State{Position: nn.Position{History: c.history, EpochStep: c.steps}}},
			}
			s.resume(c.again)
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
