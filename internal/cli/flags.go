package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Group is a part of the flags under a heading.
type Group struct {
	heading string
	*pflag.FlagSet
}

// NewGroup returns a group without flags. Help shows them in the order in which they are added.
func NewGroup(heading string) Group {
	f := pflag.NewFlagSet(heading, pflag.ContinueOnError)
	f.SortFlags = false
	return Group{heading, f}
}

// Union returns one set of all flags.
func Union(groups []Group) *pflag.FlagSet {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.Usage = func() {}
	for _, g := range groups {
		f.AddFlagSet(g.FlagSet)
	}
	return f
}

// Parse reads and checks a command line. An error is the user's mistake. If help is asked for, that is what it returns,
// and nothing else is checked.
func (p *Program) Parse(args []string) (help string, err error) {
	general := NewGroup("General")
	general.BoolVar(p.Verbose, "verbose", *p.Verbose, "tell more: of a run its settings, of a fault of this program where it is")
	wanted := general.BoolP("help", "h", false, "print this and exit")
	groups := append(slices.Clip(p.Flags), general)

	f := Union(groups)
	err = f.Parse(args)
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		err = fmt.Errorf("%w: see --help", err)
	}
	if err != nil {
		return "", err
	}
	if !*wanted {
		return "", p.Check(f)
	}
	help = p.Usage
	for _, g := range groups {
		help += "\n" + g.heading + "\n" + g.FlagUsages()
	}
	return help, nil
}

// OneOf says what is wrong with the value of a flag that must be one of the names.
func OneOf(flag, value string, names ...string) error {
	if slices.Contains(names, value) {
		return nil
	}
	return fmt.Errorf("--%s %q: want one of %s", flag, value, strings.Join(names, ", "))
}

// Fraction says what is wrong with the value of a flag that must be from 0 to below 1.
func Fraction(flag string, value float32) error {
	if value >= 0 && value < 1 {
		return nil
	}
	return fmt.Errorf("--%s %v: must be at least 0 and below 1", flag, value)
}

// AtLeast says what is wrong with the value of a flag that must not be below least.
func AtLeast(flag string, value, least int) error {
	if value >= least {
		return nil
	}
	return fmt.Errorf("--%s %d: must be at least %d", flag, value, least)
}

// AtMost says what is wrong with the value of a flag that must not be above most.
func AtMost(flag string, value, most int) error {
	if value <= most {
		return nil
	}
	return fmt.Errorf("--%s %d: must be at most %d", flag, value, most)
}

// PerChannel reads finite numbers, one for each of n channels with commas between them, or one for all.
func PerChannel(text string, n int) ([]float32, error) {
	words := strings.Split(text, ",")
	if len(words) == 1 {
		words = slices.Repeat(words, n)
	}
	if len(words) != n {
		return nil, fmt.Errorf("want one number, or %d with commas", n)
	}
	values := make([]float32, n)
	for i, word := range words {
		v, err := strconv.ParseFloat(word, 32)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%q must be a finite number that float32 can hold", word)
		}
		values[i] = float32(v)
	}
	return values, nil
}

// Of names the flag in an error about its value; nil stays nil.
func Of(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("--%s: %w", flag, err)
}
