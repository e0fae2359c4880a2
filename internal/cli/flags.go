package cli

import (
	"errors"
	"fmt"
	"slices"
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

// Parse reads the flags in a command line. An error is the user's mistake.
func Parse(f *pflag.FlagSet, args []string) error {
	err := f.Parse(args)
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		return fmt.Errorf("%w: see --help", err)
	}
	return err
}

// Help returns the usage and the flags below it.
func Help(usage string, groups []Group) string {
	for _, g := range groups {
		usage += "\n" + g.heading + "\n" + g.FlagUsages()
	}
	return usage
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

// Of names the flag in an error about its value; nil stays nil.
func Of(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("--%s: %w", flag, err)
}
