// Package filelock keeps two processes from working in one folder.
package filelock

import (
	"errors"
	"os"
)

// ErrLocked says that the lock is held already.
var ErrLocked = errors.New("locked")

// Acquire makes the file at path, if there is none, and locks it until the returned file is closed
// or the process ends.
func Acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
