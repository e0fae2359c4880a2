//go:build linux || darwin

package clitest

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// aloneVariable names the test that a process runs alone.
const aloneVariable = "LAMINA_TEST_ALONE"

// Alone reports whether the test runs in a process of its own. If not, it runs the test in one, and
// the caller must return. A limit of files belongs there: the log that go test keeps of a process
// may be larger than the limit.
func Alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneVariable) == t.Name() {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.run", "^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), aloneVariable+"="+t.Name())
	if out, err := c.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("alone: %v\n%s", err, out)
	}
	return false
}

// LimitFiles lets no file of this process, or of those that it starts, grow beyond so many bytes,
// until the test ends. Writing more is the error syscall.EFBIG, as ENOSPC is on a full disk.
func LimitFiles(t testing.TB, bytes uint64) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
	})
}
