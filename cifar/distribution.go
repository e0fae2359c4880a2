package cifar

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lamina-go/lamina/internal/infile"
)

const (
	numClasses   = 10      // of CIFAR-10
	fileImages   = 10_000  // in each file of a distribution
	maxFileBytes = 1 << 30 // of a file of a distribution: the official ones have 31 MB
)

// distribution is one of the official forms of CIFAR-10: files of training images, one of test
// images, and one of class names, which may be missing.
type distribution struct {
	folder string   // its name in the archive
	images []string // the last is the test file
	meta   string

	readImages func(r io.Reader, size int64) (Images, error)
	readNames  func(r io.Reader, size int64) ([]string, error)
}

func distributions() []*distribution {
	return []*distribution{{
		folder: "cifar-10-batches-bin",
		images: []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"},
		meta:   "batches.meta.txt", readImages: readBinary, readNames: readNames,
	}, {
		folder: "cifar-10-batches-py",
		images: []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"},
		meta:   "batches.meta", readImages: readPickle, readNames: readPickleNames,
	}}
}

// contents collects the files of a distribution as they are read.
type contents struct {
	*distribution
	images []Images // by file; empty where the file is missing
	names  []string
}

func newContents(d *distribution) *contents {
	return &contents{d, make([]Images, len(d.images)), nil}
}

// has reports whether a file belongs to the distribution.
func (d *distribution) has(name string) bool {
	return name == d.meta || slices.Contains(d.images, name)
}

// read reads the file of that name. Different files may be read concurrently.
func (c *contents) read(name string, r io.Reader, size int64) (err error) {
	if size > maxFileBytes {
		return fmt.Errorf("%d bytes are too many for a file of CIFAR-10", size)
	}
	if name != c.meta {
		i := slices.Index(c.distribution.images, name)
		c.images[i], err = c.readImages(r, size)
		return err
	}
	c.names, err = c.readNames(r, size)
	if err == nil && len(c.names) != numClasses {
		err = fmt.Errorf("%d names of classes, not %d", len(c.names), numClasses)
	}
	return err
}

// dataset joins the files. A missing one is an error.
func (c *contents) dataset(name string) (*Dataset, error) {
	var others []string // of another length
	for i, images := range c.images {
		switch n := images.Len(); n {
		case 0:
			return nil, fmt.Errorf("cifar: %s has no %s", name, c.distribution.images[i])
		case fileImages:
		default:
			others = append(others, fmt.Sprintf("%s has %d images", c.distribution.images[i], n))
		}
	}
	if c.names == nil {
		c.names = Classes()
	}
	last := len(c.images) - 1
	d := &Dataset{Name: name, Classes: c.names, Train: join(c.images[:last]), Test: c.images[last]}
	if others != nil {
		d.Notes = []string{fmt.Sprintf("%s, where CIFAR-10 has %d", strings.Join(others, ", "), fileImages)}
	}
	return d, nil
}

// join concatenates the images of files, and empties each once it is copied.
func join(files []Images) Images {
	n := 0
	for _, f := range files {
		n += f.Len()
	}
	all := Images{make([]byte, 0, n*imageBytes), make([]int32, 0, n)}
	for i, f := range files {
		all.Pixels = append(all.Pixels, f.Pixels...)
		all.Labels = append(all.Labels, f.Labels...)
		files[i] = Images{}
	}
	return all
}

// openFolder reads the files of a distribution in a folder.
func openFolder(ctx context.Context, dir string, d *distribution) (*Dataset, error) {
	c := newContents(d)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range append(slices.Clone(d.images), d.meta) {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			file := filepath.Join(dir, name)
			f, size, err := infile.Open(file)
			if errors.Is(err, os.ErrNotExist) {
				return nil // dataset reports it if it is needed
			}
			if err != nil {
				return fmt.Errorf("cifar: %w", err)
			}
			defer f.Close()
			if err := c.read(name, bufio.NewReaderSize(f, 1<<18), size); err != nil {
				return fmt.Errorf("cifar: %s: %w", file, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return c.dataset(dir)
}

// readArchive reads a distribution from a .tar.gz stream. Errors call it file.
func readArchive(ctx context.Context, file string, r io.Reader) (*Dataset, error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, damaged(file, err)
	}
	var c *contents
	for archive := tar.NewReader(zip); ; {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, damaged(file, err)
		}
		name := path.Base(h.Name)
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if c == nil {
			for _, d := range distributions() {
				if d.has(name) {
					c = newContents(d)
				}
			}
		}
		if c == nil || !c.has(name) {
			continue
		}
		if err := c.read(name, archive, h.Size); err != nil {
			return nil, fmt.Errorf("cifar: %s: %s: %w", file, h.Name, err)
		}
	}
	// Only the checksum of the stream follows the archive.
	if _, err := io.Copy(io.Discard, zip); err != nil {
		return nil, damaged(file, err)
	}
	if c == nil {
		return nil, fmt.Errorf("cifar: %s has no files of CIFAR-10", file)
	}
	return c.dataset(file)
}

// damaged explains an error in the stream of an archive.
func damaged(file string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("cifar: %s is cut off: delete it and download it again", file)
	}
	return fmt.Errorf("cifar: %s is damaged: %s: delete it and download it again", file,
		strings.TrimPrefix(err.Error(), "cifar: "))
}
