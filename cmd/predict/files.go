package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lamina-go/lamina/internal/picture"
	"github.com/lamina-go/lamina/nn"
)

const (
	fileBatch    = 128       // pictures that are classified together at most
	maxFileBytes = 256 << 20 // of what is no file on a disk
	standardIn   = "-"       // the name of the standard input
)

// pictureFile is a picture of the command line.
type pictureFile struct {
	Name   string  `json:"name,omitempty"`
	Scores []score `json:"classes,omitempty"`
	Error  string  `json:"error,omitempty"`
	image  []float32
}

// fail keeps what is wrong with the picture, unless that is nothing.
func (f *pictureFile) fail(err error) {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		err = path.Err // the name is known
	}
	if err != nil {
		f.Error = err.Error()
	}
}

// classifyFiles classifies the pictures of the command line and tells of each. What is wrong with one
// does not keep the others from it.
func classifyFiles(c *command, m *classifier) error {
	files := listPictures(c.pictures)
	together := m.together(len(files))
	p, err := m.NewPredictor(together)
	if err != nil {
		return err
	}
	out := newTable(os.Stdout, c, m, files)
	failed := 0
	for batch := range slices.Chunk(files, together) {
		if err := m.classify(p, batch, c.top); err != nil {
			return err
		}
		for _, f := range batch {
			if err := out.write(f); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
			if f.Error == "" {
				continue
			}
			if len(files) == 1 {
				return fmt.Errorf("%s: %s", printable(f.Name), f.Error)
			}
			failed++
			fmt.Fprintf(os.Stderr, "predict: %s: %s\n", printable(f.Name), f.Error)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d pictures could not be classified", failed, len(files))
	}
	return nil
}

// together returns how many of some files are classified together: of large images fewer, whose maps would fill the memory.
func (m *classifier) together(files int) int {
	const numbers = fileBatch * 64 * 64 * channels
	return min(files, fileBatch, max(1, numbers/m.Input.Size()))
}

// listPictures returns the files of the names, and the pictures below those that are folders, in the
// order of their names.
func listPictures(names []string) []*pictureFile {
	var all []*pictureFile
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			all = append(all, walk(name)...)
		} else {
			all = append(all, &pictureFile{Name: name})
		}
	}
	return all
}

// walk returns the pictures below a folder, but those that are hidden. What it cannot read
// is in the list with the error, and so is a folder that has none.
func walk(root string) []*pictureFile {
	var all []*pictureFile
	root += string(filepath.Separator) // behind which a link is the folder that it leads to
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		hidden := path != root && strings.HasPrefix(d.Name(), ".")
		switch {
		case err != nil:
			f := &pictureFile{Name: filepath.Clean(path)}
			f.fail(err)
			all = append(all, f)
		case d.IsDir() && hidden:
			return fs.SkipDir
		case !d.IsDir() && !hidden:
			if f := found(path); f != nil {
				all = append(all, f)
			}
		}
		return nil
	})
	if all == nil {
		all = append(all, &pictureFile{Name: filepath.Clean(root), Error: "the folder has no pictures"})
	}
	return all
}

// found returns what is no folder in one: a picture, or why it is left out; nil if nobody says that it is a picture.
func found(path string) *pictureFile {
	f := &pictureFile{Name: path}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		f.Error = "a link to a folder, which is not followed: name it as well"
	case !picture.IsName(path):
		return nil
	case err == nil && !info.Mode().IsRegular():
		f.Error = "not a file that can be read to its end"
	}
	return f
}

// classify reads the files, at most a batch, and sets their scores.
func (m *classifier) classify(p *nn.Predictor, files []*pictureFile, top int) error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, f := range files {
		if f.Error == "" {
			group.Go(func() error { f.fail(f.load(m)); return nil })
		}
	}
	group.Wait()
	var images []float32
	var good []*pictureFile
	for _, f := range files {
		if f.Error == "" {
			images, good = append(images, f.image...), append(good, f)
		}
		f.image = nil
	}
	probabilities, err := p.Probabilities(images)
	if err != nil {
		return err
	}
	for i, f := range good {
		f.Scores, err = m.best(probabilities[i*m.Classes:(i+1)*m.Classes], top)
		f.fail(err)
	}
	return nil
}

// load reads the picture.
func (f *pictureFile) load(m *classifier) error {
	file := os.Stdin
	if f.Name != standardIn {
		var err error
		if file, err = os.Open(f.Name); err != nil {
			return err
		}
		defer file.Close()
	}
	seekable, err := seeker(file)
	if err != nil {
		return err
	}
	p, err := picture.Open(seekable)
	if err != nil {
		return err
	}
	f.image, err = m.read(p)
	return err
}

// seeker returns the file, or what it holds if it is a pipe or the like.
func seeker(file *os.File) (io.ReadSeeker, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && file != os.Stdin { // which may have been read by others before
		return file, nil
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err == nil && len(data) > maxFileBytes {
		err = fmt.Errorf("more than %d MB", maxFileBytes>>20)
	}
	return bytes.NewReader(data), err
}
