// Package filelock locks files between processes.
package filelock

import (
	"errors"
	"os"
)

// ErrLocked reports a lock that is held already.
var ErrLocked = errors.New("locked")

// Acquire locks the file at path, which it creates if needed, until the returned file is closed or
// the process ends.
func Acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := Lock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Lock locks an open file until it is closed or the process ends. Another process may not have it
// locked, nor this one through another open file.
func Lock(f *os.File) error { return lock(f) }
