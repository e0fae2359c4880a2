package infile

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// sequential hides how files can be read beside Read, and reports another size where it has one.
type sequential struct {
	fs.FS
	size int64
}

type sequentialFile struct {
	fs.File
	size int64
}

type sizedInfo struct {
	fs.FileInfo
	size int64
}

func (s sequential) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return sequentialFile{f, s.size}, nil
}

func (f sequentialFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	if f.size > 0 {
		info = sizedInfo{info, f.size}
	}
	return info, err
}

func (i sizedInfo) Size() int64 { return i.size }

func TestOpenFS(t *testing.T) {
	files := fstest.MapFS{"folder/file": {Data: []byte("five\n")}, "empty": {}}
	for _, fsys := range []fs.FS{files, sequential{files, 0}} {
		for name, want := range map[string]string{"folder/file": "five\n", "empty": ""} {
			f, err := OpenFS(fsys, name)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size))
			if err != nil || string(text) != want {
				t.Errorf("%T, %s: %q, %v", fsys, name, text, err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := OpenFS(fsys, "folder"); err == nil || !strings.Contains(err.Error(), "folder is not a file") {
			t.Errorf("a folder: %v", err)
		}
		if _, err := OpenFS(fsys, "absent"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("absent: %v", err)
		}
	}
	for size, words := range map[int64]string{4: "4 bytes", 6: "6 bytes", 1 << 40: "limit is 2048 MB"} {
		_, err := OpenFS(sequential{files, size}, "folder/file")
		if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "folder/file") {
			t.Errorf("a file of 5 bytes whose size is said to be %d: %v", size, err)
		}
	}
}
