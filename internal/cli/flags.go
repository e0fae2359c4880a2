package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/tensor"
)

// Group is a set of flags under a heading.
type Group struct {
	heading string
	*pflag.FlagSet
}

// NewGroup returns a group without flags. The help shows flags in the order in which they are
// added.
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

// Parse reads and checks a command line. An error is the user's mistake. With --help it returns the
// help and checks nothing else.
func (c *Command) Parse(args []string) (help string, verbose bool, err error) {
	general := NewGroup("General")
	general.BoolVar(&verbose, "verbose", false, "print all settings; on an internal error, print the stack trace")
	wanted := general.BoolP("help", "h", false, "print this help")
	groups := append(slices.Clip(c.Flags), general)
	f := Union(groups)
	if err := f.Parse(args); err != nil {
		return "", false, explain(err, f)
	}
	if *wanted {
		return c.Usage + flagHelp(groups), verbose, nil
	}
	return "", verbose, c.Check(f)
}

// explain adds to the error for an unknown flag what the user may have meant.
func explain(err error, f *pflag.FlagSet) error {
	unknown := (*pflag.NotExistError)(nil)
	if !errors.As(err, &unknown) {
		return err
	}
	if unknown.GetSpecifiedShortnames() != "" {
		return fmt.Errorf("unknown flag -%s: see --help", unknown.GetSpecifiedName())
	}
	var names []string
	f.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
		return fmt.Errorf("unknown flag --%s: did you mean --%s?", unknown.GetSpecifiedName(), near)
	}
	return fmt.Errorf("unknown flag --%s: see --help", unknown.GetSpecifiedName())
}

// helpWidth is the number of columns of the help.
const helpWidth = 80

// flagHelp describes the flags under their headings.
func flagHelp(groups []Group) string {
	left := 0
	each := func(g Group, f func(name, usage string)) {
		g.VisitAll(func(flag *pflag.Flag) {
			if !flag.Hidden {
				f(describe(flag))
			}
		})
	}
	for _, g := range groups {
		each(g, func(name, _ string) { left = max(left, len(name)) })
	}
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "\n%s\n", g.heading)
		each(g, func(name, usage string) {
			for i, line := range wrap(usage, helpWidth-left-5) {
				if i > 0 {
					name = ""
				}
				fmt.Fprintf(&b, "  %-*s   %s\n", left, name, line)
			}
		})
	}
	return b.String()
}

// describe returns a flag with the name of its value, and its usage with the default. The usage of
// a flag with a value begins with the value's name in backquotes.
func describe(f *pflag.Flag) (name, usage string) {
	name = "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	usage = f.Usage
	if rest, ok := strings.CutPrefix(usage, "`"); ok {
		value, text, _ := strings.Cut(rest, "` ")
		name, usage = name+" "+value, text
	}
	switch f.DefValue {
	case "", "0", "false", "[]":
	default:
		usage += " (default " + strings.Trim(f.DefValue, "[]") + ")"
	}
	return name, usage
}

// wrap breaks a text into lines of at most the given number of columns.
func wrap(text string, columns int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) <= columns:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// OneOf reports an error unless the value of a flag is one of the names.
func OneOf(flag, value string, names ...string) error {
	if slices.Contains(names, value) {
		return nil
	}
	return fmt.Errorf("--%s %q: must be one of %s", flag, value, strings.Join(names, ", "))
}

// Fraction reports an error unless the value of a flag is in [0, 1).
func Fraction(flag string, value float32) error {
	if value >= 0 && value < 1 {
		return nil
	}
	return fmt.Errorf("--%s %v: must be at least 0 and below 1", flag, value)
}

// AtLeast reports an error if the value of a flag is below least.
func AtLeast(flag string, value, least int) error {
	if value >= least {
		return nil
	}
	return fmt.Errorf("--%s %d: must be at least %d", flag, value, least)
}

// AtMost reports an error if the value of a flag is above most.
func AtMost(flag string, value, most int) error {
	if value <= most {
		return nil
	}
	return fmt.Errorf("--%s %d: must be at most %d", flag, value, most)
}

// PerChannel reads finite numbers, n with commas between them, or one that stands for all n.
func PerChannel(text string, n int) ([]float32, error) {
	words := strings.Split(text, ",")
	if len(words) == 1 {
		words = slices.Repeat(words, n)
	}
	if len(words) != n {
		return nil, fmt.Errorf("must be one number, or %d separated by commas", n)
	}
	values := make([]float32, n)
	for i, word := range words {
		v, err := strconv.ParseFloat(word, 32)
		if err != nil || !tensor.Finite(v) {
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
