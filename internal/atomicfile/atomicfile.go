// Package atomicfile replaces files so that a reader, after a crash at any moment too, finds
// either the old contents or the new.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

var errNoFile = errors.New("it is not a file")

// Write replaces the file at path by what f writes. It goes to path with ".tmp" added, is
// synced, and takes the place of the old file, which stays as it was if anything fails. A folder or
// a device is not replaced. Two writers of one path must not meet.
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

// Check reports why [Write] cannot begin to replace the file at path, which the error names, for those who have long work
// to do before it.
func Check(path string) error {
	file, err := create(path)
	if failed := (*os.PathError)(nil); errors.As(err, &failed) {
		return fmt.Errorf("%s: %w", path, failed.Err)
	}
	if err != nil {
		return err
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

// syncFolder makes a renaming last.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // where a folder cannot be opened as a file
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
