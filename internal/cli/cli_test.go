package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/clitest"
)

// main is a program whose one command ends as its argument says.
func main() {
	end := ""
	g := NewGroup("Flags")
	g.Int("number", 3, "`N` of no use, with a long description that must be wrapped in the help of the command")
	g.Bool("quick", false, "hurry")
	g.Bool("secret", false, "")
	g.Lookup("secret").Hidden = true
	c := &Command{Name: "end", Summary: "end in a way", Usage: "Do nothing.\n", Flags: []Group{g}}
	c.Check = func(f *pflag.FlagSet) error {
		if end = f.Arg(0); end == "mistaken" {
			return errors.New("no such end")
		}
		return nil
	}
	c.Run = func(call *Call) error {
		switch end {
		case "saved":
			return save(2 * time.Millisecond)
		case "slowly":
			return save(time.Hour)
		case "failed":
			return errors.New("first\nsecond \x1b[31m é")
		case "misled":
			return fmt.Errorf("later: %w", Usage(errors.New("a mistake")))
		case "interrupted":
			return fmt.Errorf("a run was %w", ErrInterrupted)
		case "panicked":
			panic("no way on\x1b[2J\nfrom here")
		}
		Stdout.Printf("done %s\n", strings.TrimPrefix(call.Command("a b"), executable()))
		return nil
	}
	version := &Command{Name: "version", Check: func(*pflag.FlagSet) error { return nil },
		Run: func(*Call) error { Stdout.Printf("%s\n", Version()); return nil }}
	p := &Program{Name: "test", About: "Test it.\n", Commands: []*Command{c, version}}
	if os.Getenv("TEST_ALONE") != "" {
		p.Main("end")
	}
	p.Main()
}

// save stands for a training that saves when it is stopped. Until then it prints.
func save(takes time.Duration) error {
	ctx := Context("saving")
	for Stdout.Printf("ready\n"); ctx.Err() == nil; time.Sleep(time.Millisecond) {
		Stdout.Printf("step\n")
	}
	time.Sleep(takes)
	Stderr.Printf("saved\n")
	return ErrInterrupted
}

func TestMain(m *testing.M) { os.Exit(clitest.Run(m, main)) }

func TestCommandEnds(t *testing.T) {
	for _, test := range []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"end well", 0, "done  end " + Join("a b") + "\n", ""},
		{"end failed", 1, "", "test end: first; second \\u001b[31m é\n"},
		{"end mistaken", 2, "", "test end: no such end\n"},
		{"end misled", 2, "", "test end: later: a mistake\n"},
		{"end interrupted", 130, "", "test end: a run was interrupted\n"},
		{"end panicked", 1, "", "test end: internal error: no way on\\u001b[2J: please report it with the output of --verbose\n"},
		{"end --letter a", 2, "", "test end: unknown flag --letter: see --help\n"},
		{"end --numbr 4", 2, "", "test end: unknown flag --numbr: did you mean --number?\n"},
		{"end --qui", 2, "", "test end: unknown flag --qui: did you mean --quick?\n"},
		{"end --secrt", 2, "", "test end: unknown flag --secrt: see --help\n"},
		{"end -x", 2, "", "test end: unknown flag -x: see --help\n"},
		{"edn well", 2, "", "test: unknown command \"edn\": did you mean end?\n"},
		{"--versoin", 2, "", "test: unknown flag --versoin: did you mean --version?\n"},
		{"--number 4", 2, "", "test: flag --number without a command: a command comes first, see test help\n"},
		{"start", 2, "", "test: unknown command \"start\": see test help\n"},
		{"help start", 2, "", "test: unknown command \"start\": see test help\n"},
	} {
		o := clitest.Execute(t, clitest.Command(t, strings.Fields(test.args)...))
		if o.Code != test.code || o.Stdout != test.stdout || o.Stderr != test.stderr {
			t.Errorf("%s: %+v, want %+v", test.args, o, test)
		}
	}
	if text := clitest.Expect(t, clitest.Command(t, "--version"), 0); text == "" {
		t.Error("no version")
	}
	c := clitest.Command(t, "well")
	c.Env = append(c.Env, "TEST_ALONE=1")
	if text := clitest.Expect(t, c, 0); text != "done  "+Join("a b")+"\n" {
		t.Errorf("a program of one command: %q", text)
	}
}

// With --verbose the stack of a panic is printed, without control of the terminal.
func TestVerbosePanic(t *testing.T) {
	text, err := clitest.Command(t, "end", "panicked", "--verbose").CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%v, want exit code 1", err)
	}
	for _, words := range []string{`no way on\u001b[2J`, "goroutine ", "cli_test.go:", "internal error"} {
		if !strings.Contains(string(text), words) {
			t.Errorf("%q is not in what is printed:\n%q", words, text)
		}
	}
	if strings.Contains(string(text), "\x1b") {
		t.Errorf("an escape reaches the terminal: %q", text)
	}
}

func TestHelp(t *testing.T) {
	want := `Do nothing.

Flags
  --number N   of no use, with a long description that must be wrapped in the
               help of the command (default 3)
  --quick      hurry

General
  --verbose    print all settings; on an internal error, print the stack trace
  -h, --help   print this help
`
	for _, args := range []string{"end mistaken -h", "help end", "--help end", "end --help"} {
		if got := clitest.Expect(t, clitest.Command(t, strings.Fields(args)...), 0); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", args, got, want)
		}
	}
	for _, args := range []string{"", "help", "--help", "-h", "help help", "help --help"} {
		text := clitest.Expect(t, clitest.Command(t, strings.Fields(args)...), 0)
		if !strings.HasPrefix(text, "Test it.\n\nCommands\n  end            end in a way\n") {
			t.Errorf("%s:\n%s", args, text)
		}
	}
}

func TestNearest(t *testing.T) {
	flags := []string{"epochs", "batch", "lr", "data", "save", "save-best", "save-every", "threads"}
	for word, want := range map[string]string{"epoch": "epochs", "epohcs": "epochs", "bach": "batch", "save-bets": "save-best",
		"treads": "threads", "rate": "", "colour": "", "x": "", "d": "", "lrs": "lr"} {
		if got := nearest(word, flags); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

func TestFitting(t *testing.T) {
	facts := []string{"1/3", "loss 2.302", "9s left"}
	for columns, want := range map[int]string{-5: "", 2: "", 3: "1/3", 13: "1/3", 14: "1/3 loss 2.302", 21: "1/3 loss 2.302", 22: "1/3 loss 2.302 9s left", 99: "1/3 loss 2.302 9s left"} {
		if got := fitting(facts, columns); got != want {
			t.Errorf("in %d columns: %q, want %q", columns, got, want)
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
	for text, want := range map[string][2]string{ // in a POSIX shell and on Windows
		"":                {"''", `""`},
		"runs/a-1":        {"runs/a-1", "runs/a-1"},
		"--lr=0.1:3,1":    {"--lr=0.1:3,1", "--lr=0.1:3,1"},
		"größer/猫":        {"größer/猫", "größer/猫"},
		"my runs":         {"'my runs'", `"my runs"`},
		"a*":              {"'a*'", `"a*"`},
		"it's":            {`'it'\''s'`, `"it's"`},
		`runs\a`:          {`'runs\a'`, `runs\a`},
		`a\`:              {`'a\'`, `a\`},
		`C:\my runs\a`:    {`'C:\my runs\a'`, `"C:\my runs\a"`},
		"^%a":             {"'^%a'", `"^%a"`},
		"a\x1b'\\\nb\xff": {`$'a\033\047\134\012b\377'`, "\"a\x1b'\\\nb\xff\""},
	} {
		for i, got := range []string{quote(text, false), quote(text, true)} {
			if got != want[i] {
				t.Errorf("%q: %s, want %s", text, got, want[i])
			}
		}
	}
}

// TestQuoteInShell gives quoted words to a shell.
func TestQuoteInShell(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("no bash")
	}
	for _, text := range []string{"", `a\b`, `\`, `a\`, `\'\n`, "it's", "$HOME", "a\nb\t\x1b\x01c", "\xff\u009b", "`x`", "a!b", "~", "{a,b}"} {
		got, err := exec.Command(shell, "-c", "printf %s "+quote(text, false)).Output()
		if err != nil || string(got) != text {
			t.Errorf("%q: the shell reads %q, %v", text, got, err)
		}
	}
}
