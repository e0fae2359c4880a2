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
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lamina-go/lamina/internal/infile"
)

const (
	maxFileBytes = 1 << 30 // of a file of images: the official ones have up to 154 MB
	maxNameBytes = 1 << 20 // of the names of classes
)

// distribution is one of the official forms of CIFAR-10 and CIFAR-100: files of training images,
// one of test images, and one of class names, which may be missing.
type distribution struct {
	name    string
	classes int
	folder  string   // its name in the archive
	images  []string // the last is the test file
	lengths []int    // the images in each
	meta    string

	labelBytes        int    // of a binary record: the last is the class; 0 of pickles
	labelKey, nameKey string // of pickles
}

func distributions() []*distribution {
	ten := []int{10_000, 10_000, 10_000, 10_000, 10_000, 10_000}
	hundred := []int{50_000, 10_000}
	return []*distribution{{
		name: "CIFAR-10", classes: 10, folder: "cifar-10-batches-bin", lengths: ten, labelBytes: 1,
		images: []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"},
		meta:   "batches.meta.txt",
	}, {
		name: "CIFAR-10", classes: 10, folder: "cifar-10-batches-py", lengths: ten,
		images: []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"},
		meta:   "batches.meta", labelKey: "labels", nameKey: "label_names",
	}, {
		name: "CIFAR-100", classes: 100, folder: "cifar-100-binary", lengths: hundred, labelBytes: 2,
		images: []string{"train.bin", "test.bin"}, meta: "fine_label_names.txt",
	}, {
		name: "CIFAR-100", classes: 100, folder: "cifar-100-python", lengths: hundred,
		images: []string{"train", "test"}, meta: "meta", labelKey: "fine_labels", nameKey: "fine_label_names",
	}}
}

// readImages reads a file of images of size bytes. What it allocates beyond that it takes from b.
func (d *distribution) readImages(r io.Reader, size int64, b *infile.Budget) (Images, error) {
	if d.labelBytes > 0 {
		return d.readBinary(r, size)
	}
	return d.readPickle(r, size, b)
}

// readNames reads a file of class names of size bytes.
func (d *distribution) readNames(r io.Reader, size int64, b *infile.Budget) ([]string, error) {
	if d.labelBytes > 0 {
		return readNames(r, size)
	}
	return d.readPickleNames(r, size, b)
}

// classNames returns the names of the classes for a distribution without its file of them.
func (d *distribution) classNames() []string {
	if d.classes == len(Classes()) {
		return Classes()
	}
	names := make([]string, d.classes)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
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
func (c *contents) read(name string, r io.Reader, size int64, b *infile.Budget) (err error) {
	if size > maxFileBytes || name == c.meta && size > maxNameBytes {
		return fmt.Errorf("%d bytes are too many for this file of %s", size, c.name)
	}
	if name != c.meta {
		i := slices.Index(c.distribution.images, name)
		c.images[i], err = c.readImages(r, size, b)
		return err
	}
	c.names, err = c.readNames(r, size, b)
	if err == nil && len(c.names) != c.classes {
		err = fmt.Errorf("%d names of classes, not %d", len(c.names), c.classes)
	}
	return err
}

// dataset joins the files. A missing one is an error.
func (c *contents) dataset(name string) (*Dataset, error) {
	var others []string // of another length
	for i, images := range c.images {
		switch n := images.Len(); n {
		case 0:
			return nil, fmt.Errorf("cifar: %s has no %s of %s", name, c.distribution.images[i], c.name)
		case c.lengths[i]:
		default:
			others = append(others, fmt.Sprintf("%s has %d images, where %s has %d", c.distribution.images[i], n,
				c.name, c.lengths[i]))
		}
	}
	if c.names == nil {
		c.names = c.classNames()
	}
	last := len(c.images) - 1
	d := &Dataset{Name: name, Classes: c.names, Train: join(c.images[:last]), Test: c.images[last]}
	if others != nil {
		d.Notes = []string{strings.Join(others, ", ")}
	}
	return d, nil
}

// join concatenates the images of files, and empties each once it is copied.
func join(files []Images) Images {
	n := 0
	for _, f := range files {
		n += f.Len()
	}
	all := Images{Pixels: make([]byte, 0, n*imageBytes), Labels: make([]int32, 0, n)}
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
			if err := c.read(name, bufio.NewReaderSize(f, 1<<18), size, infile.NewBudget(size)); err != nil {
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

// readArchive reads a distribution from a .tar.gz stream of size bytes. Errors call it file.
func readArchive(ctx context.Context, file string, r io.Reader, size int64) (*Dataset, error) {
	unzip, err := gzip.NewReader(r)
	if err != nil {
		return nil, damaged(file, err)
	}
	zip := &budgetReader{unzip, infile.NewArchiveBudget(size)}
	budget := infile.NewArchiveBudget(size)
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
		if h.Typeflag != tar.TypeReg && !isSparse(h) {
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
		if isSparse(h) {
			return nil, fmt.Errorf("cifar: %s: %s is stored as a sparse file: pack it without tar's --sparse", file, h.Name)
		}
		if err := budget.Take(h.Size); err != nil {
			return nil, fmt.Errorf("cifar: %s: %w", file, err)
		}
		if err := c.read(name, archive, h.Size, budget); err != nil {
			return nil, fmt.Errorf("cifar: %s: %s: %w", file, h.Name, err)
		}
	}
	// Only the checksum of the stream follows the archive.
	if _, err := io.Copy(io.Discard, zip); err != nil {
		return nil, damaged(file, err)
	}
	if c == nil {
		return nil, fmt.Errorf("cifar: %s has no files of CIFAR-10 or CIFAR-100", file)
	}
	return c.dataset(file)
}

// isSparse reports whether a file has holes, which expand to zeros that the archive does not hold.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// budgetReader limits what is read from a compressed stream.
type budgetReader struct {
	r      io.Reader
	budget *infile.Budget
}

func (b *budgetReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if over := b.budget.Take(int64(n)); over != nil {
		return 0, over
	}
	return n, err
}

// damaged explains an error in the stream of an archive.
func damaged(file string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("cifar: %s is cut off: delete it and download it again", file)
	}
	return fmt.Errorf("cifar: %s is damaged: %s: delete it and download it again", file,
		strings.TrimPrefix(err.Error(), "cifar: "))
}
