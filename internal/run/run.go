// Package run is how the programs train: the settings of a run, its folder, which can be gone on
// with at any time, and what is told of its progress.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/report"
)

// SaveEvery is the usual time between checkpoints within an epoch.
const SaveEvery = 5 * time.Minute

// Job is a training.
type Job struct {
	Settings  Settings // checked
	Folder    *Folder
	Backend   backend.Backend
	SaveEvery time.Duration // between checkpoints within an epoch
	SaveAnew  bool          // Settings.Save is written though nothing is trained and it is there
	Report    *Report
	GoOn      string // what the user types to go on
}

// Run trains from where the run in the folder stands, and returns the run's epochs. When ctx is
// done it saves, and the error is cli.ErrInterrupted. A run that fails before anything of it was
// saved leaves no folder, if it was made for it.
func (j *Job) Run(ctx context.Context) (history []nn.Row, err error) {
	dir := j.Folder
	defer func() {
		if err != nil && dir.begun && !dir.HasCheckpoint() {
			dir.Discard()
		}
	}()
	defer j.Report.EndBar()
	data, err := j.Settings.Dataset(ctx, j.Report.Download)
	if err != nil {
		return nil, cli.Interruption(ctx, err)
	}
	network, err := j.Settings.Network(data.Classes)
	if err != nil {
		return nil, err
	}
	setup, err := j.Settings.Training(data)
	if err != nil {
		return nil, err
	}
	var t *nn.Trainer
	var board *report.TensorBoard
	setup.Checkpoint, setup.CheckpointEvery = dir.File(CheckpointName), j.SaveEvery
	setup.OnStep = j.Report.step
	save := saver{path: j.Settings.Save, best: j.Settings.SaveBest, momentum: j.Settings.Momentum, folder: dir}
	if err := save.check(); err != nil {
		return nil, err
	}
	setup.OnEpoch = func(row nn.Row) error {
		j.Report.epoch(row)
		if err := errors.Join(dir.WriteHistory(t.History), save.epoch()); err != nil || board == nil {
			return err
		}
		return board.Epoch(row)
	}
	if t, err = nn.NewTrainer(j.Backend, network, setup); err != nil {
		return nil, j.fitting(err, network, setup)
	}
	save.trainer = t
	if dir.HasCheckpoint() {
		if err = t.Resume(setup.Checkpoint); err == nil {
			save.resume(j.SaveAnew)
		}
	} else {
		err = cli.Interruption(ctx, j.pretrain(ctx, t.Model))
	}
	if err != nil {
		return nil, err
	}
	if t.Epoch < j.Settings.Epochs {
		const numberBytes = 4
		if err := dir.checkSpace(numberBytes * int64(2*network.ParameterSize+network.StatisticSize)); err != nil { // parameters have velocities
			return nil, err
		}
	}
	// The process may have ended between the checkpoint of the best epoch and its --save.
	if t.EpochStep == 0 {
		if err := save.epoch(); err != nil {
			return nil, err
		}
	}
	if path := j.Settings.TensorBoard; path != "" {
		if board, err = report.OpenTensorBoard(path, t.History); err != nil {
			return nil, fmt.Errorf("--tensorboard %w", err)
		}
		defer board.Close()
	}
	facts := Facts{Data: data.Name, Images: data.Train.Len(), Validation: data.Test.Len(), Classes: len(data.Classes)}
	facts.Trainable, facts.NonTrainable = network.Parameters()
	settings := j.Settings
	if t.Epoch > 0 && t.Epoch >= settings.Epochs { // nothing is left to do, and the run is no shorter than it was
		settings.Epochs = dir.Config.Settings.Epochs
	}
	if err := errors.Join(dir.Update(settings, facts, device.Convolutions(j.Backend)), dir.WriteHistory(t.History)); err != nil {
		return nil, err
	}
	j.Report.begin(j.Backend, dir, t, data.Notes)
	if err = cli.Interruption(ctx, t.Run(ctx)); err == nil {
		err = save.end()
	}
	switch {
	case err == nil:
		return t.History, nil
	case errors.Is(err, errBefore): // and would be again
		return nil, err
	case dir.HasCheckpoint():
		return nil, fmt.Errorf("%w; to go on from what is saved: %s", err, j.GoOn)
	}
	return nil, fmt.Errorf("%w; nothing was saved before", j.fitting(err, network, setup))
}

// fitting adds to an error for want of memory which batch there is enough for, after trying.
func (j *Job) fitting(err error, network *nn.Network, setup nn.Config) error {
	if !errors.Is(err, backend.ErrMemory) {
		return err
	}
	j.Backend.Close() // nothing else is done with it
	for batch := min(setup.Batch, setup.Data.Len()) / 2; batch > 0; batch /= 2 {
		b, failed := j.Settings.Open(nil)
		if failed != nil {
			return err
		}
		setup.Batch = batch
		_, failed = nn.NewTrainer(b, network, setup)
		b.Close()
		if failed == nil {
			return fmt.Errorf("%w: --batch %d fits", err, batch)
		}
	}
	return fmt.Errorf("%w: not even --batch 1 fits", err)
}

// Dataset returns the images that the settings name. Progress is told of a download.
func (s *Settings) Dataset(ctx context.Context, progress func(done, total int64)) (*cifar.Dataset, error) {
	if _, err := os.Stat(s.Data); s.Data != "" && s.Data != cifar.BuiltIn && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: tell by --data where the data are", s.Data)
	}
	d, err := cifar.Open(ctx, s.Data, progress)
	if err != nil {
		return nil, err
	}
	if s.Limit > 0 {
		d.Train = d.Train.First(s.Limit)
	}
	if s.ValLimit > 0 {
		d.Test = d.Test.First(s.ValLimit)
	}
	return d, nil
}

// Summary prints the network's table of layers. What classes there are only a folder of
// pictures has to tell.
func (s *Settings) Summary(ctx context.Context, w io.Writer) error {
	labels := cifar.Classes()
	if s.Data != "" && s.Data != cifar.BuiltIn {
		d, err := s.Dataset(ctx, nil)
		if err != nil {
			return err
		}
		labels = d.Classes
	}
	network, err := s.Network(labels)
	if err != nil {
		return err
	}
	return network.Summary(w)
}
