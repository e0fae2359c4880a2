package nn

import (
	"errors"
	"fmt"
	"time"

	"github.com/lamina-go/lamina/tensor"
)

// Config says what a Trainer trains on, and how.
type Config struct {
	Data       Data
	Validation Data // measured after each epoch; nil for none
	Epochs     int
	Batch      int // images a step; the whole of Data if that is less
	Schedule   Schedule
	Momentum   float32   // of SGD, the Optimizer where that is nil
	Optimizer  Optimizer // another one
	Init       Initializer
	Seed       uint64 // of the first weights and the dropout masks
	// From, if not nil, is a model of the same backend or another, from which the layers that it has
	// by name take their weights instead of initial ones.
	From *Model
	// Whiten, if not empty, names a convolution of the images whose kernel begins with filters that
	// make patches of Data white, see Whitening.
	Whiten string
	// LabelSmoothing s replaces the probability 1 of an image's class by 1 − s + s/Classes, and the 0
	// of the others by s/Classes, in training and validation.
	LabelSmoothing float32
	// ClassWeights, if not nil, has a factor for each class, by which the loss of its images is
	// multiplied in training.
	ClassWeights []float32
	// Settings are others on which the results depend, by name. A checkpoint has them, and Resume
	// compares them.
	Settings map[string]string

	// Checkpoint is the file to which the state is saved after the first and the last epoch, when Run
	// is cancelled and, unless CheckpointEvery is 0, after that time within an epoch. It is saved
	// after other epochs too, except those within 30 s, or within a shorter CheckpointEvery, of the
	// last time. The checkpoint before is kept at PreviousCheckpoint, but a file that the trainer has
	// neither saved nor resumed from is not. If Checkpoint is empty, nothing is saved.
	Checkpoint      string
	CheckpointEvery time.Duration

	// OnStep, if not nil, is called after every step, or after several steps that together take
	// less than about 50 ms. With EveryStep it is called after each, for which the trainer waits for
	// the device.
	OnStep    func(Progress)
	EveryStep bool
	// OnValidation, if not nil, is called with the class numbers (n,) and the logits (n, Classes) of
	// every batch of the validation, in order, before the epoch is saved. They are valid until it
	// returns.
	OnValidation func(labels, logits []float32)
	// OnEpoch, if not nil, is called after each epoch, once it is saved if it is one to save. Its
	// error ends the run.
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
	case c.Schedule == nil:
		return errors.New("nn: no learning rate: set Schedule, such as Constant(0.01)")
	case c.Optimizer != nil && c.Momentum != 0:
		return errors.New("nn: a Momentum and an Optimizer: SGD{Momentum: …} has its own")
	case c.Data == nil:
		return errors.New("nn: no training data")
	case !(c.LabelSmoothing >= 0 && c.LabelSmoothing < 1):
		return fmt.Errorf("nn: label smoothing %g: must be at least 0 and below 1", c.LabelSmoothing)
	case c.ClassWeights != nil && len(c.ClassWeights) != net.Classes:
		return fmt.Errorf("nn: %d class weights for %d classes", len(c.ClassWeights), net.Classes)
	}
	for class, w := range c.ClassWeights {
		if !(w >= 0) || !tensor.Finite(w) {
			return fmt.Errorf("nn: weight %v of class %d: must be finite and at least 0", w, class)
		}
	}
	if net.ParameterSize == 0 {
		return errors.New("nn: a network without a layer to train: all that have weights are frozen")
	}
	if err := errors.Join(c.optimizer().check(), net.fits(c.Data)); err != nil || c.Validation == nil {
		return err
	}
	return net.fits(c.Validation)
}

func (c *Config) optimizer() Optimizer {
	if c.Optimizer == nil {
		return SGD{c.Momentum}
	}
	return c.Optimizer
}
