// Package cli is what the programs share: how they end, flags and how mistakes in them are told.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// Program is one of the project's programs.
type Program struct {
	Name, Usage string                     // Usage is what --help tells above the flags
	Flags       []Group                    // bound to what Check and Run see; Main adds --verbose and --help
	Verbose     *bool                      // where --verbose goes
	Check       func(*pflag.FlagSet) error // completes and checks what the command line said; an error is the user's mistake
	Run         func() error
}

// Main runs the program with the arguments of the command line and ends the process: with 0, or
// after an error, told in one line, with 1; 2 if it is a UsageError, 130 if it is ErrInterrupted.
func (p *Program) Main() {
	err := p.run(os.Args[1:])
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", p.Name, strings.ReplaceAll(err.Error(), "\n", "; "))
	switch usage := (UsageError{}); {
	case errors.As(err, &usage):
		os.Exit(2)
	case errors.Is(err, ErrInterrupted):
		os.Exit(130) // as shells tell of Ctrl-C
	}
	os.Exit(1)
}

func (p *Program) run(args []string) (err error) {
	help, err := p.Parse(args)
	if err != nil {
		return Usage(err)
	}
	if help != "" {
		fmt.Print(help)
		return nil
	}
	defer recoverTo(&err, *p.Verbose)
	return p.Run()
}

// UsageError is a mistake in the command line.
type UsageError struct{ error }

// Usage makes an error a UsageError; nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return UsageError{err}
}

// Unwrap returns what the mistake is.
func (e UsageError) Unwrap() error { return e.error }

// ErrInterrupted says that the user stopped the program.
var ErrInterrupted = errors.New("interrupted")

// Context returns a context that ends with the first Ctrl-C, SIGTERM or, where nohup does not keep
// it away, closing of the terminal, when the promise is printed. Another ends the process.
func Context(promise string) context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, func() {
		// Ctrl-C ends "| tee LOG" too, and what cannot be told must not keep the program from saving.
		signal.Ignore(syscall.SIGPIPE)
		stop()
		fmt.Println("\n" + promise)
	})
	return ctx
}

// Interruption returns ErrInterrupted in place of an error that comes from the end of ctx.
func Interruption(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, ctx.Err())) {
		return ErrInterrupted
	}
	return err
}

// recoverTo, deferred, makes a panic an error of one sentence, unless the user wants to see it all.
func recoverTo(err *error, verbose bool) {
	if verbose {
		return
	}
	if fault := recover(); fault != nil {
		what, _, _ := strings.Cut(fmt.Sprint(fault), "\n")
		*err = fmt.Errorf("a fault of this program: %s: please report it, with what --verbose adds", what)
	}
}

// Command returns what the user types to run the program of that name with these arguments.
func Command(name string, args ...string) string {
	line := quote(os.Args[0])
	if strings.Contains(filepath.ToSlash(os.Args[0]), "/go-build") {
		line = "go run ./cmd/" + name // which made the program in a folder that is gone afterwards
	}
	for _, arg := range args {
		line += " " + quote(arg)
	}
	return line
}

// quote makes a text one word of a shell.
func quote(text string) string {
	if text != "" && !strings.ContainsAny(text, " \t\n'\"$&|;<>()*?[]#~`!{}") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
