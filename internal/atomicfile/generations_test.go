package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lamina-go/lamina/internal/clitest"
)

// holds fails the test unless the folder has just these files with these contents.
func holds(t *testing.T, folder string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(want) {
		t.Errorf("the folder holds %v, want %d files", entries, len(want))
	}
	for name, contents := range want {
		if data, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(data) != contents {
			t.Errorf("%s holds %q (%v), want %q", name, data, err, contents)
		}
	}
}

func TestWriteVerifiedKeepsThePreviousFile(t *testing.T) {
	folder := t.TempDir()
	path, previous := filepath.Join(folder, "f"), filepath.Join(folder, "previous")
	put := func(s string) {
		t.Helper()
		if err := WriteVerified(path, previous, text(s)); err != nil {
			t.Fatal(err)
		}
	}
	put("one")
	holds(t, folder, map[string]string{"f": "one"})
	put(strings.Repeat("two", 1<<20))
	put("three")
	holds(t, folder, map[string]string{"f": "three", "previous": strings.Repeat("two", 1<<20)})

	// A process that ends before it renames the new file leaves two names of one.
	if err := keep(path, previous); err != nil {
		t.Fatal(err)
	}
	holds(t, folder, map[string]string{"f": "three", "previous": "three"})
	put("four")
	holds(t, folder, map[string]string{"f": "four", "previous": "three"})
	if err := WriteVerified(path, "", text("five")); err != nil {
		t.Fatal(err)
	}
	holds(t, folder, map[string]string{"f": "five", "previous": "three"})
}

// A file that does not read back as written replaces nothing.
func TestWriteVerifiedOfALyingDisk(t *testing.T) {
	folder := t.TempDir()
	path, previous := filepath.Join(folder, "f"), filepath.Join(folder, "previous")
	for _, s := range []string{"one", "two"} {
		if err := WriteVerified(path, previous, text(s)); err != nil {
			t.Fatal(err)
		}
	}
	const size = 4 << 20
	for name, spoil := range map[string]func(*os.File) error{
		"bit":    func(f *os.File) error { _, err := f.WriteAt([]byte{'y'}, 77); return err },
		"zeros":  func(f *os.File) error { _, err := f.WriteAt(make([]byte, 4096), 4096); return err },
		"longer": func(f *os.File) error { return f.Truncate(2 * size) },
	} {
		t.Run(name, func(t *testing.T) {
			err := WriteVerified(path, previous, func(w io.Writer) error {
				if err := text(strings.Repeat("x", size))(w); err != nil {
					return err
				}
				names, err := filepath.Glob(filepath.Join(folder, ".lamina-*.tmp"))
				if err != nil || len(names) != 1 {
					t.Fatalf("temporary files %v, %v", names, err)
				}
				f, err := os.OpenFile(names[0], os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				return errors.Join(spoil(f), f.Close())
			})
			if !errors.Is(err, errVerify) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want that %s is not as it was written", err, path)
			}
			holds(t, folder, map[string]string{"f": "two", "previous": "one"})
		})
	}
}

func TestWriteVerifiedFullDisk(t *testing.T) {
	if !clitest.Alone(t) {
		return
	}
	folder := t.TempDir()
	path, previous := filepath.Join(folder, "f"), filepath.Join(folder, "previous")
	for _, s := range []string{"one", "two"} {
		if err := WriteVerified(path, previous, text(s)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("", func(t *testing.T) {
		clitest.LimitFiles(t, 1e6)
		if err := WriteVerified(path, previous, text(strings.Repeat("x", 2e6))); !errors.Is(err, syscall.EFBIG) {
			t.Errorf("error %v, want that the file is too large", err)
		}
	})
	holds(t, folder, map[string]string{"f": "two", "previous": "one"})
}

// BenchmarkWrite measures what reading back costs for a checkpoint of VGG-19.
func BenchmarkWrite(b *testing.B) {
	block := []byte(strings.Repeat("0123456789abcdef", 1<<12))
	contents := func(w io.Writer) error {
		for range 300_000_000 / len(block) {
			if _, err := w.Write(block); err != nil {
				return err
			}
		}
		return nil
	}
	for name, write := range map[string]func(string) error{
		"plain":    func(path string) error { return Write(path, contents) },
		"verified": func(path string) error { return WriteVerified(path, path+"-previous", contents) },
	} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "f")
			b.SetBytes(300_000_000)
			for b.Loop() {
				if err := write(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
