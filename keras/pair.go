package keras

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/lamina-go/lamina/internal/hdf5"
	"github.com/lamina-go/lamina/internal/infile"
)

// isJSON reports whether a file that starts so is JSON. A safetensors file starts with the length
// of its header, which has zeros at the end.
func isJSON(start []byte) bool {
	text := strings.TrimSpace(string(start[:min(8, len(start))]))
	return (strings.HasPrefix(text, "{") || strings.HasPrefix(text, `"{`)) && !strings.ContainsRune(text, 0)
}

// weightsBeside returns the path of the weights of a model whose configuration is the file at path:
// model.weights.h5, model.h5, model_weights.h5 or weights.h5 for model.json, or the only HDF5 file
// in the folder, which is a guess.
func weightsBeside(path string) (weights string, guess bool, err error) {
	dir, name := filepath.Split(path)
	stem := strings.TrimSuffix(name, filepath.Ext(name))
	var stems []string
	for _, s := range []string{stem + ".weights", stem, stem + "_weights", stem + "-weights", strings.Replace(stem, "model", "weights", 1)} {
		stems = append(stems, filepath.Join(dir, s))
	}
	for _, s := range stems {
		for _, ending := range []string{".h5", ".hdf5"} {
			if info, err := os.Stat(s + ending); err == nil && info.Mode().IsRegular() {
				return s + ending, false, nil
			}
		}
	}
	var found []string
	entries, err := os.ReadDir(filepath.Clean(dir + "."))
	if err != nil {
		return "", false, err
	}
	for _, e := range entries {
		if ending := filepath.Ext(e.Name()); e.Type().IsRegular() && (ending == ".h5" || ending == ".hdf5") {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	if len(found) != 1 {
		return "", false, fmt.Errorf("it is a model's configuration, and its folder has %d .h5 files: "+
			"put its weights beside it as %s.h5", len(found), stem)
	}
	return found[0], true, nil
}

// openPair opens the configuration of a model, which config of size bytes has as JSON, and the file
// of weights beside it.
func openPair(path string, config io.ReaderAt, size int64) (*File, error) {
	f := &File{path: path, size: size}
	beside, guess, err := weightsBeside(path)
	if err != nil {
		return nil, f.wrap(err)
	}
	r, n, err := infile.Open(beside)
	if err != nil {
		return nil, fmt.Errorf("keras: %w", err)
	}
	f.path, f.size, f.closer = path+" with "+filepath.Base(beside), size+n, r
	f.budget = infile.NewBudget(f.size)
	if err := f.readPair(io.NewSectionReader(config, 0, size), r, n, beside); err != nil {
		r.Close()
		return nil, f.wrap(err)
	}
	if guess {
		f.notes = append(f.notes, fmt.Sprintf("its weights are taken from %s, the only .h5 file beside it",
			filepath.Base(beside)))
	}
	return f, nil
}

func (f *File) readPair(config io.Reader, weights io.ReaderAt, n int64, name string) error {
	text, err := io.ReadAll(config)
	if err != nil {
		return err
	}
	if starts(text, '"') { // json.dump of model.to_json()
		var inner string
		if err := f.budget.JSON(text, &inner); err != nil {
			return err
		}
		text = []byte(inner)
	}
	h, err := hdf5.NewFile(weights, n, name, f.budget)
	if err != nil {
		if located := (*hdf5.Error)(nil); !errors.As(err, &located) {
			return fmt.Errorf("%s is not an HDF5 file", filepath.Base(name))
		}
		return err
	}
	if err := f.openWeights(h.Root()); err != nil {
		return err
	}
	var added struct {
		Version string `json:"keras_version"`
	}
	model, err := readModel(text, f.budget)
	if err == nil {
		err = json.Unmarshal(text, &added)
	}
	f.setNetwork(model, err, isKeras3(added.Version, text), nil)
	return nil
}
