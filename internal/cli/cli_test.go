package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/clitest"
)

// main is a program that ends as its argument says.
func main() {
	end := ""
	g := NewGroup("Flags")
	g.Int("number", 3, "`n` of nothing")
	p := &Program{Name: "test", Usage: "Do nothing.\n", Flags: []Group{g}, Verbose: new(bool)}
	p.Check = func(f *pflag.FlagSet) error {
		if end = f.Arg(0); end == "mistaken" {
			return errors.New("no such end")
		}
		return nil
	}
	p.Run = func() error {
		switch end {
		case "failed":
			return errors.New("first\nsecond")
		case "misled":
			return fmt.Errorf("later: %w", Usage(errors.New("a mistake")))
		case "interrupted":
			return fmt.Errorf("a run was %w", ErrInterrupted)
		case "panicked":
			panic("no way on\nfrom here")
		}
		fmt.Println("done")
		return nil
	}
	p.Main()
}

func TestMain(m *testing.M) { os.Exit(clitest.Run(m, main)) }

func TestProgramEnds(t *testing.T) {
	for _, test := range []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"well", 0, "done\n", ""},
		{"failed", 1, "", "test: first; second\n"},
		{"mistaken", 2, "", "test: no such end\n"},
		{"misled", 2, "", "test: later: a mistake\n"},
		{"interrupted", 130, "", "test: a run was interrupted\n"},
		{"panicked", 1, "", "test: a fault of this program: no way on: please report it, with what --verbose adds\n"},
		{"--letter a", 2, "", "test: unknown flag: --letter: see --help\n"},
	} {
		o := clitest.Execute(t, clitest.Command(t, strings.Fields(test.args)...))
		if o.Code != test.code || o.Stdout != test.stdout || o.Stderr != test.stderr {
			t.Errorf("%s: %+v, want %+v", test.args, o, test)
		}
	}
	text := clitest.Expect(t, clitest.Command(t, "mistaken", "-h"), 0)
	for _, words := range []string{"Do nothing.\n\nFlags\n", "--number n", "(default 3)", "\nGeneral\n", "--verbose", "-h, --help"} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not in the help:\n%s", words, text)
		}
	}
}

func TestInterruption(t *testing.T) {
	ended, cancel := context.WithCancelCause(context.Background())
	cause, other := errors.New("cause"), errors.New("other")
	cancel(cause)
	for _, test := range []struct {
		ctx       context.Context
		err, want error
	}{
		{ended, nil, nil},
		{ended, fmt.Errorf("step: %w", cause), ErrInterrupted},
		{ended, context.Canceled, ErrInterrupted},
		{ended, other, other},
		{context.Background(), context.Canceled, context.Canceled},
	} {
		if got := Interruption(test.ctx, test.err); got != test.want {
			t.Errorf("%v: %v, want %v", test.err, got, test.want)
		}
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"": "''", "runs/a-1": "runs/a-1", "--lr=0.1:3,1": "--lr=0.1:3,1", "my runs": "'my runs'", "it's": `'it'\''s'`, "a*": "'a*'",
	} {
		if got := quote(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
