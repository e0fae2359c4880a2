// Package clitest runs the program in tests. A test binary is the program too, so none is built.
package clitest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// variable makes a test binary the program itself.
const variable = "LAMINA_TEST_PROGRAM"

// Run runs the tests and returns their exit code. In a process that [Command] has started it calls
// main, which must end the process.
func Run(m *testing.M, main func()) int {
	if os.Getenv(variable) != "" {
		os.Unsetenv(variable)
		main()
	}
	return m.Run()
}

// Once skips a test in short mode, in which CI repeats tests at other ISA levels: it is for tests
// that do not depend on the kernels.
func Once(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: it does not depend on the kernels")
	}
}

// Command returns the program with arguments. It runs in an empty folder, with an empty cache and
// no network.
func Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := exec.Command(self, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), variable+"=1", "HTTPS_PROXY=http://127.0.0.1:1",
		"HOME="+dir, "XDG_CACHE_HOME="+dir, "LocalAppData="+dir)
	return c
}

// Outcome is how a program ended.
type Outcome struct {
	Code           int // −1 after a signal
	Stdout, Stderr string
}

// Execute runs a program to its end. It must not print a stack trace.
func Execute(t testing.TB, c *exec.Cmd) Outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	return outcome(t, c.Run(), &stdout, &stderr)
}

func outcome(t testing.TB, err error, stdout, stderr *bytes.Buffer) Outcome {
	t.Helper()
	o := Outcome{Stdout: stdout.String(), Stderr: stderr.String()}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		o.Code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(o.Stdout+o.Stderr, "goroutine ") {
		t.Fatalf("a stack trace:\n%s%s", o.Stdout, o.Stderr)
	}
	return o
}

// Expect runs a program, which must end with the code and print a line on standard error for each
// set of words, with all of them in it. It returns standard output.
func Expect(t testing.TB, c *exec.Cmd, code int, lines ...[]string) string {
	t.Helper()
	o := Execute(t, c)
	if o.Code != code {
		t.Errorf("%q: exit %d, want %d", c.Args[1:], o.Code, code)
	}
	got := strings.SplitAfter(o.Stderr, "\n")
	if got = got[:len(got)-1]; len(got) != len(lines) {
		t.Fatalf("%q: want %d lines on stderr:\n%s", c.Args[1:], len(lines), o.Stderr)
	}
	for i, words := range lines {
		for _, word := range words {
			if !strings.Contains(got[i], word) {
				t.Errorf("%q: %q is not in: %s", c.Args[1:], word, got[i])
			}
		}
	}
	return o.Stdout
}

// Process is a running program.
type Process struct {
	t              testing.TB
	command        *exec.Cmd
	out            io.Closer // what lines reads
	lines          *bufio.Scanner
	stdout, stderr bytes.Buffer
}

// Start starts a program.
func Start(t testing.TB, c *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, command: c}
	c.Stderr = &p.stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out, p.lines = out, bufio.NewScanner(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// Await returns the next line of output that has the words.
func (p *Process) Await(words string) string {
	p.t.Helper()
	for p.lines.Scan() {
		p.stdout.WriteString(p.lines.Text() + "\n")
		if strings.Contains(p.lines.Text(), words) {
			return p.lines.Text()
		}
	}
	p.command.Wait()
	p.t.Fatalf("the program ended without the words %q:\n%s%s", words, &p.stdout, &p.stderr)
	return ""
}

// Signal sends the program a signal.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// HangUp closes the reading end of standard output, like a program behind a pipe that ends.
func (p *Process) HangUp() { p.out.Close() }

// Kill ends the program if it still runs.
func (p *Process) Kill() { p.command.Process.Kill() }

// End waits for the program to end.
func (p *Process) End() Outcome {
	p.t.Helper()
	for p.lines.Scan() {
		p.stdout.WriteString(p.lines.Text() + "\n")
	}
	return outcome(p.t, p.command.Wait(), &p.stdout, &p.stderr)
}

// Put writes a file and the folders above it, and returns its path.
func Put(t testing.TB, data []byte, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
