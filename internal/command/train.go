package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/internal/serve"
)

const trainUsage = `Train a VGG or a ResNet to classify images.

Usage: lamina train [DATA] [flags]

  Your own images, a folder for each class, a fifth of them for validation:
  lamina train photos

  A first run, of two minutes, on generated images:
  lamina train --data shapes --model vgg11 --epochs 3 --batch 32 \
      --lr cosine:0.02 --dropout 0 --augment none

  CIFAR-10 in 8 epochs, by a recipe; other flags override its settings:
  lamina train --recipe fast

  CIFAR-10, downloaded once:
  lamina train --model vgg16 --weight-decay 0.0005

  Your own images, from the weights of another run:
  lamina train photos --pretrained runs/vgg16-20260102-150405 \
      --freeze block4 --unfreeze-at 5

  Resume a run that was stopped:
  lamina train --resume runs/vgg16-20260102-150405

Ctrl-C finishes the step, saves, and prints the command that resumes.
`

type train struct {
	run.Settings
	out, resume string
	open        string // where the report is served, "" for nowhere
	saveEvery   time.Duration
	summary     bool
	lrFind      string
	flags       *pflag.FlagSet // as the command line set them
}

func newTrain() *train { return &train{Settings: run.Defaults(), saveEvery: run.SaveEvery} }

// command binds the flags to t, whose values are the defaults.
func (t *train) command() *cli.Command {
	g := cli.NewGroup("Run")
	g.StringVar(&t.Recipe, "recipe", t.Recipe, "`NAME` set of flags: fast, by which a small network "+
		"learns CIFAR-10 in 8 epochs (arXiv 2404.00498); small, the default for own images, whose number "+
		"decides epochs, batch and rates; or finetune, the default for them with --pretrained; --verbose shows them")
	g.StringVar(&t.out, "out", t.out, "`FOLDER` new folder for the results (default runs/MODEL-DATE-TIME)")
	g.StringVar(&t.resume, "resume", t.resume, "`FOLDER` resume the run in this folder with its settings; only "+
		"--"+strings.Join(run.MayChange(), ", --")+" may change")
	g.DurationVar(&t.saveEvery, "save-every", t.saveEvery, "`TIME` between checkpoints within an epoch, and after epochs if below 30s")
	g.StringVar(&t.open, "open", t.open, "`ADDRESS` serve the report of the run, as it grows: "+
		"a port of this machine alone, as 9000, or HOST:PORT; 0 is any free port")
	g.StringVar(&t.lrFind, "lr-find", t.lrFind, "`FILE` instead of training, raise the learning rate step by step, "+
		"draw the loss to this .png, and propose a rate")
	g.BoolVar(&t.summary, "summary", t.summary, "print the table of layers and exit")
	return &cli.Command{Name: "train", Summary: "train a network, or resume a run", Usage: trainUsage,
		Flags: append(t.Settings.Flags(), g), Check: t.check, Run: t.run}
}

// check completes and checks the command line.
func (t *train) check(flags *pflag.FlagSet) error {
	t.flags = flags
	if err := t.argument(flags); err != nil {
		return err
	}
	if flags.Changed("out") && t.resume != "" {
		return errors.New("--out and --resume: a resumed run stays in its folder, omit --out")
	}
	if t.lrFind != "" && t.resume != "" {
		return errors.New("--lr-find and --resume: a resumed run keeps its rates, omit --lr-find")
	}
	if flags.Changed("recipe") && t.resume != "" {
		return errors.New("--recipe and --resume: a resumed run keeps its settings, omit --recipe")
	}
	err := cmp.Or(notEmpty(flags, "out", "resume"), aboveZero("save-every", t.saveEvery))
	if err == nil && flags.Changed("open") {
		t.open, err = address("open", t.open)
	}
	if err != nil {
		return err
	}
	if t.resume != "" {
		return t.Absolute() // flags are checked together with the settings of the run
	}
	if err := t.Complete(flags); err != nil {
		return err
	}
	return t.Check()
}

// argument takes the path of the data, which needs no --data.
func (t *train) argument(flags *pflag.FlagSet) error {
	if flags.NArg() == 0 {
		return nil
	}
	path := flags.Arg(0)
	_, err := os.Stat(path)
	switch {
	case flags.NArg() > 1:
		return unexpected(flags.Arg(1))
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no such folder of images", unexpected(path))
	case flags.Changed("data") || t.resume != "":
		return fmt.Errorf("%s: name the data once, and a run to resume knows its own", path)
	}
	t.Data = path
	return nil
}

func (t *train) run(call *cli.Call) (err error) {
	ctx := cli.Context(stopping)
	var dir *run.Folder
	if t.resume != "" {
		if dir, err = run.Open(t.resume); err != nil {
			return fmt.Errorf("--resume %w", err)
		}
		defer dir.Close()
		if err := t.adopt(dir.Config.Settings); err != nil {
			return err
		}
	}
	if t.summary {
		return cli.Interruption(ctx, t.Summary(ctx, cli.Stdout))
	}
	if t.lrFind != "" {
		return t.FindRate(ctx, t.lrFind, cli.Stdout)
	}
	live := func([]byte) {}
	if t.open != "" {
		var end func()
		if live, end, err = serveReport(t.open); err != nil {
			return err
		}
		defer end()
	}
	job, err := run.Start(dir, t.out, t.Settings)
	if err != nil {
		return err
	}
	defer job.Close()
	job.OnReport = live
	job.SaveEvery, job.SaveAgain = t.saveEvery, t.flags.Changed("save")
	job.Progress = run.NewProgress(t.Settings, cli.Stdout, call.Verbose)
	job.ResumeBy = call.Command("--resume", job.Folder.Path)
	history, err := job.Run(ctx)
	if err != nil {
		return err
	}
	job.Progress.End(job.Folder, history, job.Views, job.ResumeBy)
	return nil
}

// serveReport serves a page at an address until end. It returns the function that sets the page.
func serveReport(address string) (set func(page []byte), end func(), err error) {
	listener, err := listen("open", address)
	if err != nil {
		return nil, nil, err
	}
	cli.Stdout.Printf("report    http://%s\n", listener.Addr())
	page, ended := serve.NewLive(), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background()) // an interrupted run shows its last epoch
	go func() {
		defer close(ended)
		if err := page.Serve(ctx, listener); err != nil {
			cli.Stderr.Printf("lamina train: --open %s: %v\n", address, err)
		}
	}()
	return page.Set, func() { cancel(); <-ended }, nil
}

// adopt takes the settings of the run to resume, except those that the command line changes.
// Changing a setting on which the results depend is an error.
func (t *train) adopt(s run.Settings) error {
	if err := s.Check(); err != nil {
		return fmt.Errorf("--resume %s: %s: %w", t.resume, run.ConfigName, err)
	}
	stored := cli.Union(s.Flags())
	var err error
	t.flags.Visit(func(given *pflag.Flag) {
		flag, value := stored.Lookup(given.Name), given.Value.String()
		if flag == nil || flag.Value.String() == value || err != nil {
			return
		}
		if !slices.Contains(run.MayChange(), given.Name) {
			err = cli.Usage(fmt.Errorf("--%s %s: the run in %s has %s: omit the flag, or start another run",
				given.Name, value, t.resume, cmp.Or(flag.Value.String(), "none")))
			return
		}
		err = flag.Value.Set(value)
	})
	if err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return cli.Usage(err)
	}
	t.Settings = s
	return nil
}
