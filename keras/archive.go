package keras

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/lamina-go/lamina/internal/hdf5"
	"github.com/lamina-go/lamina/internal/infile"
)

// The parts of a .keras file.
const (
	configName   = "config.json"
	metadataName = "metadata.json"
	weightsName  = "model.weights.h5"
)

const (
	// spare is what a compressed part may have more, unpacked, than the archive.
	spare = 64 << 20
	// maxJSON is far from what a network of any use needs.
	maxJSON = 16 << 20
)

// archive is an open .keras file.
type archive struct {
	r     io.ReaderAt
	size  int64
	parts map[string]*zip.File
}

// openArchive finds the layers in a .keras file.
func (f *File) openArchive(r io.ReaderAt) error {
	a, err := newArchive(r, f.size)
	if err != nil {
		return err
	}
	config, err := a.text(configName)
	if err != nil {
		return err
	}
	var added struct {
		About json.RawMessage `json:"lamina"`
	}
	if a.parts[metadataName] != nil {
		metadata, err := a.text(metadataName)
		if err == nil {
			err = json.Unmarshal(metadata, &added)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", metadataName, err)
		}
	}
	weights, n, err := a.open(weightsName)
	if err != nil {
		return err
	}
	h, err := hdf5.NewFile(weights, n, f.path+": "+weightsName)
	if err != nil {
		return err
	}
	if err := f.openHDF5(h); err != nil {
		return err
	}
	f.setNetwork(config, added.About)
	return f.nameLayers(config)
}

// newArchive reads the directory of a zip file.
func newArchive(r io.ReaderAt, size int64) (*archive, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, infile.Damaged)
	}
	a := &archive{r, size, map[string]*zip.File{}}
	for _, part := range z.File {
		switch {
		case !filepath.IsLocal(part.Name):
			return nil, fmt.Errorf("the archive's part %q leads out of it", part.Name)
		case a.parts[part.Name] != nil:
			return nil, fmt.Errorf("the archive has two parts %q", part.Name)
		case part.Flags&1 != 0:
			return nil, fmt.Errorf("the archive's part %q is encrypted, which is not supported", part.Name)
		}
		a.parts[part.Name] = part
	}
	return a, nil
}

// text returns a part that is JSON.
func (a *archive) text(name string) ([]byte, error) {
	r, n, err := a.open(name)
	if err != nil {
		return nil, err
	}
	if n > maxJSON {
		return nil, fmt.Errorf("the archive's part %q has %d bytes, more than %d", name, n, maxJSON)
	}
	text := make([]byte, n)
	_, err = io.ReadFull(io.NewSectionReader(r, 0, n), text)
	return text, err
}

// open checks a part against its checksum and returns its bytes and their number. A compressed one is in
// memory then.
func (a *archive) open(name string) (io.ReaderAt, int64, error) {
	part := a.parts[name]
	if part == nil {
		return nil, 0, fmt.Errorf("the archive has no %q, which every .keras file has", name)
	}
	wrong := func(err error) (io.ReaderAt, int64, error) {
		return nil, 0, fmt.Errorf("the archive's part %q: %w: %s", name, err, infile.Damaged)
	}
	if part.UncompressedSize64 > uint64(a.size)+spare {
		return wrong(fmt.Errorf("it claims %d bytes in a file of %d", part.UncompressedSize64, a.size))
	}
	n := int64(part.UncompressedSize64)
	r, err := part.Open()
	if err != nil {
		return wrong(err)
	}
	defer r.Close()
	if part.Method == zip.Store {
		if _, err := io.Copy(io.Discard, r); err != nil {
			return wrong(err)
		}
		at, err := part.DataOffset()
		if err != nil {
			return wrong(err)
		}
		return io.NewSectionReader(a.r, at, n), n, nil
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return wrong(err)
	}
	// The end, where the checksum is checked, has to come now.
	switch more, err := io.CopyN(io.Discard, r, 1); {
	case more > 0:
		return wrong(fmt.Errorf("it goes on behind its %d bytes", n))
	case err != io.EOF:
		return wrong(err)
	}
	return bytes.NewReader(data), n, nil
}

// nameLayers gives the layers of a .keras file, which are by class and number, their places and the names that
// they have in the configuration.
func (f *File) nameLayers(config []byte) error {
	var model struct {
		Config sequentialConfig `json:"config"`
	}
	if err := json.Unmarshal(config, &model); err != nil {
		return fmt.Errorf("%s: %w", configName, err)
	}
	var classes, names []string
	for _, o := range model.Config.Layers {
		var config struct {
			Name string `json:"name"`
		}
		if err := json.Unmarshal(o.Config, &config); err != nil {
			return fmt.Errorf("%s: a layer of class %s: %w", configName, o.Class, err)
		}
		classes, names = append(classes, o.Class), append(names, config.Name)
	}
	f.layers = f.arranged(classKeys(classes))
	for i, name := range names {
		f.layers[i].name = name
	}
	f.order = byPlace
	return nil
}
