package keras

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"path/filepath"

	"github.com/lamina-go/lamina/internal/hdf5"
	"github.com/lamina-go/lamina/internal/infile"
)

// The members of a .keras file.
const (
	configName   = "config.json"
	metadataName = "metadata.json"
	weightsName  = "model.weights.h5"
)

// archive is an open .keras file.
type archive struct {
	r       io.ReaderAt
	budget  *infile.Budget
	entries map[string]*zip.File
}

// openArchive lists the layers of a .keras file.
func (f *File) openArchive(r io.ReaderAt) error {
	a, err := newArchive(r, f.size, f.budget)
	if err != nil {
		return err
	}
	if a.ofPyTorch() {
		return errors.New("it is a file of PyTorch's torch.save, not of Keras")
	}
	config, err := a.text(configName)
	if err != nil {
		return err
	}
	var added struct {
		About   json.RawMessage `json:"lamina"`
		Version string          `json:"keras_version"`
	}
	if a.entries[metadataName] != nil {
		metadata, err := a.text(metadataName)
		if err == nil {
			err = f.budget.JSON(metadata, &added)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", metadataName, err)
		}
	}
	weights, n, err := a.open(weightsName)
	if err != nil {
		return err
	}
	h, err := hdf5.NewFile(weights, n, f.path+": "+weightsName, f.budget)
	if err != nil {
		return err
	}
	if err := f.openWeights(h.Root()); err != nil {
		return err
	}
	model, err := readModel(config, f.budget)
	f.setNetwork(model, err, isKeras3(added.Version, config), added.About)
	if model == nil {
		f.order = byClass
	}
	return nil
}

// newArchive reads the directory of a zip file.
func newArchive(r io.ReaderAt, size int64, budget *infile.Budget) (*archive, error) {
	directory := &directoryReader{r, budget}
	z, err := zip.NewReader(directory, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, infile.Damaged)
	}
	directory.budget = nil
	a := &archive{r, budget, map[string]*zip.File{}}
	for _, entry := range z.File {
		switch {
		case !filepath.IsLocal(entry.Name):
			return nil, fmt.Errorf("the archive's entry %q has a path outside the archive", entry.Name)
		case a.entries[entry.Name] != nil:
			return nil, fmt.Errorf("the archive has two entries %q", entry.Name)
		case entry.Flags&1 != 0:
			return nil, fmt.Errorf("the archive's entry %q is encrypted, which is not supported", entry.Name)
		}
		a.entries[entry.Name] = entry
	}
	return a, nil
}

// ofPyTorch reports whether torch.save wrote the archive.
func (a *archive) ofPyTorch() bool {
	for name := range a.entries {
		if path.Base(name) == "data.pkl" {
			return true
		}
	}
	return false
}

// directoryReader reads the directory of a zip file. While it has a budget, it takes from that what
// the directory needs in memory.
type directoryReader struct {
	r      io.ReaderAt
	budget *infile.Budget
}

func (d *directoryReader) ReadAt(p []byte, at int64) (int, error) {
	if d.budget != nil {
		const expansion = 12 // of an entry, which has at least 46 bytes in the file
		if err := d.budget.Take(expansion * int64(len(p))); err != nil {
			return 0, err
		}
	}
	return d.r.ReadAt(p, at)
}

// text returns a JSON entry.
func (a *archive) text(name string) ([]byte, error) {
	r, n, err := a.open(name)
	if err == nil {
		err = a.budget.Take(n)
	}
	if err != nil {
		return nil, err
	}
	text := make([]byte, n)
	_, err = io.ReadFull(io.NewSectionReader(r, 0, n), text)
	return text, err
}

// open verifies an entry's checksum and returns its bytes and their number. It decompresses a
// compressed entry to memory.
func (a *archive) open(name string) (io.ReaderAt, int64, error) {
	entry := a.entries[name]
	if entry == nil {
		return nil, 0, fmt.Errorf("the archive has no %q, which every .keras file has", name)
	}
	wrong := func(err error) (io.ReaderAt, int64, error) {
		return nil, 0, fmt.Errorf("the archive's entry %q: %w: %s", name, err, infile.Damaged)
	}
	n := int64(min(entry.UncompressedSize64, math.MaxInt64))
	if entry.Method != zip.Store {
		if err := a.budget.Take(n); err != nil {
			return wrong(err)
		}
	}
	r, err := entry.Open()
	if err != nil {
		return wrong(err)
	}
	defer r.Close()
	if entry.Method == zip.Store {
		if _, err := io.Copy(io.Discard, r); err != nil {
			return wrong(err)
		}
		at, err := entry.DataOffset()
		if err != nil {
			return wrong(err)
		}
		return io.NewSectionReader(a.r, at, n), n, nil
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return wrong(err)
	}
	// The reader verifies the checksum at the end.
	switch more, err := io.CopyN(io.Discard, r, 1); {
	case more > 0:
		return wrong(fmt.Errorf("it is longer than its %d bytes", n))
	case err != io.EOF:
		return wrong(err)
	}
	return bytes.NewReader(data), n, nil
}
