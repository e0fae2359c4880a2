package command

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/experiment"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/nn"
)

const sweepUsage = `Train a network with several values of some flags, and compare the runs.

Usage: lamina sweep [flags]

  lamina sweep --data photos --size 48 --lr 0.01,0.02 --weight-decay 0,0.0005
  lamina sweep --data photos --model resnet18,resnet20 --seed 1,2,3 --random 4

Flags are those of lamina train. Values are separated by commas, or a flag is
repeated, as one must be whose values have commas. All combinations are trained,
one after the other. After an interruption the same command continues, and more
values add runs. REPORT.html in the folder has the best run first.
`

type sweep struct {
	settings  run.Settings
	recipe    string
	out       string
	random    int
	saveEvery time.Duration
	groups    []cli.Group
	plan      experiment.Plan
}

func newSweep() *sweep {
	return &sweep{settings: run.Defaults(), saveEvery: run.SaveEvery,
		out: filepath.Join("experiments", "sweep")}
}

// values are the values of a flag as the command line has them. The flag shows its default.
type values struct {
	pflag.Value
	texts []string
}

// Set adds a text.
func (v *values) Set(text string) error {
	v.texts = append(v.texts, text)
	return nil
}

// command binds the flags to s, whose values are the defaults.
func (s *sweep) command() *cli.Command {
	g := cli.NewGroup("Sweep")
	g.StringVar(&s.out, "out", s.out, "`FOLDER` of the runs and their report")
	g.IntVar(&s.random, "random", s.random, "`N` train only N of the combinations, chosen by --seed")
	g.StringVar(&s.recipe, "recipe", s.recipe,
		"`NAME` set of flags for all runs: "+strings.Join(run.RecipeNames(), " or "))
	g.DurationVar(&s.saveEvery, "save-every", s.saveEvery,
		"`TIME` between checkpoints within an epoch, and after epochs if below 30s")
	s.groups = s.settings.Flags()
	for _, name := range []string{"save", "save-best"} { // each run saves in its folder
		cli.Union(s.groups).Lookup(name).Hidden = true
	}
	for _, group := range s.groups {
		group.VisitAll(func(f *pflag.Flag) { f.Value = &values{Value: f.Value} })
	}
	return &cli.Command{Name: "sweep", Summary: "train with several values of flags, and compare the runs",
		Usage: sweepUsage, Flags: append([]cli.Group{g}, s.groups...), Check: s.check, Run: s.run}
}

// check completes and checks the command line.
func (s *sweep) check(f *pflag.FlagSet) error {
	err := cmp.Or(noArguments(f), notEmpty(f, "out"), aboveZero("save-every", s.saveEvery),
		experiment.CheckSave(f))
	if err != nil {
		return err
	}
	if f.Changed("random") && s.random < 1 {
		return cli.AtLeast("random", s.random, 1)
	}
	var all []experiment.Values
	seed := s.settings.Seed
	for _, group := range s.groups {
		group.VisitAll(func(flag *pflag.Flag) {
			if !flag.Changed || err != nil {
				return
			}
			v := experiment.Values{Flag: flag.Name}
			if v.Values, err = expand(flag.Name, flag.Value.(*values).texts); err != nil {
				return
			}
			all = append(all, v)
			if flag.Name == "seed" {
				seed, err = strconv.ParseUint(v.Values[0], 0, 64)
			}
		})
	}
	if err != nil {
		return err
	}
	s.plan = experiment.Plan{Out: s.out, SaveEvery: s.saveEvery,
		Given: pflag.NewFlagSet("", pflag.ContinueOnError)}
	if s.plan.Experiment, err = experiment.Sweep(all, s.recipe, s.random, seed); err != nil {
		return err
	}
	return s.plan.Check()
}

// expand returns the values of a flag of lamina train, each once. A text that is no value is a
// list.
func expand(flag string, texts []string) (all []string, err error) {
	for _, text := range texts {
		list := []string{text}
		if bad := accepts(flag, text); bad != nil {
			list = strings.Split(text, ",")
		}
		for _, value := range list {
			if err := accepts(flag, value); err != nil {
				return nil, err
			}
			if !slices.Contains(all, value) {
				all = append(all, value)
			}
		}
	}
	if len(all) > 1 && flag != "epochs" && slices.Contains(run.MayChange(), flag) {
		return nil, fmt.Errorf("--%s: results do not depend on it, so it takes one value", flag)
	}
	return all, nil
}

// accepts reports an error if the text is not a value of a flag, or rather a list of them.
func accepts(flag, text string) error {
	s := run.Defaults()
	f := cli.Union(s.Flags())
	if err := f.Set(flag, text); err != nil {
		return err
	}
	switch {
	case f.Lookup(flag).Value.Type() != "string":
	case slices.Contains([]string{"lr", "bias-lr", "head-lr"}, flag):
		_, err := nn.ParseSchedule(text)
		return cli.Of(flag, err)
	case strings.Contains(text, ","):
		_, err := os.Stat(text) // a path
		return err
	}
	return nil
}

func (s *sweep) run(call *cli.Call) error {
	s.plan.Verbose, s.plan.ResumeBy = call.Verbose, call.Command(call.Args...)
	return s.plan.Do(cli.Context(stopping))
}
