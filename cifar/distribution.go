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
	partImages   = 10_000  // in each file of a distribution
	maxPartBytes = 1 << 30 // of a file of a distribution: the official ones have 31 MB
)

// distribution is one of the official forms of CIFAR-10: files of training images, one
// of test images, and one with the names of the classes, which may be missing.
type distribution struct {
	folder string   // name of the folder in the archive
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

// parts are the contents of the files of a distribution as they are found.
type parts struct {
	*distribution
	images []Images // in the order of the files; no labels where the file is missing
	names  []string
}

func newParts(d *distribution) *parts {
	return &parts{d, make([]Images, len(d.images)), nil}
}

// has reports whether a file belongs to the distribution.
func (d *distribution) has(name string) bool {
	return name == d.meta || slices.Contains(d.images, name)
}

// read reads the file of that name. Different files may be read at the same time.
func (p *parts) read(name string, r io.Reader, size int64) (err error) {
	if size > maxPartBytes {
		return fmt.Errorf("%d bytes are too many for a file of CIFAR-10", size)
	}
	if name != p.meta {
		i := slices.Index(p.distribution.images, name)
		p.images[i], err = p.readImages(r, size)
		return err
	}
	p.names, err = p.readNames(r, size)
	if err == nil && len(p.names) != numClasses {
		err = fmt.Errorf("%d names of classes, not %d", len(p.names), numClasses)
	}
	return err
}

// dataset joins the parts, or tells which one is missing.
func (p *parts) dataset(name string) (*Dataset, error) {
	var others []string // of another length
	for i, images := range p.images {
		switch n := images.Len(); n {
		case 0:
			return nil, fmt.Errorf("cifar: %s has no %s", name, p.distribution.images[i])
		case partImages:
		default:
			others = append(others, fmt.Sprintf("%s has %d images", p.distribution.images[i], n))
		}
	}
	if p.names == nil {
		p.names = Classes()
	}
	last := len(p.images) - 1
	d := &Dataset{Name: name, Classes: p.names, Train: join(p.images[:last]), Test: p.images[last]}
	if others != nil {
		d.Notes = []string{fmt.Sprintf("%s, where CIFAR-10 has %d", strings.Join(others, ", "), partImages)}
	}
	return d, nil
}

// join returns the images of all parts in one, and empties the parts.
func join(parts []Images) Images {
	n := 0
	for _, p := range parts {
		n += p.Len()
	}
	all := Images{make([]byte, 0, n*imageBytes), make([]int32, 0, n)}
	for i, p := range parts {
		all.Pixels = append(all.Pixels, p.Pixels...)
		all.Labels = append(all.Labels, p.Labels...)
		parts[i] = Images{} // while the next one is copied
	}
	return all
}

// openFolder reads the files of a distribution in a folder.
func openFolder(ctx context.Context, dir string, d *distribution) (*Dataset, error) {
	p := newParts(d)
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
				return nil // dataset tells if it is needed
			}
			if err != nil {
				return fmt.Errorf("cifar: %w", err)
			}
			defer f.Close()
			if err := p.read(name, bufio.NewReaderSize(f, 1<<18), size); err != nil {
				return fmt.Errorf("cifar: %s: %w", file, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return p.dataset(dir)
}

// readArchive reads the files of a distribution from a .tar.gz, as it is unpacked. Errors name it file.
func readArchive(ctx context.Context, file string, r io.Reader) (*Dataset, error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, damaged(file, err)
	}
	var p *parts
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
		if p == nil {
			for _, d := range distributions() {
				if d.has(name) {
					p = newParts(d)
				}
			}
		}
		if p == nil || !p.has(name) {
			continue
		}
		if err := p.read(name, archive, h.Size); err != nil {
			return nil, fmt.Errorf("cifar: %s: %s: %w", file, h.Name, err)
		}
	}
	// What follows the archive is nothing but the checksum of the stream.
	if _, err := io.Copy(io.Discard, zip); err != nil {
		return nil, damaged(file, err)
	}
	if p == nil {
		return nil, fmt.Errorf("cifar: %s has no files of CIFAR-10", file)
	}
	return p.dataset(file)
}

// damaged explains an error in the stream of an archive.
func damaged(file string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("cifar: %s is cut off: delete it and fetch it again", file)
	}
	return fmt.Errorf("cifar: %s is damaged: %s: delete it and fetch it again", file, strings.TrimPrefix(err.Error(), "cifar: "))
}
