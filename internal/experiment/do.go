package experiment

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/filelock"
	"github.com/lamina-go/lamina/internal/run"
)

// work is a run of an experiment in its folder.
type work struct {
	trial
	settings run.Settings
	path     string
	failed   error // in this process
}

// Do does the runs that are not finished. The failure of one does not prevent the others.
func (p *Plan) Do(ctx context.Context) error {
	lock, err := openOut(p.Out)
	if err != nil {
		return err
	}
	defer lock.Close()
	var works []*work
	for _, t := range p.runs {
		w := &work{trial: t, path: filepath.Join(p.Out, t.name)}
		if w.settings, err = p.settingsOf(t); err != nil {
			return err
		}
		if p.wants(t.name) {
			if err := w.agrees(); err != nil {
				return fmt.Errorf("--out %w", err)
			}
		}
		works = append(works, w)
	}
	if err := p.fetch(ctx, works); err != nil {
		return cli.Interruption(ctx, err)
	}
	var failed []string
	for i, w := range works {
		if !p.wants(w.name) {
			continue
		}
		cli.Stdout.Printf("\n== %s, run %d of %d\n", w.name, i+1, len(works))
		w.failed = p.train(ctx, w)
		if err := write(p.Out, p.title, p.about, p.results(works)); err != nil {
			return err
		}
		if errors.Is(w.failed, cli.ErrInterrupted) {
			return w.failed
		}
		if w.failed != nil {
			cli.Stdout.Printf("failed    %v\n", w.failed)
			failed = append(failed, w.name)
		}
	}
	if err := summarize(p.results(works), p.Out); err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("runs that failed: %s: the output above and %s say why", strings.Join(failed, ", "),
			reportName)
	}
	return nil
}

// fetch downloads what the runs share: without the data or the pretrained weights they would all
// fail.
func (p *Plan) fetch(ctx context.Context, works []*work) error {
	progress := cli.NewProgress(cli.Stdout)
	defer progress.EndBar()
	if _, err := works[0].settings.Dataset(ctx, progress); err != nil {
		return err
	}
	for _, w := range works {
		if !p.wants(w.name) || w.trained() {
			continue
		}
		if err := w.settings.CheckPretrained(ctx, progress.Download); err != nil {
			return err
		}
	}
	return nil
}

// openOut makes the folder of an experiment and locks it against other processes.
func openOut(path string) (*os.File, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("--out %w: name a writable folder", err)
	}
	lock, err := filelock.Acquire(filepath.Join(path, ".lock"))
	if errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf("--out %s: another process works there: wait for it to end, or name another folder", path)
	}
	if err != nil {
		return nil, fmt.Errorf("--out %w: name a writable folder", err)
	}
	return lock, nil
}

func (p *Plan) wants(name string) bool { return len(p.Only) == 0 || slices.Contains(p.Only, name) }

// begun reports whether the run has a folder.
func (w *work) begun() bool {
	_, err := os.Stat(filepath.Join(w.path, run.ConfigName))
	return !errors.Is(err, fs.ErrNotExist)
}

// trained reports whether the run has weights of its own.
func (w *work) trained() bool { return run.HasCheckpoint(w.path) || w.finished() }

// agrees reports an error if the folder has a run with other settings.
func (w *work) agrees() error {
	if !w.begun() {
		return nil
	}
	config, err := run.ReadConfig(w.path)
	if err != nil {
		return fmt.Errorf("%w: name another folder, or remove this one to repeat the run", err)
	}
	if err := w.settings.Adopt(config.Settings); err != nil {
		return err
	}
	for _, d := range differences(config.Settings, w.settings) {
		if !slices.Contains(run.MayChange(), d.flag) {
			return fmt.Errorf("%s: the run there has --%s %s, not %s: give it, or name another folder", w.path,
				d.flag, d.a, d.b)
		}
	}
	return nil
}

// finished reports whether the run has all its epochs and has saved its model. A history that
// cannot be read is rebuilt from the checkpoint.
func (w *work) finished() bool {
	if !w.begun() {
		return false
	}
	config, rows, err := run.Read(w.path)
	if err != nil || len(rows) < w.settings.Epochs {
		return false
	}
	_, noModel := os.Stat(config.Settings.Save)
	return noModel == nil && config.Saved == run.Saved{Path: config.Settings.Save, Epoch: len(rows)}
}

// train does a run, or the rest of it.
func (p *Plan) train(ctx context.Context, w *work) error {
	if w.finished() {
		cli.Stdout.Printf("finished  before\n")
		return nil
	}
	var dir *run.Folder
	if w.begun() {
		var err error
		if dir, err = run.Open(w.path); err != nil {
			return err
		}
	}
	job, err := run.Start(dir, w.path, w.settings)
	if err != nil {
		return err
	}
	defer job.Close()
	job.SaveEvery, job.ResumeBy = p.SaveEvery, p.ResumeBy
	job.Progress = run.NewProgress(w.settings, cli.Stdout, p.Verbose)
	_, err = job.Run(ctx)
	return err
}
