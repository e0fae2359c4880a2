// Package infile opens the files that a user names, and words what is wrong with them.
package infile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Damaged is the advice for a file whose contents cannot be as they were written.
const Damaged = "the file is damaged or cut off: copy it again"

// Open opens a file for reading and returns its size. A folder is an error, and so is a pipe or a
// device, which might block or never end.
func Open(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a file that can be read to its end", path)
	}
	f, err := os.Open(path)
	return f, info.Size(), err
}

// ReadFile reads a file that [Open] opens.
func ReadFile(path string) ([]byte, error) {
	f, _, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Cause returns the system's part of an error, for a message that already names the file.
func Cause(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Cut rewords the end of a file in the middle of what it should hold.
func Cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the data are cut off")
	}
	return err
}
