//go:build linux || darwin

package clitest

import (
	"testing"

	"golang.org/x/sys/unix"
)

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
