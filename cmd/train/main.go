// Command train trains VGG networks on CIFAR-10, on folders of pictures or on shapes drawn in
// memory. A run lives in a folder and can be stopped and resumed at any moment. See --help.
package main

import (
	"fmt"
	"os"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/run"
)

func main() { newCommand().program().Main() }

func (c *command) train() (err error) {
	ctx := cli.Context("stopping: this step is finished and saved; Ctrl-C again ends at once")

	var dir *run.Folder
	var convolutions map[string]string // of the run that is gone on with
	if c.resume != "" {
		if dir, err = run.Open(c.resume); err != nil {
			return fmt.Errorf("--resume %w", err)
		}
		defer dir.Close()
		if err := c.adopt(dir.Config.Settings); err != nil {
			return err
		}
		convolutions = dir.Config.Convolutions
	}
	if c.summary {
		return cli.Interruption(ctx, c.Summary(ctx, os.Stdout))
	}
	b, err := c.Options.Open(convolutions)
	if err != nil {
		return err
	}
	defer b.Close()
	if dir == nil {
		if dir, err = run.Create(c.out, run.NewConfig(c.Settings, b.Name())); err != nil {
			return fmt.Errorf("--out %w", err)
		}
		defer dir.Close()
	}
	report := run.NewReport(c.Settings, os.Stdout, c.verbose)
	goOn := cli.Command("train", "--resume", dir.Path)
	job := run.Job{Settings: c.Settings, Folder: dir, Backend: b, SaveEvery: c.saveEvery, SaveAnew: c.flags.Changed("save"), Report: report, GoOn: goOn}
	history, err := job.Run(ctx)
	if err != nil {
		return err
	}
	report.End(dir, history, goOn)
	return nil
}
