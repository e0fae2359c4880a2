//go:build !linux && !darwin

package clitest

import "testing"

// LimitFiles skips a test that needs a limit of the sizes of files.
func LimitFiles(t testing.TB, _ uint64) {
	t.Helper()
	t.Skip("no limit of the sizes of files")
}
