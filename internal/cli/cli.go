// Package cli is the frame of the program: commands with their flags and help, progress on the
// terminal, and how a command ends.
package cli

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"unicode"

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
	log.SetOutput(Stderr)
	prefix, err := p.run(words, os.Args[1:])
	if err == nil {
		os.Exit(0)
	}
	Stderr.Printf("%s: %s\n", prefix, strings.ReplaceAll(err.Error(), "\n", "; "))
	switch usage := (UsageError{}); {
	case errors.As(err, &usage):
		os.Exit(2)
	case errors.Is(err, ErrInterrupted):
		os.Exit(interruptedCode)
	}
	os.Exit(1)
}

// run runs a command. prefix begins the line that reports an error.
func (p *Program) run(words, args []string) (prefix string, err error) {
	all := append(words, args...)
	help := []string{"help", "--help", "-h"}
	switch {
	case len(all) == 0 || slices.Contains(help, all[0]) && (len(all) == 1 || slices.Contains(help, all[1])):
		Stdout.Printf("%s", p.help())
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
		Stdout.Printf("%s", help)
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

// interruptedCode is the shells' code for a process that Ctrl-C ends.
const interruptedCode = 130

// ErrInterrupted says that the user stopped the program.
var ErrInterrupted = errors.New("interrupted")

// Context returns a context that ends with the first Ctrl-C, SIGTERM or, unless nohup ignores it,
// closing of the terminal, and when nobody reads the output any more. The promise is printed
// then. A second Ctrl-C ends the process. Other signals do not: both the shell and the system send
// SIGHUP when a terminal is closed. A process calls it once.
func Context(promise string) context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := context.WithCancel(context.Background())
	withoutReader.Store(&stop)
	signal.Ignore(syscall.SIGPIPE) // which ends a process that prints to a closed pipe
	received := make(chan os.Signal, 8)
	signal.Notify(received, signals...)
	go func() {
		for interrupts := 0; ; {
			if <-received == os.Interrupt {
				interrupts++
			}
			if interrupts == 2 {
				os.Exit(interruptedCode)
			}
			stop()
		}
	}()
	context.AfterFunc(ctx, func() { Stdout.Printf("\n%s\n", promise) })
	return ctx
}

// Interruption replaces an error that comes from the end of ctx by [ErrInterrupted].
func Interruption(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, ctx.Err())) {
		return ErrInterrupted
	}
	return err
}

// recoverTo, deferred, makes a panic an error of one line. With verbose it prints the stack.
func recoverTo(err *error, verbose bool) {
	if fault := recover(); fault != nil {
		if verbose {
			Stderr.Printf("%v\n\n%s\n", fault, debug.Stack())
		}
		what, _, _ := strings.Cut(fmt.Sprint(fault), "\n")
		*err = fmt.Errorf("internal error: %s: please report it with the output of --verbose", what)
	}
}

// Command returns a line for the shell that runs the same command with other arguments.
func (c *Call) Command(args ...string) string {
	return strings.TrimSuffix(c.line+" "+Join(args...), " ")
}

// Join returns words of a command for the shell of this system.
func Join(words ...string) string {
	var quoted []string
	for _, word := range words {
		quoted = append(quoted, quote(word, runtime.GOOS == "windows"))
	}
	return strings.Join(quoted, " ")
}

// executable returns what the user types to run this program. "go run" builds it in a folder that
// is gone afterwards.
func executable() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !strings.Contains(filepath.ToSlash(os.Args[0]), "/go-build") {
		return Join(os.Args[0])
	}
	if v := info.Main.Version; v != "" && v != devel {
		return "go run " + info.Path + "@" + v
	}
	return "go run ." + strings.TrimPrefix(info.Path, info.Main.Path)
}

// quote makes a text one word of a shell. What an [Output] would escape becomes an octal escape of
// POSIX. On Windows, where backslashes separate folders, names have no quotation marks.
func quote(text string, windows bool) string {
	special := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("@%+=:,./-_", r) && !(windows && r == '\\')
	}
	switch {
	case text != "" && !strings.ContainsFunc(text, special):
		return text
	case windows:
		return `"` + text + `"`
	case OneLine(text) == text:
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for _, c := range []byte(text) {
		if c < ' ' || c >= 0x7f || c == '\'' || c == '\\' {
			fmt.Fprintf(&b, `\%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return "$'" + b.String() + "'"
}
