package experiment

import (
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

// Plan is an experiment with the settings of the user.
type Plan struct {
	Experiment
	Out       string         // the folder
	Only      []string       // the runs to do; nil for all
	Given     *pflag.FlagSet // the flags of a run; those that the user changed hold for all runs
	SaveEvery time.Duration
	Verbose   bool
	ResumeBy  string // the command that continues the experiment
}

// saveFlags cannot be given: each run saves its model in its folder.
var saveFlags = []string{"save", "save-best"}

// CheckSave reports a flag that says where to save a model.
func CheckSave(given *pflag.FlagSet) error {
	for _, name := range saveFlags {
		if given.Changed(name) {
			return fmt.Errorf("--%s: each run of an experiment saves %s in its folder: omit the flag", name, modelName)
		}
	}
	return nil
}

// Check reports the first flag that conflicts with the experiment.
func (p *Plan) Check() error {
	if err := CheckSave(p.Given); err != nil {
		return err
	}
	for _, name := range pretrainedFlags {
		if p.Given.Changed(name) && !p.sets(pretrained) {
			return fmt.Errorf("--%s: the runs of %s start from scratch: omit the flag", name, p.Name)
		}
	}
	for _, name := range p.Only {
		if !slices.Contains(p.Runs(), name) {
			return fmt.Errorf("--runs: %s has no run %q: must be some of %s", p.Name, name,
				strings.Join(p.Runs(), ", "))
		}
	}
	for _, t := range p.runs {
		for _, flag := range slices.Concat(p.flags, t.flags) {
			name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
			if p.Given.Changed(name) && name != pretrained {
				return fmt.Errorf("--%s: the experiment %s sets it, for %s to %s: omit the flag (%s accepts it)",
					name, p.Name, t.name, value, strings.Join(leaving(name), " or "))
			}
		}
	}
	for _, t := range p.runs {
		if _, err := p.settingsOf(t); err != nil {
			return err
		}
	}
	return nil
}

// leaving lists the experiments that leave a flag to the user.
func leaving(flag string) []string {
	var names []string
	for _, e := range All() {
		if !e.sets(flag) {
			names = append(names, e.Name)
		}
	}
	if slices.Contains(MemoryFlags(), flag) {
		names = append(names, MemoryName)
	}
	return names
}

// settingsOf returns the settings of a run: its own, the experiment's, and the user's.
func (p *Plan) settingsOf(t trial) (run.Settings, error) {
	s := run.Defaults()
	f := cli.Union(s.Flags())
	if err := f.Parse(slices.Concat(p.flags, t.flags)); err != nil {
		return s, err
	}
	if p.recipe != nil {
		s.Recipe = *p.recipe
		if err := s.Complete(f); err != nil {
			return s, err
		}
	}
	s.Save = filepath.Join(p.Out, t.name, modelName)
	p.Given.Visit(func(given *pflag.Flag) {
		scratch := slices.Contains(pretrainedFlags, given.Name) && s.Pretrained == ""
		if flag := f.Lookup(given.Name); flag != nil && !scratch {
			flag.Value.Set(given.Value.String()) // valid, as it comes from the same kind of flag
		}
	})
	if s.TensorBoard != "" {
		s.TensorBoard = filepath.Join(s.TensorBoard, t.name)
	}
	return s, errors.Join(s.Absolute(), s.Check())
}
