package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// expect fails the test unless the folder has just the file "f" with these contents.
func expect(t *testing.T, folder, contents string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(folder, "f"))
	if err != nil || string(data) != contents || len(entries) != 1 {
		t.Errorf("f holds %q (%v), want %q; %d entries in the folder", data, err, contents, len(entries))
	}
}

func TestWrite(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "f")
	for _, s := range []string{"one", "", strings.Repeat("long", 1<<20), "two"} {
		if err := Write(path, text(s)); err != nil {
			t.Fatal(err)
		}
		expect(t, folder, s)
	}
	failed := errors.New("failed")
	err := Write(path, func(w io.Writer) error {
		io.WriteString(w, "three")
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("error %v, want %v", err, failed)
	}
	expect(t, folder, "two")
	if err := Write(filepath.Join(folder, "absent", "f"), text("x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent folder: %v", err)
	}
}

// Check leaves nothing behind, and changes nothing.
func TestCheck(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "f")
	if err := Check(path); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v, %v is left", left, err)
	}
	if err := Write(path, text("old")); err != nil {
		t.Fatal(err)
	}
	if err := Check(path); err != nil {
		t.Error(err)
	}
	expect(t, folder, "old")
	if err := Check(filepath.Join(folder, "absent", "f")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent folder: %v", err)
	}
}

// A device must not be lost, as it would be to a superuser, nor a folder.
func TestWriteReplacesOnlyFiles(t *testing.T) {
	folder := t.TempDir()
	within := filepath.Join(folder, "within")
	device := filepath.Join(folder, "device")
	if err := errors.Join(os.Mkdir(within, 0o755), os.Symlink(os.DevNull, device)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{within, device} {
		for _, err := range []error{Write(path, text("x")), Check(path)} {
			if !errors.Is(err, errNoFile) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want that %s is no file", err, path)
			}
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 {
		t.Errorf("%v, %v is left", left, err)
	}
}

func TestWriteFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full, a file that is always full")
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "f")
	if err := Write(path, text("old")); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"short", strings.Repeat("long", 1<<20)} {
		if err := os.Symlink("/dev/full", path+".tmp"); err != nil {
			t.Fatal(err)
		}
		if err := Write(path, text(s)); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("error %v, want no space left", err)
		}
		expect(t, folder, "old")
	}
}
