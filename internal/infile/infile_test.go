//go:build unix

package infile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestOpen(t *testing.T) {
	folder := t.TempDir()
	file, link, pipe := filepath.Join(folder, "file"), filepath.Join(folder, "link"), filepath.Join(folder, "pipe")
	if err := errors.Join(os.WriteFile(file, []byte("five\n"), 0o644), os.Symlink(file, link), syscall.Mkfifo(pipe, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link} {
		f, size, err := Open(path)
		if err != nil || size != 5 {
			t.Fatalf("%s: %d bytes, %v", path, size, err)
		}
		f.Close()
		if text, err := ReadFile(path); err != nil || string(text) != "five\n" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	for _, path := range []string{folder, pipe, os.DevNull} {
		if _, _, err := Open(path); err == nil || !strings.Contains(err.Error(), path+" is not a file") {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := ReadFile(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
	if _, _, err := Open(filepath.Join(folder, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}
