package command

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/clitest"
)

func TestMain(m *testing.M) {
	code := clitest.Run(m, func() { Main() })
	classifytest.Remove()
	os.Exit(code)
}

// succeed runs a command, which must print no error, and returns what it prints.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	return clitest.Expect(t, clitest.Command(t, args...), 0)
}

// fail runs a command, which must end with the code and one line of error that has all the words.
func fail(t *testing.T, code int, words []string, args ...string) {
	t.Helper()
	clitest.Expect(t, clitest.Command(t, args...), code, words)
}

// The help names all experiments and their runs.
func TestExperimentHelp(t *testing.T) {
	text := strings.Join(strings.Fields(succeed(t, "experiment", "--help")), " ")
	for _, words := range append(experimentNames(), "depth has vgg11_A, vgg13_B, vgg16_C, vgg16_D, vgg19_E;") {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not in the help", words)
		}
	}
}

// The help of each command describes each flag, and fits a terminal.
func TestHelp(t *testing.T) {
	texts := map[string]string{"": succeed(t)}
	for _, c := range program().Commands {
		text := succeed(t, c.Name, "--help")
		texts[c.Name] = text
		if !strings.Contains(text, "Usage: lamina "+c.Name) || !strings.Contains(texts[""], "  "+c.Name+" ") || c.Summary == "" {
			t.Errorf("no usage or no summary of %s", c.Name)
		}
		cli.Union(c.Flags).VisitAll(func(f *pflag.Flag) {
			if shown := strings.Contains(text, "--"+f.Name+" "); shown == f.Hidden {
				t.Errorf("%s --help: --%s shown: %t", c.Name, f.Name, shown)
			}
		})
	}
	for name, text := range texts {
		for line := range strings.Lines(text) {
			if utf8.RuneCountInString(line) > 81 || strings.ContainsAny(line, "`\t") || strings.Contains(line, "[=") {
				t.Errorf("%s --help: %q", name, line)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	text := succeed(t, "version")
	if !strings.HasPrefix(text, "lamina ") || !strings.Contains(text, ", ISA level ") || strings.Count(text, "\n") != 1 {
		t.Errorf("%q", text)
	}
	if other := succeed(t, "--version"); other != text {
		t.Errorf("--version prints %q, version %q", other, text)
	}
}

// The licenses name what asks to be named.
func TestLicenses(t *testing.T) {
	text := succeed(t, "licenses")
	for _, words := range []string{"BSD 3-Clause", "The Go standard library", "Portions of this software are copyright (C) 2010 The FreeType Project",
		"by Anthony Starks (https://github.com/ajstarks/svgo)", "SIL OPEN FONT LICENSE", "gonum.org/v1/plot"} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not among the licenses", words)
		}
	}
}
