//go:build unix

package cifar

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A pipe that nobody writes to must not keep the program waiting.
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
	picture := writeFolder(t, pictureFiles(t))
	pipe(filepath.Join(picture, "train", "red", "0.png"))
	for _, path := range []string{alone, batch, picture, os.DevNull} {
		d, err := Open(context.Background(), path, nil)
		checkError(t, d, err, path, "is not a file that can be read")
	}
}
