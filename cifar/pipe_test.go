//go:build unix

package cifar

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A pipe without a writer must not block the program.
func TestOpenPipe(t *testing.T) {
	pipe := func(path string) {
		if err := syscall.Mkfifo(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	alone := filepath.Join(t.TempDir(), "pipe")
	pipe(alone)
	batch := writeFolder(t, binaryFiles())
	os.Remove(filepath.Join(batch, "test_batch.bin"))
	pipe(filepath.Join(batch, "test_batch.bin"))
	folder := writeFolder(t, imageFiles(t))
	pipe(filepath.Join(folder, "train", "red", "0.png"))
	for _, path := range []string{alone, batch, folder, os.DevNull} {
		d, err := Open(context.Background(), path, Options{})
		checkError(t, d, err, path, "is not a file that can be read")
	}
}
