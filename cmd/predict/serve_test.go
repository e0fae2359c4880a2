package main

import (
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/lamina-go/lamina/internal/clitest"
)

// TestServeEnds starts the program as a server and stops it.
func TestServeEnds(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to a process")
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := clitest.Start(t, clitest.Command(t, model(t), "--serve", "0"))
		_, url, _ := strings.Cut(p.Await("http://127.0.0.1:"), "http://")
		r, err := http.Get("http://" + url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("status %d", r.StatusCode)
		}
		p.Signal(signal)
		if o := p.End(); o.Code != 0 {
			t.Errorf("after %v: exit %d: %s", signal, o.Code, o.Stderr)
		}
	}
}

func TestServeAtATakenPort(t *testing.T) {
	address, _ := listen(t, newTestServer(t))
	clitest.Expect(t, clitest.Command(t, model(t), "--serve", address), 1, []string{"--serve " + address, "another port"})
}
