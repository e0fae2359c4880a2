package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/internal/picture"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
)

// channels is the number of numbers in a pixel of a picture.
const channels = cifar.Channels

// classifier is a model that knows what its images are.
type classifier struct {
	*nn.Model
	name      string   // for a person
	labels    []string // by class number
	named     bool     // the labels, by the model or on the command line
	mean, std [channels]float32
	guessed   bool // mean and std, for the model does not know them
}

// openClassifier opens the model that the command line names.
func openClassifier(b backend.Backend, c *command) (*classifier, error) {
	path := c.model
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no %s: name the folder of a run, a checkpoint, or a file of Keras's", path)
	case err != nil:
		return nil, err
	case info.IsDir():
		path = filepath.Join(path, run.CheckpointName)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s holds no run that has been saved (no %s)", c.model, run.CheckpointName)
		}
	}
	m, err := openModel(b, path)
	if err != nil {
		return nil, err
	}
	return newClassifier(m, modelName(c.model), c)
}

// openModel opens a checkpoint, or a file of Keras's.
func openModel(b backend.Backend, path string) (*nn.Model, error) {
	if filepath.Ext(path) == filepath.Ext(run.CheckpointName) {
		return nn.OpenModel(b, path) // which compares the checksum too
	}
	m, report, err := keras.OpenModel(b, path)
	if err != nil {
		return nil, err
	}
	for _, sentence := range report.NotFinite {
		fmt.Fprintf(os.Stderr, "predict: %s: %s\n", path, sentence)
	}
	return m, nil
}

// modelName returns the name of a file without its end, or that of a folder.
func modelName(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	base := filepath.Base(path)
	for _, end := range []string{filepath.Ext(run.CheckpointName), ".h5", ".keras", ".safetensors"} {
		base = strings.TrimSuffix(base, end)
	}
	return base
}

// newClassifier tells a model what the command line says of its images, which goes before what the
// model knows, and that before CIFAR-10.
func newClassifier(m *nn.Model, name string, c *command) (*classifier, error) {
	if n := m.Input[2]; n != channels {
		return nil, fmt.Errorf("%s takes images of %d channels: pictures have %d, red, green and blue", name, n, channels)
	}
	known := &classifier{Model: m, name: name, labels: m.Labels, named: m.Labels != nil || c.labels != ""}
	switch {
	case c.labels != "":
		var err error
		if known.labels, err = readLabels(c.labels, m.Classes); err != nil {
			return nil, err
		}
	case m.Labels == nil && m.Classes == len(cifar.Classes()):
		known.labels = cifar.Classes()
	case m.Labels == nil:
		for i := range m.Classes {
			known.labels = append(known.labels, strconv.Itoa(i))
		}
	}
	mean, std := m.Mean, m.Std
	if mean == nil {
		mean, std = []float32{0, 0, 0}, []float32{1, 1, 1}
		if known.guessed = c.mean == nil && c.std == nil; known.guessed {
			guess := cifar.MeanOnly().Mean
			mean = guess[:]
		}
	}
	if c.mean != nil {
		mean = c.mean
	}
	if c.std != nil {
		std = c.std
	}
	copy(known.mean[:], mean)
	copy(known.std[:], std)
	return known, nil
}

// readLabels reads the names of classes, one a line.
func readLabels(file string, classes int) ([]string, error) {
	text, err := infile.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--labels: %w", err)
	}
	var labels []string
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) { // with which Windows' editors begin a file
		if line = strings.TrimSpace(line); line != "" {
			labels = append(labels, line)
		}
	}
	if len(labels) != classes {
		return nil, fmt.Errorf("--labels %s: %d lines, but the model tells %d classes apart", file, len(labels), classes)
	}
	return labels, nil
}

// read returns the pixels of a picture as the network takes them.
func (m *classifier) read(p *picture.Picture) ([]float32, error) {
	decoded, err := p.Decode()
	if err != nil {
		return nil, err
	}
	pixels := make([]byte, m.Input.Size())
	picture.Resize(pixels, decoded, m.Input[0], m.Input[1])
	image := make([]float32, len(pixels))
	for i, v := range pixels {
		image[i] = (float32(v) - m.mean[i%channels]) / m.std[i%channels]
	}
	return image, nil
}

// errNotFinite says that there is nothing to tell of a picture.
var errNotFinite = errors.New("the model gives numbers that are not finite: --mean or --std is not what it was trained with, its training diverged, or its file is damaged")

// score is how probable a class is.
type score struct {
	Class       string  `json:"class"`
	Probability float64 `json:"probability"`
}

// best returns the classes that are the most probable, and these first.
func (m *classifier) best(probabilities []float32, top int) ([]score, error) {
	scores := make([]score, len(probabilities))
	for i, p := range probabilities {
		if p-p != 0 {
			return nil, errNotFinite
		}
		scores[i] = score{m.labels[i], float64(p)}
	}
	slices.SortStableFunc(scores, func(a, b score) int { return cmp.Compare(b.Probability, a.Probability) })
	return scores[:min(top, len(scores))], nil
}
