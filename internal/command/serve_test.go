package command

import (
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
)

// TestServeEnds starts the program as a server and stops it.
func TestServeEnds(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to a process")
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := clitest.Start(t, clitest.Command(t, "serve", classifytest.Run(t), "--listen", "0"))
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().String()
	fail(t, 1, []string{"--listen " + address, "another port"}, "serve", classifytest.Run(t), "--listen", address)
}
