package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-go/lamina/internal/clitest"
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

// A disk is full at the first byte that is written, or later.
func TestWriteFullDisk(t *testing.T) {
	if !clitest.Alone(t) {
		return
	}
	for _, s := range []string{"short", strings.Repeat("long", 1<<20)} {
		folder := t.TempDir()
		path := filepath.Join(folder, "f")
		if err := Write(path, text("old")); err != nil {
			t.Fatal(err)
		}
		t.Run("", func(t *testing.T) {
			clitest.LimitFiles(t, uint64(len(s)/2))
			if err := Write(path, text(s)); !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want that the file is too large", err)
			}
		})
		expect(t, folder, "old")
	}
}

// Files with the names of others' temporary files stay, and links are not followed.
func TestWriteKeepsOthersFiles(t *testing.T) {
	folder, elsewhere := t.TempDir(), t.TempDir()
	path, target := filepath.Join(folder, "f"), filepath.Join(elsewhere, "target")
	names := []string{"f.tmp", "f.part", ".f.tmp", ".lamina-.tmp", ".lamina-0123456789abcde.tmp", ".lamina-0123456789ABCDEF.tmp",
		".lamina-0123456789abcdef.tmp.h5", "x.lamina-0123456789abcdef.tmp"}
	for _, name := range names {
		clitest.Put(t, []byte("a user's"), folder, name)
	}
	clitest.Put(t, []byte("a user's"), target)
	link, within := filepath.Join(folder, ".lamina-0123456789abcdef.tmp"), filepath.Join(folder, ".lamina-0123456789abcdee.tmp")
	if err := errors.Join(os.Mkdir(within, 0o755), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Check(path), Write(path, text("new"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, filepath.Base(link)) {
		if data, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(data) != "a user's" {
			t.Errorf("%s holds %q, %v", name, data, err)
		}
	}
	if _, err := os.Stat(within); err != nil {
		t.Error(err)
	}
}

// TestWriteTogether writes a file from many goroutines. Each succeeds, and the file is whole.
func TestWriteTogether(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that another reads cannot be replaced")
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "f")
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			s := strings.Repeat(string(rune('a'+i)), 100_000)
			for range 10 {
				if err := Write(path, text(s)); err != nil {
					t.Error(err)
				}
				data, err := os.ReadFile(path)
				if err != nil || len(data) != len(s) || strings.Trim(string(data), string(data[:1])) != "" {
					t.Errorf("%d bytes, %v", len(data), err)
				}
			}
		})
	}
	all.Wait()
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("%v, %v is left", left, err)
	}
}

// TestWriteAfterCrash kills processes that write. What they leave is removed, but not the file of a
// process that still writes.
func TestWriteAfterCrash(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("abandoned files stay for a minute")
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "f")
	writer := func() *clitest.Process {
		p := clitest.Start(t, clitest.Command(t, filepath.Join(folder, "other")))
		p.Await("writing")
		return p
	}
	for range 3 {
		p := writer()
		p.Kill()
		p.End()
		if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
			t.Fatalf("%v, %v is left by the last crash, want a file", left, err)
		}
	}
	alive := writer()
	if err := Write(path, text("new")); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 {
		t.Errorf("%v, %v is left, want f and a file that is written", left, err)
	}
	alive.Kill()
	alive.End()
	if err := Write(path, text("newer")); err != nil {
		t.Fatal(err)
	}
	expect(t, folder, "newer")
}

func TestMain(m *testing.M) {
	os.Exit(clitest.Run(m, func() {
		err := Write(os.Args[1], func(w io.Writer) error {
			fmt.Println("writing")
			time.Sleep(time.Hour)
			return nil
		})
		fmt.Println(err)
		os.Exit(1)
	}))
}
