// Package cli is the frame of the program: commands with their flags and help, progress on the
// terminal, and how a command ends.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// Program is a set of commands.
type Program struct {
	Name     string
	About    string // the help above the list of commands
	Commands []*Command
}

// Command is a command of a program.
type Command struct {
	Name    string
	Summary string                     // a line in the list of commands
	Usage   string                     // the help above the flags
	Flags   []Group                    // --verbose and --help are added
	Check   func(*pflag.FlagSet) error // completes and checks the command line; an error is the user's mistake
	Run     func(*Call) error
}

// Call is a command as the user called it.
type Call struct {
	Verbose bool
	Args    []string // flags and arguments

	line string // what the user types to run the command
}

// Main runs the command that the arguments name and ends the process. With words, these come before
// the arguments of the command line. The exit code is 0, or after an error, printed as one line, 1;
// 2 for a [UsageError], 130 for [ErrInterrupted].
func (p *Program) Main(words ...string) {
	prefix, err := p.run(words, os.Args[1:])
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", prefix, Escape(strings.ReplaceAll(err.Error(), "\n", "; ")))
	switch usage := (UsageError{}); {
	case errors.As(err, &usage):
		os.Exit(2)
	case errors.Is(err, ErrInterrupted):
		os.Exit(130) // the shells' code for Ctrl-C
	}
	os.Exit(1)
}

// run runs a command. prefix begins the line that reports an error.
func (p *Program) run(words, args []string) (prefix string, err error) {
	all := append(words, args...)
	help := []string{"help", "--help", "-h"}
	switch {
	case len(all) == 0 || slices.Contains(help, all[0]) && (len(all) == 1 || slices.Contains(help, all[1])):
		fmt.Print(p.help())
		return p.Name, nil
	case all[0] == "--version":
		all[0] = "version"
	case slices.Contains(help, all[0]):
		all = []string{all[1], "--help"}
	}
	c, err := p.find(all[0])
	if err != nil {
		return p.Name, Usage(err)
	}
	call := &Call{Args: all[1:], line: executable()}
	if len(words) == 0 {
		call.line += " " + c.Name
	}
	return p.Name + " " + c.Name, c.run(call)
}

// find returns the command of that name.
func (p *Program) find(name string) (*Command, error) {
	var names []string
	for _, c := range p.Commands {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	if flag, ok := strings.CutPrefix(name, "--"); ok {
		if near := nearest(flag, []string{"help", "version"}); near != "" {
			return nil, fmt.Errorf("unknown flag --%s: did you mean --%s?", flag, near)
		}
		return nil, fmt.Errorf("flag %s without a command: a command comes first, see %s help", name, p.Name)
	}
	if near := nearest(name, append(names, "help")); near != "" {
		return nil, fmt.Errorf("unknown command %q: did you mean %s?", name, near)
	}
	return nil, fmt.Errorf("unknown command %q: see %s help", name, p.Name)
}

// help lists the commands.
func (p *Program) help() string {
	var b strings.Builder
	b.WriteString(p.About + "\nCommands\n")
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "  %-14s %s\n", c.Name, c.Summary)
	}
	fmt.Fprintf(&b, "  %-14s %s\n", "help COMMAND", "print the help of a command, as COMMAND --help does")
	return b.String()
}

func (c *Command) run(call *Call) (err error) {
	help, verbose, err := c.Parse(call.Args)
	if err != nil {
		return Usage(err)
	}
	if help != "" {
		fmt.Print(help)
		return nil
	}
	call.Verbose = verbose
	defer recoverTo(&err, verbose)
	return c.Run(call)
}

// UsageError is a mistake in the command line.
type UsageError struct{ error }

// Usage makes an error a [UsageError]; nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return UsageError{err}
}

// Unwrap returns the mistake.
func (e UsageError) Unwrap() error { return e.error }

// ErrInterrupted says that the user stopped the program.
var ErrInterrupted = errors.New("interrupted")

// Context returns a context that ends with the first Ctrl-C, SIGTERM or, unless nohup ignores it,
// closing of the terminal. The promise is printed then. A second signal ends the process.
func Context(promise string) context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, func() {
		// Ctrl-C also ends the "| tee LOG" after the program. A failing print must not prevent
		// saving.
		signal.Ignore(syscall.SIGPIPE)
		stop()
		fmt.Println("\n" + promise)
	})
	return ctx
}

// Interruption replaces an error that comes from the end of ctx by [ErrInterrupted].
func Interruption(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, ctx.Err())) {
		return ErrInterrupted
	}
	return err
}

// recoverTo, deferred, makes a panic an error of one line. With verbose it panics on.
func recoverTo(err *error, verbose bool) {
	if verbose {
		return
	}
	if fault := recover(); fault != nil {
		what, _, _ := strings.Cut(fmt.Sprint(fault), "\n")
		*err = fmt.Errorf("internal error: %s: please report it with the output of --verbose", what)
	}
}

// Command returns a line for the shell that runs the same command with other arguments.
func (c *Call) Command(args ...string) string {
	line := c.line
	for _, arg := range args {
		line += " " + quote(arg)
	}
	return line
}

// executable returns what the user types to run this program. "go run" builds it in a folder that
// is gone afterwards.
func executable() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !strings.Contains(filepath.ToSlash(os.Args[0]), "/go-build") {
		return quote(os.Args[0])
	}
	if v := info.Main.Version; v != "" && v != devel {
		return "go run " + info.Path + "@" + v
	}
	return "go run ." + strings.TrimPrefix(info.Path, info.Main.Path)
}

// Escape replaces control characters, which would act on the terminal, by escapes such as \x1b. They
// may come from a file.
func Escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// quote makes a text one word of a shell.
func quote(text string) string {
	if text != "" && !strings.ContainsAny(text, " \t\n'\"$&|;<>()*?[]#~`!{}") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
