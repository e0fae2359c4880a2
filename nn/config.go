package nn

import (
	"errors"
	"fmt"
	"time"
)

// Config says what a Trainer trains on, and how.
type Config struct {
	Data       Data
	Validation Data // measured after each epoch
	Epochs     int
	Batch      int // images a step; the whole of Data if that is less
	Schedule   Schedule
	Momentum   float32 // Nesterov's
	Init       Initializer
	Seed       uint64 // of the first weights and the dropout masks
	// Settings are others on which the results depend, by name. A checkpoint has them, and Resume
	// compares them.
	Settings map[string]string

	// Checkpoint is the file to which the state is saved after the first and the last epoch, when Run
	// is cancelled and, unless CheckpointEvery is 0, after that time within an epoch. It is saved after
	// other epochs too, except those within 30 s, or within a shorter CheckpointEvery, of the last time.
	// The checkpoint before is kept at PreviousCheckpoint, but a file that the trainer has neither saved
	// nor resumed from is not. If Checkpoint is empty, nothing is saved.
	Checkpoint      string
	CheckpointEvery time.Duration

	// OnStep, if not nil, is called after every step, or after several steps that together take
	// less than about 50 ms.
	OnStep func(Progress)
	// OnEpoch, if not nil, is called after each epoch, once it is saved if it is one to save. Its error
	// ends the run.
	OnEpoch func(Row) error
}

// Progress is the state of an epoch.
type Progress struct {
	Epoch           int // from 1
	Step, Steps     int // steps done, and steps of the epoch
	Result              // means over the images of the epoch so far, L2 penalty included
	LearningRate    float64
	ImagesPerSecond float64
}

func (c *Config) check(net *Network) error {
	switch {
	case c.Epochs < 0:
		return fmt.Errorf("nn: %d epochs: must be at least 0", c.Epochs)
	case c.Batch < 1:
		return fmt.Errorf("nn: batch of %d images: must be at least 1", c.Batch)
	case !(c.Momentum >= 0 && c.Momentum < 1):
		return fmt.Errorf("nn: momentum %g: must be at least 0 and below 1", c.Momentum)
	case len(c.Schedule.phases) == 0:
		return errors.New("nn: no learning rate")
	case c.Data == nil || c.Validation == nil:
		return errors.New("nn: no training data or no validation data")
	}
	if net.ParameterSize == 0 {
		return errors.New("nn: a network without a layer to train: all that have weights are frozen")
	}
	return errors.Join(net.fits(c.Data), net.fits(c.Validation))
}
