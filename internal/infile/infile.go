// Package infile opens the files that a user names.
package infile

import (
	"fmt"
	"io"
	"os"
)

// Damaged is what to do about a file whose contents cannot be as they were written.
const Damaged = "the file is damaged or cut off: copy it again"

// Open opens a file to be read, and tells its size. A folder is an error, and so is a pipe or a
// device, which might keep the program waiting or never end.
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
