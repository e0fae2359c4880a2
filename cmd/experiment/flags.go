package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/run"
)

const usage = `Do an experiment: train networks that differ in one thing, and compare them.

Usage: experiment NAME [flags]
       experiment compare FOLDER... [flags]

  tricks    VGG-19 with everything; without ImageNet weights; without any trick
  decay     how strong weight decay should be
  depth     VGG-11, 13, 16 (C and D) and 19
  init      distributions of the first weights
  memory    what a network (--model) needs, by estimate and in fact
  compare   any runs, finished or not, by their folders

  experiment depth --data shapes --epochs 2 --limit 640 --val-limit 200     a short try
  experiment tricks --runs vgg19,vgg19_no_trick                             some of the runs
  experiment decay --pretrained vgg19.h5                                    ImageNet's weights from a file
  experiment memory --model vgg16 --batch 32
  experiment compare runs/one runs/other --out both

The runs are done one after the other; whatever ended the program, called again it goes on where it
stopped. Pictures and REPORT.html are in the folder of the experiment, brought up to date after each run.
`

const (
	memoryName  = "memory"
	compareName = "compare"
)

// The flags of what does not train.
var (
	compareFlags = []string{"out", "verbose"}
	memoryFlags  = []string{"model", "bn", "dropout", "batch", "backend", "threads", "precision", "conv-algo", "deterministic", "out", "verbose"}
)

// command is what the command line asks for.
type command struct {
	name      string
	settings  run.Settings
	folders   []string // to compare
	out       string
	runs      []string
	saveEvery time.Duration
	verbose   bool
	flags     *pflag.FlagSet // as the command line set them
}

func newCommand() *command { return &command{settings: run.Defaults(), saveEvery: run.SaveEvery} }

// program binds the flags to c, whose values are the defaults.
func (c *command) program() *cli.Program {
	g := cli.NewGroup("Experiment")
	g.StringVar(&c.out, "out", c.out, "`folder` of the experiment (default experiments/NAME)")
	g.StringSliceVar(&c.runs, "runs", c.runs, "do only these, `names` with commas (default all):"+listRuns())
	g.DurationVar(&c.saveEvery, "save-every", c.saveEvery, "`time` between checkpoints within an epoch")
	groups := append([]cli.Group{g}, c.settings.Flags()...)
	for _, name := range saveFlags {
		cli.Union(groups).Lookup(name).Hidden = true
	}
	return &cli.Program{Name: "experiment", Usage: usage, Flags: groups, Verbose: &c.verbose, Check: c.check, Run: c.run}
}

// saveFlags are of no use here: each run saves its model in its folder.
var saveFlags = []string{"save", "save-best"}

// listRuns lists the names of runs, each experiment in a line.
func listRuns() (text string) {
	for _, e := range experiments() {
		text += "\n" + e.name + ": " + strings.Join(e.names(), ", ")
	}
	return text
}

// names lists what can be asked for.
func names() []string {
	var all []string
	for _, e := range experiments() {
		all = append(all, e.name)
	}
	return append(all, memoryName, compareName)
}

// check completes and checks what the command line asks for.
func (c *command) check(flags *pflag.FlagSet) error {
	c.flags = flags
	rest := c.flags.Args()
	if len(rest) == 0 {
		return fmt.Errorf("name an experiment, one of %s: see --help", strings.Join(names(), ", "))
	}
	c.name, rest = rest[0], rest[1:]
	if !slices.Contains(names(), c.name) {
		return fmt.Errorf("there is no experiment %q: want one of %s", c.name, strings.Join(names(), ", "))
	}
	if c.name == compareName {
		c.folders, rest = rest, nil
	}
	if len(rest) > 0 {
		return fmt.Errorf("stray argument %q: values follow their flag, of switches after =, as in --bn=false", rest[0])
	}
	if c.flags.Changed("out") && c.out == "" {
		return errors.New("--out: the name of the folder is empty")
	}
	if c.out == "" {
		c.out = filepath.Join("experiments", c.name)
	}
	if c.saveEvery <= 0 {
		return fmt.Errorf("--save-every %v: must be above 0", c.saveEvery)
	}
	if err := c.settings.Absolute(); err != nil {
		return err
	}
	return c.checkUse()
}

// checkUse reports flags that do not go with what is asked for.
func (c *command) checkUse() error {
	switch c.name {
	case compareName:
		if len(c.folders) == 0 {
			return errors.New("compare: name the folders of runs")
		}
		return c.onlyFlags(compareFlags)
	case memoryName:
		return cmp.Or(c.onlyFlags(memoryFlags), c.settings.Check())
	}
	e, _ := find(c.name)
	if c.settings.Epochs < 1 {
		return fmt.Errorf("--epochs %d: an experiment needs 1 or more", c.settings.Epochs)
	}
	for _, name := range saveFlags {
		if c.flags.Changed(name) {
			return fmt.Errorf("--%s: each run of an experiment saves %s in its folder at its end: leave the flag out", name, modelName)
		}
	}
	for _, name := range pretrainedFlags {
		if c.flags.Changed(name) && !e.sets(pretrained) {
			return fmt.Errorf("--%s: the runs of %s begin from scratch: leave the flag out", name, e.name)
		}
	}
	for _, name := range c.runs {
		if !slices.Contains(e.names(), name) {
			return fmt.Errorf("--runs: %s has no run %q: want some of %s", e.name, name, strings.Join(e.names(), ", "))
		}
	}
	for _, t := range e.runs {
		for _, flag := range slices.Concat(e.flags, t.flags) {
			name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
			if c.flags.Changed(name) && name != pretrained {
				return fmt.Errorf("--%s: %s sets it, for %s to %s: leave the flag out (it is free in %s)",
					name, e.name, t.name, value, strings.Join(leaving(name), ", "))
			}
		}
	}
	for _, t := range e.runs {
		if _, err := c.settingsOf(e, t); err != nil {
			return err
		}
	}
	return nil
}

// leaving lists what leaves a flag to the user.
func leaving(flag string) []string {
	var all []string
	for _, e := range experiments() {
		if !e.sets(flag) {
			all = append(all, e.name)
		}
	}
	if slices.Contains(memoryFlags, flag) {
		all = append(all, memoryName)
	}
	return all
}

// onlyFlags reports a flag beside these.
func (c *command) onlyFlags(names []string) (err error) {
	c.flags.Visit(func(f *pflag.Flag) {
		if !slices.Contains(names, f.Name) && err == nil {
			err = fmt.Errorf("--%s: %s does not train: leave the flag out", f.Name, c.name)
		}
	})
	return err
}

// settingsOf returns the settings of a run: its own, the experiment's, and those of the command line.
func (c *command) settingsOf(e experiment, t trial) (run.Settings, error) {
	s := run.Defaults()
	f := cli.Union(s.Flags())
	if err := f.Parse(slices.Concat(e.flags, t.flags)); err != nil {
		return s, err
	}
	s.Save = filepath.Join(c.out, t.name, modelName)
	c.flags.Visit(func(given *pflag.Flag) {
		passed := slices.Contains(pretrainedFlags, given.Name) && s.Pretrained == "" // a file for the runs that want one
		if flag := f.Lookup(given.Name); flag != nil && !passed {
			flag.Value.Set(given.Value.String()) // which was a value of the same flag
		}
	})
	if s.TensorBoard != "" {
		s.TensorBoard = filepath.Join(s.TensorBoard, t.name)
	}
	return s, errors.Join(s.Absolute(), s.Check())
}
