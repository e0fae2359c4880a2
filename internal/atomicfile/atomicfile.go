// Package atomicfile replaces files so that a reader finds either the old contents or the new, also
// after a crash.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/lamina-go/lamina/internal/infile"
)

var errNoFile = errors.New("not a regular file")

// Write replaces the file at path by what f writes. It writes to path + ".tmp", syncs, and renames.
// The old file stays if anything fails. A folder or a device is not replaced. Only one goroutine
// and one process may write a path at a time.
func Write(path string, f func(io.Writer) error) (err error) {
	file, err := create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			file.Close() // a second Close does no harm
			os.Remove(file.Name())
		}
	}()
	w := bufio.NewWriterSize(file, 1<<20)
	if err := f(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// Check reports why [Write] would fail for a path, for callers with long work before it. The error
// names the path.
func Check(path string) error {
	file, err := create(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, infile.Cause(err))
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// create makes the temporary file.
func create(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "replace", Path: path, Err: errNoFile}
	}
	return os.Create(path + ".tmp")
}

// syncFolder makes a rename durable.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // cannot open a folder as a file
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
