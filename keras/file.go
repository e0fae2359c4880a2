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

// File is an open file with weights, and perhaps a whole model. It is not safe for concurrent use.
type File struct {
	path   string
	size   int64
	budget *infile.Budget
	closer io.Closer
	layers []layer
	order  order
	nodes  []*classNode // of a file by class without a model
	leaves []string     // names of the network's layers with weights, in the order of the file
	// rotated says that convolution kernels are rotated by 180°.
	rotated bool
	// network is nil in a file of weights only. networkError says why a model cannot be used.
	network      *nn.Sequential
	notes        []string // on what the network leaves out
	networkError error
}

// layer is a layer of a file.
type layer struct {
	name    string
	weights []weight
}

// weight is an array of a file.
type weight struct {
	name  string
	shape []int
	block int                                  // read elements by multiples of it, if that fits in memory
	read  func(dst []float32, first int) error // reads len(dst) elements from first on
}

// order says how the layers of a file correspond to those of a network.
type order uint8

const (
	inOrder order = iota // in the order of the layers with weights, which also have their names
	byName               // by the names of layers only
	byClass              // by numbered classes: conv2d, conv2d_1
)

// Open opens a file of any format. Weights are read on demand. Of a model's configuration in JSON,
// such as model.json, they are in a file beside it: model.weights.h5, model.h5, model_weights.h5,
// weights.h5, or the only .h5 file in the folder.
func Open(path string) (*File, error) {
	r, size, err := infile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("keras: %w", err)
	}
	var start [8]byte
	if n, _ := r.ReadAt(start[:], 0); isJSON(start[:n]) {
		defer r.Close()
		return openPair(path, r, size)
	}
	f, err := newFile(r, size, path)
	if err != nil {
		r.Close()
		return nil, err
	}
	f.closer = r
	return f, nil
}

// newFile opens a file of size bytes in r; errors contain path.
func newFile(r io.ReaderAt, size int64, path string) (*File, error) {
	f := &File{path: path, size: size, budget: infile.NewBudget(size)}
	return f, f.wrap(f.open(r))
}

func (f *File) open(r io.ReaderAt) error {
	var start [infile.KindLength]byte
	n, err := r.ReadAt(start[:], 0)
	switch {
	case err != nil && err != io.EOF:
		return err
	case bytes.HasPrefix(start[:n], []byte("PK")):
		return f.openArchive(r)
	case isJSON(start[:n]):
		return errors.New("it is a model's configuration without weights: open it by its path, with the weights beside it")
	case start[8] == '{':
		return f.openSafetensors(r)
	}
	h, err := hdf5.NewFile(r, f.size, f.path, f.budget)
	if located := (*hdf5.Error)(nil); err != nil && !errors.As(err, &located) {
		if is := infile.Kind(start[:n]); is != "" {
			return errors.New(is)
		}
		return errors.New("it is not an HDF5 (.h5), .keras or safetensors file")
	}
	if err != nil {
		return err
	}
	return f.openHDF5(h)
}

// wrap adds this package's prefix to an error, with the file's path unless the error has it.
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

// HasNames reports whether the file names its layers. Keras's .weights.h5 files number them by
// class.
func (f *File) HasNames() bool { return f.order != byClass }

// Network returns the network of a file with a whole model.
func (f *File) Network() (*nn.Network, error) {
	switch {
	case f.networkError != nil:
		return nil, f.wrap(f.networkError)
	case f.network == nil:
		return nil, f.wrap(errors.New("it has weights only, no model: put the model.json of the model beside it and open that"))
	}
	net, err := nn.Build(*f.network)
	if err == nil {
		err = net.CheckImages(f.size)
	}
	return net, f.wrap(err)
}
