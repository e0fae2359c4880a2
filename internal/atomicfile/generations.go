package atomicfile

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
)

// WriteVerified is [Write] for a file that must outlast a disk that loses what it has confirmed. It
// reads the new file back, from the disk if the system allows that, before it replaces the old one.
// If previous is not empty, the old file is kept there, in the same folder.
func WriteVerified(path, previous string, f func(io.Writer) error) error {
	sum := crc32.New(castagnoli)
	return write(path, func(w io.Writer) error { return f(io.MultiWriter(w, sum)) }, func(file *os.File) error {
		if err := verify(file, sum.Sum32()); err != nil || previous == "" {
			return err
		}
		return keep(path, previous)
	})
}

// castagnoli has an instruction on amd64 and arm64, so that reading back takes little time.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errVerify = errors.New("the disk does not give back what was written to it: check the disk")

// verify compares a synced file with the checksum of what was written to it.
func verify(file *os.File, want uint32) error {
	dropCache(file)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := crc32.New(castagnoli)
	if _, err := io.CopyBuffer(sum, file, make([]byte, 1<<20)); err != nil {
		return fmt.Errorf("%w: %w", err, errVerify)
	}
	if sum.Sum32() != want {
		return &os.PathError{Op: "verify", Path: file.Name(), Err: errVerify}
	}
	return nil
}

// keep makes previous a second name of the file at path, which thus never lacks one. On a file
// system without such names it moves the file.
func keep(path, previous string) error {
	now, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// Renaming one name of a file to another of its names does nothing.
	if kept, err := os.Lstat(previous); err == nil && os.SameFile(now, kept) {
		return nil
	}
	second := temporary(path)
	if os.Link(path, second) == nil {
		if os.Rename(second, previous) == nil {
			return nil
		}
		os.Remove(second)
	}
	return os.Rename(path, previous)
}
