package infile

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
)

// inMemory is the largest file that [OpenFS] reads to memory.
const inMemory = 2 << 30

// FSFile is an open file of a file system.
type FSFile struct {
	io.ReaderAt
	Size int64
	fs.File
}

// OpenFS is [Open] for a file of fsys. One that its file system cannot read at any offset, such as
// a compressed one, is read to memory. Errors contain the name.
func OpenFS(fsys fs.FS, name string) (*FSFile, error) {
	opened, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	f := &FSFile{File: opened}
	if err := f.init(name); err != nil {
		opened.Close() // the first error counts
		return nil, err
	}
	return f, nil
}

func (f *FSFile) init(name string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file that can be read to its end", name)
	}
	f.Size = info.Size()
	random := false
	if f.ReaderAt, random = f.File.(io.ReaderAt); random {
		return nil
	}
	if f.Size > inMemory {
		return fmt.Errorf("%s: its %d bytes would be read to memory, where the limit is %d MB: copy the file to a disk",
			name, f.Size, inMemory>>20)
	}
	data, err := io.ReadAll(io.LimitReader(f.File, f.Size+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, Cause(err))
	}
	if int64(len(data)) != f.Size {
		return fmt.Errorf("%s does not have the %d bytes that its file system reports", name, f.Size)
	}
	f.ReaderAt = bytes.NewReader(data)
	return nil
}
