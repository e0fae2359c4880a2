package command

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
	"github.com/lamina-go/lamina/internal/experiment"
	"github.com/lamina-go/lamina/internal/run"
)

const experimentUsage = `Train networks that differ in one setting, and compare them.

Usage: lamina experiment NAME [flags]
       lamina experiment compare FOLDER... [flags]

  tricks    VGG-19 with all tricks; without pretrained weights; without any
  decay     the strength of weight decay
  depth     VGG-11, 13, 16 (C and D) and 19
  init      the distribution of the initial weights
  memory    the memory of a network (--model), estimated and allocated
  compare   any runs, finished or not, by their folders

  lamina experiment depth --data shapes --epochs 2 --limit 640 --val-limit 200
  lamina experiment tricks --runs vgg19,vgg19_no_trick
  lamina experiment decay --pretrained vgg19.h5
  lamina experiment memory --model vgg16 --batch 32
  lamina experiment compare runs/one runs/other --out both

Runs are done one after the other. After an interruption the same command
continues. The charts and REPORT.html in the folder of the experiment are
updated after each run.
`

type experiments struct {
	name      string
	settings  run.Settings
	folders   []string // to compare
	out       string
	only      []string // runs
	saveEvery time.Duration
	flags     *pflag.FlagSet // as the command line set them
}

func newExperiment() *experiments {
	return &experiments{settings: run.Defaults(), saveEvery: run.SaveEvery}
}

// command binds the flags to e, whose values are the defaults.
func (e *experiments) command() *cli.Command {
	g := cli.NewGroup("Experiment")
	g.StringVar(&e.out, "out", e.out, "`FOLDER` of the experiment (default experiments/NAME)")
	g.StringSliceVar(&e.only, "runs", e.only, "`NAMES` do only these runs, separated by commas: "+runNames())
	g.DurationVar(&e.saveEvery, "save-every", e.saveEvery, "`TIME` between checkpoints within an epoch, and after epochs if below 30s")
	groups := append([]cli.Group{g}, e.settings.Flags()...)
	for _, name := range []string{"save", "save-best"} { // each run saves in its folder
		cli.Union(groups).Lookup(name).Hidden = true
	}
	return &cli.Command{Name: "experiment",
		Summary: "train networks that differ in one setting, and compare them", Usage: experimentUsage,
		Flags: groups, Check: e.check, Run: e.run}
}

// runNames lists the runs of all experiments.
func runNames() string {
	var lists []string
	for _, x := range experiment.All() {
		lists = append(lists, x.Name+" has "+strings.Join(x.Runs(), ", "))
	}
	return strings.Join(lists, "; ")
}

// experimentNames lists all experiments.
func experimentNames() []string {
	var names []string
	for _, x := range experiment.All() {
		names = append(names, x.Name)
	}
	return append(names, experiment.MemoryName, experiment.CompareName)
}

// check completes and checks the command line.
func (e *experiments) check(f *pflag.FlagSet) error {
	e.flags = f
	if f.NArg() == 0 {
		return fmt.Errorf("no experiment: name one of %s", strings.Join(experimentNames(), ", "))
	}
	e.name = f.Arg(0)
	if !slices.Contains(experimentNames(), e.name) {
		return fmt.Errorf("unknown experiment %q: must be one of %s", e.name, strings.Join(experimentNames(), ", "))
	}
	if e.name == experiment.CompareName {
		e.folders = f.Args()[1:]
	} else if f.NArg() > 1 {
		return unexpected(f.Arg(1))
	}
	if err := cmp.Or(notEmpty(f, "out"), aboveZero("save-every", e.saveEvery)); err != nil {
		return err
	}
	if e.out == "" {
		e.out = filepath.Join("experiments", e.name)
	}
	if err := e.settings.Absolute(); err != nil {
		return err
	}
	switch e.name {
	case experiment.CompareName:
		if len(e.folders) == 0 {
			return errors.New("compare: name the folders of runs")
		}
		return e.onlyFlags()
	case experiment.MemoryName:
		return cmp.Or(e.onlyFlags(experiment.MemoryFlags()...), e.settings.Check())
	}
	if e.settings.Epochs < 1 {
		return fmt.Errorf("--epochs %d: an experiment requires 1 or more", e.settings.Epochs)
	}
	return e.plan().Check()
}

// onlyFlags reports a flag besides these, --out and --verbose.
func (e *experiments) onlyFlags(names ...string) (err error) {
	names = append(names, "out", "verbose")
	e.flags.Visit(func(f *pflag.Flag) {
		if !slices.Contains(names, f.Name) && err == nil {
			err = fmt.Errorf("--%s: %s does not train: omit the flag", f.Name, e.name)
		}
	})
	return err
}

// plan returns the experiment, which must be one that trains.
func (e *experiments) plan() *experiment.Plan {
	all := experiment.All()
	i := slices.IndexFunc(all, func(x experiment.Experiment) bool { return x.Name == e.name })
	return &experiment.Plan{Experiment: all[i], Out: e.out, Only: e.only, Given: e.flags, SaveEvery: e.saveEvery}
}

func (e *experiments) run(call *cli.Call) error {
	switch e.name {
	case experiment.CompareName:
		return experiment.Compare(e.folders, e.out)
	case experiment.MemoryName:
		return experiment.Memory(e.settings, e.out)
	}
	p := e.plan()
	p.Verbose, p.ResumeBy = call.Verbose, call.Command(call.Args...)
	return p.Do(cli.Context(stopping))
}
