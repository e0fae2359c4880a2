//go:build !linux && !darwin

package clitest

import "testing"

// Alone skips a test that needs a limit of the sizes of files.
func Alone(t *testing.T) bool {
	t.Helper()
	t.Skip("no limit of the sizes of files")
	return false
}

// LimitFiles skips a test that needs a limit of the sizes of files.
func LimitFiles(t testing.TB, _ uint64) {
	t.Helper()
	t.Skip("no limit of the sizes of files")
}
