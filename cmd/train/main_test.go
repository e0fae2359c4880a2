package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// programVariable makes this test binary the program itself.
const programVariable = "LAMINA_TEST_TRAIN"

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program returns the program with arguments, to be run in an empty folder with an empty cache and
// no network.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := exec.Command(self, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), programVariable+"=1", "HTTPS_PROXY=http://127.0.0.1:1",
		"HOME="+dir, "XDG_CACHE_HOME="+dir, "LocalAppData="+dir)
	return c
}

// outcome is how the program ended.
type outcome struct {
	code           int // −1 if a signal ended it
	stdout, stderr string
}

// run runs the program to its end. Whatever happens, it prints no stack trace, and where it fails
// one line that says why.
func execute(t *testing.T, args ...string) outcome {
	t.Helper()
	c := program(t, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	return finish(t, c.Run(), &stdout, &stderr)
}

func finish(t *testing.T, err error, stdout, stderr *bytes.Buffer) outcome {
	t.Helper()
	o := outcome{stdout: stdout.String(), stderr: stderr.String()}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		o.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(o.stdout+o.stderr, "goroutine ") {
		t.Fatalf("a stack trace:\n%s%s", o.stdout, o.stderr)
	}
	if lines := strings.Count(o.stderr, "\n"); o.code > 0 && lines != 1 || o.code == 0 && lines != 0 {
		t.Fatalf("exit %d with %d lines on stderr:\n%s", o.code, lines, o.stderr)
	}
	return o
}

// succeed runs the program, which must do what it is asked, and returns what it printed.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	o := execute(t, args...)
	if o.code != 0 {
		t.Fatalf("train %s: exit %d: %s", strings.Join(args, " "), o.code, o.stderr)
	}
	return o.stdout
}

// fail runs the program, which must end with the code and a sentence that has all the words.
func fail(t *testing.T, code int, words []string, args ...string) {
	t.Helper()
	o := execute(t, args...)
	if o.code != code {
		t.Fatalf("train %s: exit %d, want %d: %s", strings.Join(args, " "), o.code, code, o.stderr)
	}
	for _, word := range words {
		if !strings.Contains(o.stderr, word) {
			t.Errorf("train %s: %q is not in: %s", strings.Join(args, " "), word, o.stderr)
		}
	}
}

// process is the program while it runs.
type process struct {
	t              *testing.T
	command        *exec.Cmd
	lines          *bufio.Scanner
	stdout, stderr bytes.Buffer
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, command: program(t, args...)}
	p.command.Stderr = &p.stderr
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewScanner(out)
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.command.Process.Kill() })
	return p
}

// await returns when the program has printed a line with the words.
func (p *process) await(words string) {
	p.t.Helper()
	for p.lines.Scan() {
		p.stdout.WriteString(p.lines.Text() + "\n")
		if strings.Contains(p.lines.Text(), words) {
			return
		}
	}
	p.command.Wait()
	p.t.Fatalf("the program ended without the words %q:\n%s%s", words, &p.stdout, &p.stderr)
}

func (p *process) send(s os.Signal) {
	p.t.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the program to end.
func (p *process) end() outcome {
	p.t.Helper()
	for p.lines.Scan() {
		p.stdout.WriteString(p.lines.Text() + "\n")
	}
	return finish(p.t, p.command.Wait(), &p.stdout, &p.stderr)
}
