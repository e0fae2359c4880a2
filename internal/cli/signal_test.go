//go:build unix

package cli

import (
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/lamina-go/lamina/internal/clitest"
)

// TestSignals stops a program that saves then. When a terminal is closed, the system sends SIGHUP,
// and so does the shell.
func TestSignals(t *testing.T) {
	clitest.Once(t)
	const hup, term, ctrlC = syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT
	if signal.Ignored(hup) || signal.Ignored(ctrlC) {
		t.Skip("the tests run under nohup, which the program honours")
	}
	for _, signals := range [][]syscall.Signal{
		{hup}, {hup, hup}, {hup, hup, hup}, {hup, term}, {term, term}, {ctrlC}, {ctrlC, hup}, {hup, ctrlC, term},
	} {
		for range 12 {
			p := clitest.Start(t, clitest.Command(t, "end", "saved"))
			p.Await("ready")
			for _, s := range signals {
				p.Signal(s)
			}
			if o := p.End(); o.Code != 130 || !strings.HasPrefix(o.Stderr, "saved\n") {
				t.Fatalf("%v: %+v, want 130 and that it saved", signals, o)
			}
		}
	}
}

// TestAnotherInterrupt sends signals while a program saves. Only a second Ctrl-C ends it.
func TestAnotherInterrupt(t *testing.T) {
	clitest.Once(t)
	p := clitest.Start(t, clitest.Command(t, "end", "slowly"))
	p.Await("ready")
	p.Signal(syscall.SIGINT)
	p.Await("saving")
	p.Signal(syscall.SIGTERM)
	p.Signal(syscall.SIGINT)
	if o := p.End(); o.Code != 130 || o.Stderr != "" {
		t.Errorf("%+v, want 130 at once", o)
	}
}

// TestWithoutReader closes the reading end of standard output.
func TestWithoutReader(t *testing.T) {
	clitest.Once(t)
	for range 12 {
		p := clitest.Start(t, clitest.Command(t, "end", "saved"))
		p.Await("ready")
		p.HangUp()
		if o := p.End(); o.Code != 130 || !strings.HasPrefix(o.Stderr, "saved\n") {
			t.Fatalf("%+v, want 130 and that it saved", o)
		}
	}
}
