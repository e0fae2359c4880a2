package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/nn"
	"github.com/spf13/pflag"
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
	settings
	out, resume            string
	saveEvery              time.Duration
	summary, verbose, help bool
	flags                  *pflag.FlagSet // as the command line set them
}

// group is a part of the flags under a heading.
type group struct {
	heading string
	*pflag.FlagSet
}

func newGroup(heading string) group {
	f := pflag.NewFlagSet(heading, pflag.ContinueOnError)
	f.SortFlags = false
	return group{heading, f}
}

// groups binds flags to s, whose values are the defaults.
func (s *settings) groups() []group {
	network := newGroup("Network")
	network.StringVar(&s.Model, "model", s.Model, "`name`: "+strings.Join(nn.VGGNames(), ", ")+" (columns A to E of the paper)")
	network.BoolVar(&s.BatchNorm, "bn", s.BatchNorm, "batch normalization after every layer with weights; --bn=false leaves it out")
	network.Float32Var(&s.Dropout, "dropout", s.Dropout, "`rate` after the two hidden dense layers, from 0 to below 1")
	network.StringVar(&s.Init, "init", s.Init, "`distribution` of the first weights: he_normal, glorot_uniform, normal, normal:DEVIATION")

	data := newGroup("Data")
	data.StringVar(&s.Data, "data", s.Data, "`path` of CIFAR-10, a folder or .tar.gz, binary or Python; or of a folder of\npictures; or shapes, drawn in memory (default the official archive, downloaded)")
	data.IntVar(&s.Limit, "limit", s.Limit, "train on the first `N` images (default all)")
	data.IntVar(&s.ValLimit, "val-limit", s.ValLimit, "validate with the first `N` images (default all)")
	data.TextVar(&s.Augment, "augment", s.Augment, "`kind` of flips and shifts: none, whole-pixel or sub-pixel")
	data.TextVar(&s.Std, "std", s.Std, "`numbers` R,G,B, or one, by which pixels are divided once their mean is taken away")

	training := newGroup("Training")
	training.IntVar(&s.Epochs, "epochs", s.Epochs, "`number` of passes over the data, those before a resume included")
	training.IntVar(&s.Batch, "batch", s.Batch, "`number` of images a step")
	training.StringVar(&s.LR, "lr", s.LR, "learning `rate`: a number, steps by epoch, or cosine:0.05")
	training.IntVar(&s.Warmup, "warmup", s.Warmup, "`number` of epochs in which the learning rate grows to its value")
	training.Float32Var(&s.Momentum, "momentum", s.Momentum, "Nesterov `momentum`, from 0 to below 1")
	training.Float32Var(&s.WeightDecay, "weight-decay", s.WeightDecay, "`lambda` of the L2 penalty λ·Σw² on kernels")
	training.Uint64Var(&s.Seed, "seed", s.Seed, "`number` that selects first weights, order, augmentation and dropout")

	machine := newGroup("Machine")
	machine.StringVar(&s.Backend, "backend", s.Backend, "`name` of what computes: auto, cpu or cudnn")
	machine.IntVar(&s.Threads, "threads", s.Threads, "`number` of threads; results do not depend on it (default one for each core)")
	machine.StringVar(&s.Precision, "precision", s.Precision, "`type` of the numbers between layers: fp32, or bf16 for speed on processors that have it")
	machine.StringVar(&s.ConvAlgo, "conv-algo", s.ConvAlgo, "`way` to compute convolutions: auto, im2col, or Winograd's f4 or f2")
	return []group{network, data, training, machine}
}

// groups binds all flags to c, whose values are the defaults.
func (c *command) groups() []group {
	run := newGroup("Run")
	run.StringVar(&c.out, "out", c.out, "new `folder` for the results (default runs/MODEL-DATE-TIME)")
	run.StringVar(&c.resume, "resume", c.resume, "go on with the run in this `folder`, with its settings: only\n--"+strings.Join(mayChange(), ", --")+" can be others")
	run.DurationVar(&c.saveEvery, "save-every", c.saveEvery, "`time` between checkpoints within an epoch")
	run.BoolVar(&c.summary, "summary", c.summary, "print the network's table of layers and exit")
	run.BoolVar(&c.verbose, "verbose", c.verbose, "print all settings too")
	run.BoolVarP(&c.help, "help", "h", c.help, "print this and exit")
	return append(c.settings.groups(), run)
}

// mayChange lists the settings that a resumed run may have otherwise than before: where its
// data lie, how long it goes on, and who computes it.
func mayChange() []string { return []string{"data", "epochs", "backend", "threads"} }

// union returns one set of all flags.
func union(groups []group) *pflag.FlagSet {
	f := pflag.NewFlagSet("train", pflag.ContinueOnError)
	f.Usage = func() {}
	for _, g := range groups {
		f.AddFlagSet(g.FlagSet)
	}
	return f
}

func newCommand() *command { return &command{settings: defaults(), saveEvery: 5 * time.Minute} }

// parse reads the command line. An error is the user's mistake.
func parse(args []string) (*command, error) {
	c := newCommand()
	c.flags = union(c.groups())
	if err := c.flags.Parse(args); err != nil {
		if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
			err = fmt.Errorf("%w: see --help", err)
		}
		return nil, err
	}
	if c.help {
		return c, nil
	}
	if c.flags.NArg() > 0 {
		return nil, fmt.Errorf("stray argument %q: values follow their flag, of switches after =, as in --bn=false", c.flags.Arg(0))
	}
	if c.flags.Changed("out") && c.resume != "" {
		return nil, errors.New("--out and --resume: a resumed run stays in its folder, give only --resume")
	}
	for _, name := range []string{"out", "resume"} {
		if c.flags.Changed(name) && c.flags.Lookup(name).Value.String() == "" {
			return nil, fmt.Errorf("--%s: the name of the folder is empty", name)
		}
	}
	if c.saveEvery <= 0 {
		return nil, fmt.Errorf("--save-every %v: must be above 0", c.saveEvery)
	}
	if c.Data != "" && c.Data != cifar.BuiltIn {
		path, err := filepath.Abs(c.Data)
		if err != nil {
			return nil, err
		}
		c.Data = path
	}
	return c, c.check()
}

// adopt takes the settings of the run that is resumed, but those that the command line changes.
// To change one that the run depends on is an error.
func (c *command) adopt(s settings) error {
	stored := union(s.groups())
	var err error
	c.flags.Visit(func(given *pflag.Flag) {
		flag, value := stored.Lookup(given.Name), given.Value.String()
		if flag == nil || flag.Value.String() == value || err != nil {
			return
		}
		if !slices.Contains(mayChange(), given.Name) {
			err = usageError{fmt.Errorf("--%s %s: the run in %s has %s: leave the flag out, or begin another run",
				given.Name, value, c.resume, flag.Value)}
			return
		}
		err = flag.Value.Set(value)
	})
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return fmt.Errorf("--resume %s: %s: %w", c.resume, configName, err)
	}
	c.settings = s
	return nil
}

// help returns the usage of the program.
func help() string {
	text := usage
	for _, g := range newCommand().groups() {
		text += "\n" + g.heading + "\n" + g.FlagUsages()
	}
	return text
}
