package run

import (
	"errors"
	"fmt"

	"github.com/lamina-go/lamina/nn"
)

// BestName is the state after the best epoch of a run with patience.
const BestName = "best.lamina"

// errPatience ends a run whose validation accuracy does not improve.
var errPatience = errors.New("the patience has ended")

// impatient reports whether a run of these epochs is over.
func (s *Settings) impatient(history []nn.Row) bool {
	return s.Patience > 0 && len(history) > 0 && len(history)-Best(history).Epoch >= s.Patience
}

// patience keeps the state after an epoch that is the best so far, and ends the run after too many
// others.
func (j *Job) patience(t *nn.Trainer) error {
	if j.Settings.Patience == 0 || len(t.History) == 0 {
		return nil
	}
	if Best(t.History).Epoch == t.Epoch {
		return t.Save(j.Folder.File(BestName))
	}
	if j.Settings.impatient(t.History) {
		return errPatience
	}
	return nil
}

// takeBest gives the model of a run with patience the weights of the best epoch, and saves it.
func (j *Job) takeBest(t *nn.Trainer) error {
	if j.Settings.Patience == 0 || len(t.History) == 0 {
		return nil
	}
	best := Best(t.History).Epoch
	if best == t.Epoch {
		return nil
	}
	path, end := j.Folder.File(BestName), t.Position
	if err := t.Continue(path); err != nil {
		return err
	}
	if t.Epoch != best {
		return fmt.Errorf("%s is of epoch %d, not of the best, %d: train again", path, t.Epoch, best)
	}
	t.Position = end
	j.Progress.Line("note", "--patience: the model is that of epoch %d, which has the best validation accuracy", best)
	return t.Save(j.Folder.File(CheckpointName))
}
