package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/internal/picture"
)

const (
	maxPipeBytes  = 256 << 20 // from a pipe or the like
	standardInput = "-"
)

// imageFile is an image file of the command line with its result.
type imageFile struct {
	Name    string           `json:"name"`
	Classes []classify.Class `json:"classes,omitempty"`
	Error   string           `json:"error,omitempty"`
}

// fail records an error, unless it is nil.
func (f *imageFile) fail(err error) {
	if err != nil {
		f.Error = infile.Cause(err).Error() // the name is known
	}
}

// listImages returns the named files and, for folders, the image files below, sorted by name.
func listImages(names []string) []*imageFile {
	var files []*imageFile
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			files = append(files, walk(name)...)
		} else {
			files = append(files, &imageFile{Name: name})
		}
	}
	return files
}

// walk returns the image files below a folder, except hidden ones. It lists what it cannot read,
// and a folder without images, with an error.
func walk(root string) []*imageFile {
	var files []*imageFile
	root += string(filepath.Separator) // makes a link the folder that it leads to
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		hidden := path != root && strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil:
			f := &imageFile{Name: filepath.Clean(path)}
			f.fail(err)
			files = append(files, f)
		case d.IsDir() && hidden:
			return fs.SkipDir
		case !d.IsDir() && !hidden:
			if f := inFolder(path); f != nil {
				files = append(files, f)
			}
		}
		return nil
	})
	if files == nil {
		files = append(files, &imageFile{Name: filepath.Clean(root), Error: "the folder has no images"})
	}
	return files
}

// inFolder returns an entry of a folder that has the name of an image, or a link to a folder, which
// is an error; nil for others.
func inFolder(path string) *imageFile {
	f := &imageFile{Name: path}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		f.Error = "a link to a folder, which is not followed: name the folder too"
	case !picture.IsName(path):
		return nil
	case err == nil && !info.Mode().IsRegular():
		f.Error = "not a file that can be read to its end"
	}
	return f
}

// load reads, decodes and prepares the image.
func (f *imageFile) load(m *classify.Model) ([]float32, error) {
	file := os.Stdin
	if f.Name != standardInput {
		var err error
		if file, err = openInput(f.Name); err != nil {
			return nil, err
		}
		defer file.Close()
	}
	seekable, err := seeker(file)
	if err != nil {
		return nil, err
	}
	img, err := classify.Decode(context.Background(), seekable)
	if err != nil {
		return nil, err
	}
	return m.Prepare(img)
}

// seeker returns the file, or the contents of a pipe or the like.
func seeker(file *os.File) (io.ReadSeeker, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && file != os.Stdin { // others may have read the start of standard input
		return file, nil
	}
	var r io.Reader = file
	if info.Mode()&fs.ModeNamedPipe != 0 && file != os.Stdin {
		r = &pipe{File: file}
	}
	data, err := io.ReadAll(io.LimitReader(r, maxPipeBytes+1))
	if err == nil && len(data) > maxPipeBytes {
		err = fmt.Errorf("more than %d MB", maxPipeBytes>>20)
	}
	return bytes.NewReader(data), err
}
