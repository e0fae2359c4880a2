// Package run trains networks for the commands: the settings of a run, its folder, from which it
// can be resumed at any time, and its progress.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/internal/sample"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/report"
)

// SaveEvery is the default time between checkpoints within an epoch.
const SaveEvery = 5 * time.Minute

// Job is a run with its folder and its backend open.
type Job struct {
	Settings  Settings // checked
	Folder    *Folder
	SaveEvery time.Duration // between checkpoints within an epoch
	SaveAgain bool          // write Settings.Save even if this run has written it
	Progress  *Progress
	ResumeBy  string // the command that resumes the run
	// OnReport, if not nil, is called with each new page of the run, as REPORT.html has it.
	OnReport func(page []byte)
	// Views is the accuracy with several views of each image, once Run has measured it.
	Views *nn.Result

	backend backend.Backend
}

// Start returns the job of a run: of the one in dir, to resume it, or if dir is nil of a new one in
// a folder that it creates at path ("" for a path with the model and the time). The caller sets the
// other fields of the job, and closes it. After an error dir is closed.
func Start(dir *Folder, path string, s Settings) (*Job, error) {
	var convolutions map[string]string
	if dir != nil {
		convolutions = dir.Config.Convolutions
	}
	b, err := s.Options.Open(convolutions)
	if err != nil {
		if dir != nil {
			dir.Close()
		}
		return nil, err
	}
	if dir == nil {
		if dir, err = create(path, newConfig(s, b.Name())); err != nil {
			b.Close()
			return nil, fmt.Errorf("--out %w", err)
		}
	}
	return &Job{Settings: s, Folder: dir, backend: b}, nil
}

// Close closes the folder and the backend.
func (j *Job) Close() error { return errors.Join(j.Folder.Close(), j.backend.Close()) }

// Run trains from the last checkpoint in the folder, if there is one, and returns the epochs of the
// run. When ctx is done it saves, and the error is [cli.ErrInterrupted]. A new run that fails
// before it has saved anything leaves no folder.
func (j *Job) Run(ctx context.Context) (history []nn.Row, err error) {
	dir := j.Folder
	defer func() {
		if err != nil && dir.begun && !dir.hasCheckpoint() {
			dir.discard()
		}
	}()
	defer j.Progress.EndBar()
	data, err := j.Settings.Dataset(ctx, j.Progress.Progress)
	if err != nil {
		return nil, cli.Interruption(ctx, err)
	}
	fitted, err := j.Settings.fit(data.Train.Len())
	if err != nil {
		return nil, err
	}
	if err := j.Settings.checkUnfreeze(); err != nil {
		return nil, err
	}
	j.Progress.settings = j.Settings
	setup, err := j.Settings.Training(data)
	if err != nil {
		return nil, err
	}
	var t *nn.Trainer
	var board *report.TensorBoard
	var page *reporter
	setup.Checkpoint, setup.CheckpointEvery = dir.File(CheckpointName), j.SaveEvery
	setup.OnStep = j.Progress.step
	save := saver{path: j.Settings.Save, best: j.Settings.SaveBest, momentum: j.Settings.Momentum, folder: dir}
	if err := save.check(); err != nil {
		return nil, err
	}
	setup.OnEpoch = func(row nn.Row) error {
		j.Progress.epoch(row)
		if err := errors.Join(dir.writeHistory(t.History), page.epoch(), save.epoch()); err != nil {
			return err
		}
		if board != nil {
			if err := board.Epoch(row); err != nil {
				return err
			}
		}
		return j.patience(t)
	}
	setup.OnValidation = func(labels, logits []float32) { page.batch(labels, logits) }
	resumes := dir.hasCheckpoint()
	t, stage, restored, err := j.begin(ctx, data.Classes, setup)
	if err != nil {
		return nil, cli.Interruption(ctx, err)
	}
	network := t.Model.Network
	if save.trainer = t; resumes {
		save.resume(j.SaveAgain)
	}
	over := j.Settings.impatient(t.History)
	if t.Epoch < j.Settings.Epochs && !over {
		const floatBytes = 4
		size := floatBytes * int64(2*network.ParameterSize+network.StatisticSize) // parameters have velocities
		if err := dir.checkSpace(size); err != nil {
			return nil, err
		}
	}
	// The process may have ended between the checkpoint of the best epoch and its --save.
	if t.EpochStep == 0 {
		if err := save.epoch(); err != nil {
			return nil, err
		}
		if err := j.patience(t); err != nil && !over {
			return nil, err
		}
	}
	if path := j.Settings.TensorBoard; path != "" {
		if board, err = report.OpenTensorBoard(path, t.History, dir.undone(t.History)); err != nil {
			return nil, fmt.Errorf("--tensorboard %w", err)
		}
		defer board.Close()
	}
	facts := Facts{Data: data.Name, Images: data.Train.Len(), Validation: data.Test.Len(), Classes: len(data.Classes)}
	facts.Trainable, facts.NonTrainable = network.Parameters()
	settings := j.Settings
	if t.Epoch > 0 && t.Epoch >= settings.Epochs { // fewer epochs than are done do not shorten the run
		settings.Epochs = dir.Config.Settings.Epochs
	}
	before := dir.Config.Settings.Epochs
	if err := errors.Join(dir.update(settings, facts, device.Convolutions(j.backend)), dir.writeHistory(t.History)); err != nil {
		return nil, err
	}
	if page, err = newReporter(dir, data, t, setup.Data, j.OnReport); err == nil {
		err = errors.Join(page.write(), sample.Write(dir.Path, data))
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, page.flush()) }()
	notes := slices.Clip(data.Notes)
	for _, note := range []string{fitted, restored, rateNote(setup.Schedule, t.Step, t.Steps(), before, settings.Epochs)} {
		if note != "" {
			notes = append(notes, note)
		}
	}
	j.Progress.begin(j.backend, dir, t, notes)
	for ; err == nil && !over; stage++ {
		if err = t.Run(ctx); errors.Is(err, errPatience) {
			over, err = true, nil
		}
		if err != nil || over || t.Epoch >= j.Settings.Epochs {
			break
		}
		if t, err = j.unfreeze(t, data.Classes, setup, stage+1); err == nil {
			save.trainer, page.trainer = t, t
		}
	}
	if err = cli.Interruption(ctx, err); err == nil {
		if err = j.takeBest(t); err == nil {
			err = save.end()
		}
	}
	if err == nil && j.Settings.TTA && len(t.History) > 0 {
		err = cli.Interruption(ctx, j.measureViews(ctx, t.Model, setup.Validation))
	}
	switch {
	case err == nil:
		return t.History, nil
	case errors.Is(err, errBefore): // a resume would end the same
		return nil, err
	case dir.hasCheckpoint():
		return nil, fmt.Errorf("%w; to resume from the last checkpoint: %s", err, j.ResumeBy)
	}
	return nil, fmt.Errorf("%w; nothing was saved", j.fitting(err, network, setup))
}

// measureViews measures the model with six views of each image.
func (j *Job) measureViews(ctx context.Context, m *nn.Model, data nn.Data) error {
	const batch = 500
	p, err := m.NewPredictor(min(batch, data.Len()))
	if err != nil {
		return err
	}
	defer p.Close()
	r, err := p.EvaluateViews(ctx, data, nn.SixViews(), nil)
	j.Views = &r
	return err
}

// rateNote returns a note on a run, resumed after some steps, if another number of epochs changes
// its learning rate.
func rateNote(s nn.Schedule, steps, perEpoch, before, epochs int) string {
	if steps == 0 {
		return ""
	}
	was, is := s.At(steps-1, perEpoch, before), s.At(steps-1, perEpoch, epochs)
	if was == is {
		return ""
	}
	verb := "rises"
	if is < was {
		verb = "falls"
	}
	return fmt.Sprintf("the learning rate %s from %.3g to %.3g, since its cosine ends with epoch %d, not %d",
		verb, was, is, epochs, before)
}

// fitting adds to an error for lack of memory the largest batch that fits, found by trying.
func (j *Job) fitting(err error, network *nn.Network, setup nn.Config) error {
	if !errors.Is(err, backend.ErrMemory) {
		return err
	}
	j.backend.Close() // frees its memory; the run has failed
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

// Dataset returns the images that the settings name. It shows its progress, unless that is nil.
func (s *Settings) Dataset(ctx context.Context, progress *cli.Progress) (*cifar.Dataset, error) {
	if _, err := os.Stat(s.Data); s.Data != "" && s.Data != cifar.BuiltIn && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--data %s does not exist: name the folder, .tar.gz or .csv of a dataset", s.Data)
	}
	options := cifar.Options{SkipBad: s.SkipBad, Val: float64(s.Val), Seed: s.Seed, Limit: s.Limit, TestLimit: s.ValLimit,
		Height: s.Size.height(), Width: s.Size.width(), Resize: string(s.Resize)}
	if progress != nil {
		options.Progress, options.Decoded = progress.Download, progress.Images
		defer progress.EndBar()
	}
	return cifar.Open(ctx, s.Data, options)
}

// Summary prints the network's table of layers. It opens the data only where they decide the number
// of classes.
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
