// Package atomicfile replaces files so that a reader finds either the old contents or the new, also
// after a crash.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"github.com/lamina-go/lamina/internal/filelock"
	"github.com/lamina-go/lamina/internal/infile"
)

var errNoFile = errors.New("not a regular file")

// Write replaces the file at path by what f writes. It writes to a new file in the same folder,
// syncs, and renames. The old file stays if anything fails. A folder or a device is not replaced.
// Of several goroutines and processes that write a path at a time, the last one decides. Write
// removes the new files that a crash has left in the folder.
func Write(path string, f func(io.Writer) error) error {
	return write(path, f, func(*os.File) error { return nil })
}

// write is Write, which calls ready with the new file once it is synced.
func write(path string, f func(io.Writer) error, ready func(*os.File) error) (err error) {
	file, err := create(path)
	if err != nil {
		return err
	}
	sweep(filepath.Dir(path))
	defer func() {
		if err != nil {
			file.Close() // a second Close does no harm
			os.Remove(file.Name())
			err = of(path, err)
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
	if err := ready(file); err != nil {
		return err
	}
	// A file that is open cannot be renamed on Windows. Elsewhere the lock must last until then.
	if runtime.GOOS == "windows" {
		file.Close()
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	file.Close() // Sync has reported what could fail
	return syncFolder(filepath.Dir(path))
}

// Check reports why [Write] would fail for a path, for callers with long work before it. The error
// names the path.
func Check(path string) error {
	file, err := create(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, infile.Cause(err))
	}
	return errors.Join(file.Close(), os.Remove(file.Name())) // in this order for Windows
}

// create makes the temporary file that is to replace path, and locks it.
func create(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "replace", Path: path, Err: errNoFile}
	}
	for {
		file, err := os.OpenFile(temporary(path), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, of(path, err)
		}
		if isOurs(file) {
			return file, nil
		}
		file.Close()
	}
}

// isOurs locks a new file and reports whether sweep in another process has left it. Without locks,
// as in some network folders, sweep leaves all files.
func isOurs(file *os.File) bool {
	if err := filelock.Lock(file); errors.Is(err, filelock.ErrLocked) {
		return false
	}
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(file.Name())
	return err == nil && os.SameFile(opened, named)
}

// temporaryName matches the names of temporary files, which no other program uses.
var temporaryName = regexp.MustCompile(`^\.lamina-[0-9a-f]{16}\.tmp$`)

// temporary returns a new name in the folder of path.
func temporary(path string) string {
	return filepath.Join(filepath.Dir(path), fmt.Sprintf(".lamina-%016x.tmp", rand.Uint64()))
}

// sweep removes the temporary files in a folder whose processes have ended: they are not locked.
func sweep(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return // a folder that can be written but not read
	}
	for _, entry := range entries {
		if temporaryName.MatchString(entry.Name()) && entry.Type().IsRegular() {
			removeAbandoned(filepath.Join(folder, entry.Name()))
		}
	}
}

func removeAbandoned(path string) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer file.Close()
	if filelock.Lock(file) != nil {
		return
	}
	if runtime.GOOS == "windows" {
		// Write closes its file before it renames it.
		if info, err := file.Stat(); err != nil || time.Since(info.ModTime()) < time.Minute {
			return
		}
		file.Close()
	}
	os.Remove(path)
}

// of makes an error about a temporary file one about the path.
func of(path string, err error) error {
	if file := (*fs.PathError)(nil); errors.As(err, &file) && temporaryName.MatchString(filepath.Base(file.Path)) {
		return &fs.PathError{Op: file.Op, Path: path, Err: file.Err}
	}
	if link := (*os.LinkError)(nil); errors.As(err, &link) {
		return &fs.PathError{Op: link.Op, Path: path, Err: link.Err}
	}
	return err
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
