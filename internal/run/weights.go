package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
)

// ImageNet stands for the file of weights that Keras publishes.
const ImageNet = "imagenet"

// pretrain sets the first weights to those that the settings name, if they do.
func (j *Job) pretrain(ctx context.Context, m *nn.Model) error {
	path := j.Settings.Pretrained
	if path == "" {
		return nil
	}
	if path == ImageNet {
		var err error
		if path, err = keras.ImageNet(ctx, j.Settings.Model, j.Report.Download); err != nil {
			return err
		}
	}
	f, err := keras.Open(path)
	if err != nil {
		return fmt.Errorf("--pretrained: %w", err)
	}
	defer f.Close()
	load := f.LoadByName
	if !f.HasNames() {
		load = f.Load
	}
	r, err := load(m, j.Settings.SkipMismatch)
	var mismatch keras.MismatchError
	switch {
	case errors.As(err, &mismatch):
		return fmt.Errorf("--pretrained: %w: --skip-mismatch leaves out what does not fit", err)
	case err != nil:
		return fmt.Errorf("--pretrained: %w", err)
	case len(r.Taken) == 0:
		return fmt.Errorf("--pretrained %s: nothing in it is for the layers here: theirs are %s, here they are %s", path, some(r.PassedOver), some(r.Missing))
	}
	j.Report.pretrained(path, r)
	return nil
}

// saver writes the model for others.
type saver struct {
	path     string // "" for nowhere
	best     bool   // only of the best epoch
	momentum float32
	trainer  *nn.Trainer
	saved    int // the epoch after which it was last written by this process
}

// check reports an error unless the file can be written.
func (s *saver) check() error {
	if s.path == "" {
		return nil
	}
	if err := atomicfile.Check(s.path); err != nil {
		return fmt.Errorf("--save %w: name a file in a folder that can be written to", err)
	}
	return nil
}

// epoch saves after an epoch that is the best one so far, if that is wanted.
func (s *saver) epoch() error {
	history := s.trainer.History
	if !s.best || len(history) == 0 || Best(history).Epoch != history[len(history)-1].Epoch {
		return nil
	}
	return s.write()
}

// end saves after the last epoch.
func (s *saver) end() error {
	if s.best {
		return s.epoch()
	}
	return s.write()
}

func (s *saver) write() error {
	history := s.trainer.History
	if s.path == "" || len(history) == s.saved && s.saved > 0 {
		return nil
	}
	var t *keras.Training
	if len(history) > 0 {
		t = &keras.Training{LearningRate: history[len(history)-1].LearningRate, Momentum: s.momentum, State: s.trainer.State}
	}
	s.saved = len(history)
	return keras.Save(s.path, s.trainer.Model, t)
}

// Best returns the epoch with the highest validation accuracy, the first of equal ones. There must be one.
func Best(history []nn.Row) nn.Row {
	best := history[0]
	for _, row := range history[1:] {
		if row.Validation.Accuracy > best.Validation.Accuracy {
			best = row
		}
	}
	return best
}
