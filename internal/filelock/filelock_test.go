package filelock

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestOneHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".lock")
	held, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(path); !errors.Is(err, ErrLocked) {
		t.Fatalf("a second lock: %v, want %v", err, ErrLocked)
	}
	held.Close()
	again, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if _, err := Acquire(filepath.Join(path, "below")); err == nil || errors.Is(err, ErrLocked) {
		t.Fatalf("a lock below a file: %v", err)
	}
}
