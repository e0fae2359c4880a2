package keras

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lamina-go/lamina/internal/hdf5"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/nn"
)

// File is an open file with weights, maybe of a whole model. It is not for use by several goroutines at once.
type File struct {
	path   string
	size   int64
	closer io.Closer
	layers []layer
	order  order
	// network is nil in a file of weights only; or networkError says why there is none.
	network      *nn.Sequential
	networkError error
}

// layer is a layer of a file.
type layer struct {
	name    string
	weights []weight
}

// weight is an array in a file.
type weight struct {
	name  string
	shape []int
	read  func(dst []float32, first int) error // elements from first on
}

// order tells what decides which layer of a file belongs to which of a network.
type order uint8

const (
	byPlace order = iota // as the layers with weights follow each other; names are the layers' too
	byName               // the names of layers alone
	byClass              // names of classes with numbers: conv2d, conv2d_1
)

// Open opens a file of any of the forms. Weights are read when they are asked for.
func Open(path string) (*File, error) {
	r, size, err := infile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("keras: %w", err)
	}
	f, err := newFile(r, size, path)
	if err != nil {
		r.Close()
		return nil, err
	}
	f.closer = r
	return f, nil
}

// newFile opens a file of size bytes in r; path stands in errors.
func newFile(r io.ReaderAt, size int64, path string) (*File, error) {
	f := &File{path: path, size: size}
	return f, f.wrap(f.open(r))
}

func (f *File) open(r io.ReaderAt) error {
	var start [9]byte
	n, err := r.ReadAt(start[:], 0)
	switch {
	case err != nil && err != io.EOF:
		return err
	case bytes.HasPrefix(start[:n], []byte("PK")):
		return f.openArchive(r)
	case start[8] == '{':
		return f.openSafetensors(r)
	}
	h, err := hdf5.NewFile(r, f.size, f.path)
	if located := (*hdf5.Error)(nil); err != nil && !errors.As(err, &located) {
		return errors.New("it is none of HDF5 (.h5), .keras and safetensors")
	}
	if err != nil {
		return err
	}
	return f.openHDF5(h)
}

// wrap adds to an error what this package's errors begin with: the file's path, unless it is in it.
func (f *File) wrap(err error) error {
	located, path := (*hdf5.Error)(nil), (*os.PathError)(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &located), errors.As(err, &path):
		return fmt.Errorf("keras: %w", err)
	}
	return fmt.Errorf("keras: %s: %w", f.path, err)
}

// Close closes the file.
func (f *File) Close() error { return f.closer.Close() }

// HasNames reports whether the file has its weights by the names of layers. Weights that Keras calls
// .weights.h5 are by class and number.
func (f *File) HasNames() bool { return f.order != byClass }

// Network returns the network of a file that has a whole model.
func (f *File) Network() (*nn.Network, error) {
	switch {
	case f.networkError != nil:
		return nil, f.wrap(f.networkError)
	case f.network == nil:
		return nil, f.wrap(errors.New("it has weights only, no model"))
	}
	net, err := nn.Build(*f.network)
	return net, f.wrap(err)
}
