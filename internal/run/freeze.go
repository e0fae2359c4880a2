package run

import (
	"context"
	"fmt"
	"strings"

	"github.com/lamina-go/lamina/nn"
)

// unfrozenShare is the part of the learning rate at which a run goes on when its layers unfreeze.
const unfrozenShare = 0.1

func (s *Settings) checkFreeze() error {
	if err := requires("unfreeze-at", s.UnfreezeAt > 0, "freeze", s.Freeze); err != nil || s.Freeze == "" {
		return err
	}
	network, err := s.sequential([]string{"first", "second"})
	if err != nil {
		return err
	}
	return s.freeze(&network)
}

// checkUnfreeze reports an epoch to unfreeze at that the run does not have.
func (s *Settings) checkUnfreeze() error {
	if s.UnfreezeAt > 0 && s.UnfreezeAt >= s.Epochs && s.Fit == "" {
		return fmt.Errorf("--unfreeze-at %d: the run has %s: choose an earlier one, or more --epochs", s.UnfreezeAt,
			count(s.Epochs, "epoch", "epochs"))
	}
	return nil
}

// freeze freezes the layers up to the one that the settings name, or up to the last whose name
// begins so.
func (s *Settings) freeze(network *nn.Sequential) error {
	net, err := nn.Build(*network)
	if err != nil {
		return err
	}
	last, known := "", []string(nil)
	for _, row := range net.Table {
		if row.Name == s.Freeze || strings.HasPrefix(row.Name, s.Freeze+"_") {
			last = row.Name
		}
		if len(row.Weights) > 0 && row.Class != "BatchNormalization" {
			known = append(known, row.Name)
		}
	}
	if last == "" {
		return fmt.Errorf("--freeze %s: %s has no such layer: choose one of %s, or the first word of its name", s.Freeze,
			s.Model, strings.Join(known, ", "))
	}
	if err := network.Freeze(".." + last); err != nil {
		return err
	}
	if net, err = nn.Build(*network); err != nil {
		return err
	}
	if trainable, _ := net.Parameters(); trainable == 0 {
		return fmt.Errorf("--freeze %s: no layer is left to train: choose one before %s", s.Freeze, known[len(known)-1])
	}
	return nil
}

// unfreezing is a schedule of two parts, each a run of its own: up to an epoch, and at a share of
// its rates from there.
type unfreezing struct {
	nn.Schedule
	epoch int
}

// At returns the learning rate of a step.
func (u unfreezing) At(step, stepsPerEpoch, epochs int) float64 {
	if first := u.epoch * stepsPerEpoch; step >= first {
		return unfrozenShare * u.Schedule.At(step-first, stepsPerEpoch, epochs-u.epoch)
	}
	return u.Schedule.At(step, stepsPerEpoch, u.epoch)
}

// schedule returns that of a flag's text, which must be correct.
func (s *Settings) schedule(all nn.Schedule) nn.Schedule {
	if s.UnfreezeAt > 0 {
		return unfreezing{all, s.UnfreezeAt}
	}
	return all
}

// stages are the numbers of epochs after which the layers that train change, the last that of the
// run.
func (s *Settings) stages() []int {
	if s.UnfreezeAt > 0 {
		return []int{s.UnfreezeAt, s.Epochs}
	}
	return []int{s.Epochs}
}

// trainer returns a trainer of a stage.
func (j *Job) trainer(labels []string, setup nn.Config, stage int) (*nn.Trainer, error) {
	s := j.Settings
	if stage > 0 {
		s.Freeze = ""
	}
	network, err := s.Network(labels)
	if err != nil {
		return nil, err
	}
	setup.Epochs = s.stages()[stage]
	if o, ok := setup.Optimizer.(nn.AdamW); ok && stage > 0 {
		o.Start = s.UnfreezeAt * ((setup.Data.Len() + setup.Batch - 1) / setup.Batch)
		setup.Optimizer = o
	}
	t, err := nn.NewTrainer(j.backend, network, setup)
	if err != nil {
		return nil, j.fitting(err, network, setup)
	}
	return t, nil
}

// begin returns a trainer in the state of the last checkpoint, or that of a new run, and its stage.
func (j *Job) begin(ctx context.Context, labels []string, setup nn.Config) (t *nn.Trainer, stage int, note string, err error) {
	for stage = range j.Settings.stages() {
		if t, err = j.trainer(labels, setup, stage); err != nil {
			return nil, 0, "", err
		}
		if !j.Folder.hasCheckpoint() {
			return t, stage, "", j.pretrain(ctx, t.Model)
		}
		if note, err = j.Folder.restore(t); err == nil {
			return t, stage, note, nil
		}
		t.Close() // the checkpoint is of a later stage, if it is not damaged
	}
	return nil, 0, "", err
}

// unfreeze returns the trainer that continues one at the end of its stage.
func (j *Job) unfreeze(t *nn.Trainer, labels []string, setup nn.Config, stage int) (*nn.Trainer, error) {
	t.Close()
	t, err := j.trainer(labels, setup, stage)
	if err != nil {
		return nil, err
	}
	j.Progress.Line("note", "--unfreeze-at: all layers train, at %.2g of the learning rate", unfrozenShare)
	return t, t.Continue(j.Folder.File(CheckpointName))
}
