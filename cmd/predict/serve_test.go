package main

import (
	"bufio"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestServeEnds starts the program as a server and stops it.
func TestServeEnds(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to a process")
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		c := program(t, model(t), "--serve", "0")
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Process.Kill() })
		lines := bufio.NewScanner(out)
		if !lines.Scan() || !strings.Contains(lines.Text(), "http://127.0.0.1:") {
			t.Fatalf("the program says %q", lines.Text())
		}
		_, url, _ := strings.Cut(lines.Text(), "http://")
		r, err := http.Get("http://" + url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("status %d", r.StatusCode)
		}
		c.Process.Signal(signal)
		for lines.Scan() {
		}
		if err := c.Wait(); err != nil {
			t.Errorf("after %v: %v", signal, err)
		}
	}
}

func TestServeAtATakenPort(t *testing.T) {
	address, _ := listen(t, newTestServer(t))
	expect(t, program(t, model(t), "--serve", address), 1, []string{"--serve " + address, "another port"})
}
