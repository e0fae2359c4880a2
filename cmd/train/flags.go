package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/run"
)

const usage = `Train a VGG network to tell pictures of 32x32 pixels apart.

Usage: train [flags]

  train --data shapes --model vgg11 --epochs 3 --batch 32 --lr cosine:0.02 --dropout 0 --augment none
                                                 a first run, of two minutes; its pictures are drawn in memory
  train --model vgg16 --weight-decay 0.0005      CIFAR-10, fetched once
  train --data pictures --limit 5000             a folder with train/CLASS/*.png and test/CLASS/*.png
  train --resume runs/vgg16-20260102-150405      go on with a run that was stopped

Ctrl-C finishes the step, saves and tells how to go on.
`

// command is what the command line asks for.
type command struct {
	run.Settings
	out, resume      string
	saveEvery        time.Duration
	summary, verbose bool
	flags            *pflag.FlagSet // as the command line set them
}

func newCommand() *command { return &command{Settings: run.Defaults(), saveEvery: run.SaveEvery} }

// program binds the flags to c, whose values are the defaults.
func (c *command) program() *cli.Program {
	g := cli.NewGroup("Run")
	g.StringVar(&c.out, "out", c.out, "new `folder` for the results (default runs/MODEL-DATE-TIME)")
	g.StringVar(&c.resume, "resume", c.resume, "go on with the run in this `folder`, with its settings: only\n--"+strings.Join(run.MayChange(), ", --")+" can be others")
	g.DurationVar(&c.saveEvery, "save-every", c.saveEvery, "`time` between checkpoints within an epoch")
	g.BoolVar(&c.summary, "summary", c.summary, "print the network's table of layers and exit")
	return &cli.Program{Name: "train", Usage: usage, Flags: append(c.Settings.Flags(), g), Verbose: &c.verbose, Check: c.check, Run: c.train}
}

// check completes and checks what the command line asks for.
func (c *command) check(flags *pflag.FlagSet) error {
	c.flags = flags
	if c.flags.NArg() > 0 {
		return fmt.Errorf("stray argument %q: values follow their flag, of switches after =, as in --bn=false", c.flags.Arg(0))
	}
	if c.flags.Changed("out") && c.resume != "" {
		return errors.New("--out and --resume: a resumed run stays in its folder, give only --resume")
	}
	for _, name := range []string{"out", "resume"} {
		if c.flags.Changed(name) && c.flags.Lookup(name).Value.String() == "" {
			return fmt.Errorf("--%s: the name of the folder is empty", name)
		}
	}
	if c.saveEvery <= 0 {
		return fmt.Errorf("--save-every %v: must be above 0", c.saveEvery)
	}
	if err := c.Absolute(); err != nil || c.resume != "" {
		return err // what a flag means beside the settings of the run is not known yet
	}
	return c.Check()
}

// adopt takes the settings of the run that is resumed, but those that the command line changes.
// To change one that the run depends on is an error.
func (c *command) adopt(s run.Settings) error {
	if err := s.Check(); err != nil {
		return fmt.Errorf("--resume %s: %s: %w", c.resume, run.ConfigName, err)
	}
	stored := cli.Union(s.Flags())
	var err error
	c.flags.Visit(func(given *pflag.Flag) {
		flag, value := stored.Lookup(given.Name), given.Value.String()
		if flag == nil || flag.Value.String() == value || err != nil {
			return
		}
		if !slices.Contains(run.MayChange(), given.Name) {
			err = cli.Usage(fmt.Errorf("--%s %s: the run in %s has %s: leave the flag out, or begin another run",
				given.Name, value, c.resume, cmp.Or(flag.Value.String(), "none")))
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
	c.Settings = s
	return nil
}
