package main

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

// work is a run of an experiment that is to be done.
type work struct {
	trial
	settings run.Settings
	path     string
	failed   error // in this process
}

// do does an experiment's runs, those that are not finished. One that fails does not keep the others
// from being done.
func (c *command) do(ctx context.Context, e experiment, again string) error {
	lock, err := c.openOut()
	if err != nil {
		return err
	}
	defer lock.Close()
	var all []*work
	for _, t := range e.runs {
		w := &work{trial: t, path: filepath.Join(c.out, t.name)}
		if w.settings, err = c.settingsOf(e, t); err != nil {
			return err
		}
		if c.wants(t.name) {
			if err := w.agrees(); err != nil {
				return fmt.Errorf("--out %w", err)
			}
		}
		all = append(all, w)
	}
	if err := c.fetch(ctx, all); err != nil {
		return cli.Interruption(ctx, err)
	}
	var failed []string
	for i, w := range all {
		if !c.wants(w.name) {
			continue
		}
		fmt.Printf("\n== %s, run %d of %d\n", w.name, i+1, len(all))
		w.failed = c.train(ctx, w, again)
		if err := write(c.out, e.title, e.about, results(all)); err != nil {
			return err
		}
		if errors.Is(w.failed, cli.ErrInterrupted) {
			return w.failed
		}
		if w.failed != nil {
			fmt.Printf("failed    %v\n", w.failed)
			failed = append(failed, w.name)
		}
	}
	if err := tell(results(all), c.out); err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("runs that failed: %s: the lines above and %s say why", strings.Join(failed, ", "), reportName)
	}
	return nil
}

// fetch tries what the runs share: without the data, or the file of first weights, they would fail one after the other.
func (c *command) fetch(ctx context.Context, all []*work) error {
	report := run.NewReport(c.settings, os.Stdout, false)
	defer report.EndBar()
	if _, err := c.settings.Dataset(ctx, report.Download); err != nil {
		return err
	}
	for _, w := range all {
		if !c.wants(w.name) || w.trained() {
			continue
		}
		if err := w.settings.CheckPretrained(ctx, report.Download); err != nil {
			return err
		}
	}
	return nil
}

// openOut makes the folder of the experiment and keeps other processes out of it.
func (c *command) openOut() (*os.File, error) {
	if err := os.MkdirAll(c.out, 0o755); err != nil {
		return nil, fmt.Errorf("--out %w: name a folder that can be written to", err)
	}
	lock, err := filelock.Acquire(filepath.Join(c.out, ".lock"))
	if errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf("--out %s: another process works there: wait for its end, or name another folder", c.out)
	}
	if err != nil {
		return nil, fmt.Errorf("--out %w: name a folder that can be written to", err)
	}
	return lock, nil
}

func (c *command) wants(name string) bool { return len(c.runs) == 0 || slices.Contains(c.runs, name) }

// exists reports whether the run was begun.
func (w *work) exists() bool {
	_, err := os.Stat(filepath.Join(w.path, run.ConfigName))
	return !errors.Is(err, fs.ErrNotExist)
}

// trained reports whether the run has weights of its own.
func (w *work) trained() bool {
	_, err := os.Stat(filepath.Join(w.path, run.CheckpointName))
	return err == nil || w.finished()
}

// agrees reports an error if there is a run with other settings in the folder.
func (w *work) agrees() error {
	if !w.exists() {
		return nil
	}
	config, err := run.ReadConfig(w.path)
	if err != nil {
		return fmt.Errorf("%w: name another folder, or remove this one to do the run anew", err)
	}
	for _, d := range differences(config.Settings, w.settings) {
		if !slices.Contains(run.MayChange(), d.flag) {
			return fmt.Errorf("%s: the run there has --%s %s, not %s: give it, or name another folder", w.path, d.flag, d.a, d.b)
		}
	}
	return nil
}

// finished reports whether the run has all its epochs and its model is saved. A history that cannot be
// read is made again from the checkpoint.
func (w *work) finished() bool {
	if !w.exists() {
		return false
	}
	config, rows, err := run.Read(w.path)
	if err != nil || len(rows) < w.settings.Epochs {
		return false
	}
	_, noModel := os.Stat(config.Settings.Save)
	return noModel == nil && config.Saved == run.Saved{Path: config.Settings.Save, Epoch: len(rows)}
}

// train does a run, or what is left of it.
func (c *command) train(ctx context.Context, w *work, again string) error {
	if w.finished() {
		fmt.Println("finished  before")
		return nil
	}
	var dir *run.Folder
	var convolutions map[string]string
	if w.exists() {
		var err error
		if dir, err = run.Open(w.path); err != nil {
			return err
		}
		defer dir.Close()
		convolutions = dir.Config.Convolutions
	}
	b, err := w.settings.Options.Open(convolutions)
	if err != nil {
		return err
	}
	defer b.Close()
	if dir == nil {
		if dir, err = run.Create(w.path, run.NewConfig(w.settings, b.Name())); err != nil {
			return err
		}
		defer dir.Close()
	}
	job := run.Job{Settings: w.settings, Folder: dir, Backend: b, SaveEvery: c.saveEvery,
		Report: run.NewReport(w.settings, os.Stdout, c.verbose), GoOn: again}
	_, err = job.Run(ctx)
	return err
}
