// Package classify opens trained models together with what they know of their images: the names of
// the classes and how pixels are prepared.
package classify

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/picture"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// Channels is the number of channels of an image: red, green and blue.
const Channels = cifar.Channels

// CheckpointName is the name of the checkpoint in the folder of a run.
const CheckpointName = "checkpoint.lamina"

// Options override what a model knows of its images.
type Options struct {
	Labels    []string  // the names of the classes
	Mean, Std []float32 // by channel: a pixel x from 0 to 255 becomes (x − Mean)/Std
}

// Model is an opened model. It is safe for concurrent use.
type Model struct {
	Name    string
	Guessed bool     // the file does not record how pixels are prepared; ImageNet's mean is assumed
	Notes   []string // what a user should know of the model's file

	network   *nn.Network
	labels    []string // by class number
	named     bool     // the labels, by the model or the options
	mean, std [Channels]float32

	predictor *nn.Predictor
	sizes     []int // the numbers of images for which the predictor keeps packed weights, ascending
}

// Errors about the classes of a model.
var (
	ErrLabels  = errors.New("wrong number of labels")
	ErrClasses = errors.New("other classes")
)

// Open opens the model at path: the folder of a run, a checkpoint (.lamina), or a whole model of
// Keras or in safetensors. b must stay open as long as the model is used.
func Open(b backend.Backend, path string, o Options) (*Model, error) {
	file := path
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist: name the folder of a run, a checkpoint or a Keras file", path)
	case err != nil:
		return nil, err
	case info.IsDir():
		file = filepath.Join(path, CheckpointName)
		_, last := os.Stat(file)
		_, older := os.Stat(nn.PreviousCheckpoint(file))
		if errors.Is(last, fs.ErrNotExist) && errors.Is(older, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is not the folder of a run with a checkpoint (no %s)", path, CheckpointName)
		}
	}
	m, notes, err := openModel(b, file)
	if info.IsDir() && (errors.Is(err, nn.ErrDamaged) || errors.Is(err, fs.ErrNotExist)) {
		if older, _, failed := openModel(b, nn.PreviousCheckpoint(file)); failed == nil {
			m, err = older, nil
			notes = []string{file + " is damaged or missing: this is the model of the checkpoint before it"}
		}
	}
	if err != nil {
		return nil, err
	}
	defer m.Close()
	opened, err := prepare(m, name(path), o, m.IntoPredictor)
	if err != nil {
		return nil, err
	}
	opened.Notes = notes
	return opened, nil
}

// openModel opens a file, and returns what the user should know of it.
func openModel(b backend.Backend, file string) (*nn.Model, []string, error) {
	if filepath.Ext(file) == filepath.Ext(CheckpointName) {
		m, err := nn.OpenModel(b, file) // which verifies the checksum too
		return m, nil, err
	}
	m, loaded, err := keras.OpenModel(b, file)
	if err != nil {
		return nil, nil, err
	}
	return m, slices.Concat(loaded.NotFinite, loaded.Notes), nil
}

// name returns the name of a folder, or of a file without its extension.
func name(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	base := filepath.Base(path)
	for _, ext := range []string{filepath.Ext(CheckpointName), ".h5", ".keras", ".safetensors"} {
		base = strings.TrimSuffix(base, ext)
	}
	return base
}

// New prepares a model for classification, under a name for display. It copies the weights: m may
// be closed. Classes without names are numbered. If nothing is known of the pixels, the mean of
// [cifar.MeanOnly] is subtracted.
func New(m *nn.Model, name string, o Options) (*Model, error) {
	return prepare(m, name, o, m.NewPredictor)
}

// prepare is New with a method of m that makes the predictor.
func prepare(m *nn.Model, name string, o Options, predictor func(batch int, fewer ...int) (*nn.Predictor, error)) (*Model, error) {
	if n := m.Input[2]; n != Channels {
		return nil, fmt.Errorf("%s takes images of %d channels, but image files have %d", name, n, Channels)
	}
	known := &Model{Name: name, network: m.Network, labels: m.Labels, named: m.Labels != nil || o.Labels != nil}
	switch {
	case o.Labels != nil:
		if len(o.Labels) != m.Classes {
			return nil, fmt.Errorf("%w: %d for the %d classes of %s", ErrLabels, len(o.Labels), m.Classes, name)
		}
		known.labels = o.Labels
	case m.Labels == nil:
		for i := range m.Classes {
			known.labels = append(known.labels, strconv.Itoa(i))
		}
	}
	mean, std := m.Mean, m.Std
	if mean == nil {
		mean, std = []float32{0, 0, 0}, []float32{1, 1, 1}
		if known.Guessed = o.Mean == nil && o.Std == nil; known.Guessed {
			guess := cifar.MeanOnly().Mean
			mean = guess[:]
		}
	}
	if o.Mean != nil {
		mean = o.Mean
	}
	if o.Std != nil {
		std = o.Std
	}
	copy(known.mean[:], mean)
	copy(known.std[:], std)

	for _, n := range []int{1, 8, 32} {
		if n < known.Batch() {
			known.sizes = append(known.sizes, n)
		}
	}
	var err error
	known.predictor, err = predictor(known.Batch(), known.sizes...)
	known.sizes = append(known.sizes, known.Batch())
	return known, err
}

// Close frees the memory of the model. Later calls return an error.
func (m *Model) Close() error { return m.predictor.Close() }

// Labels returns the names of the classes, by class number.
func (m *Model) Labels() []string { return slices.Clone(m.labels) }

// Size returns the height and width to which images are resized.
func (m *Model) Size() (height, width int) { return m.network.Input[0], m.network.Input[1] }

// Batch returns how many images are computed together at most: fewer large ones, whose activations
// would fill the memory.
func (m *Model) Batch() int {
	const images, elements = 128, 128 * 64 * 64 * Channels
	return min(images, max(1, elements/m.network.Input.Size()))
}

// Prepare returns the elements, (H, W, C), that the network takes for an image.
func (m *Model) Prepare(img image.Image) []float32 {
	height, width := m.Size()
	pixels := make([]byte, m.network.Input.Size())
	picture.Resize(pixels, img, height, width)
	x := make([]float32, len(pixels))
	for i, v := range pixels {
		x[i] = (float32(v) - m.mean[i%Channels]) / m.std[i%Channels]
	}
	return x
}

// Classify classifies images that [Model.Prepare] has prepared, in one slice.
func (m *Model) Classify(images []float32) ([]Prediction, error) {
	probabilities, err := m.probabilities(images)
	if err != nil {
		return nil, err
	}
	predictions := make([]Prediction, len(images)/m.network.Input.Size())
	for i := range predictions {
		predictions[i] = Prediction{m.labels, probabilities[i*m.network.Classes:][:m.network.Classes]}
	}
	return predictions, nil
}

// probabilities pads images to the next of m.sizes: packing weights for another number of images
// costs more than computing images that nobody needs.
func (m *Model) probabilities(images []float32) ([]float32, error) {
	each := m.network.Input.Size()
	whole := m.Batch() * each
	if rest := len(images) % whole; rest > 0 {
		images = append(slices.Clip(images), make([]float32, m.padded(rest/each)*each-rest)...)
	}
	return m.predictor.Probabilities(images)
}

// padded returns the least of m.sizes that is not below n.
func (m *Model) padded(n int) int {
	i, _ := slices.BinarySearch(m.sizes, n)
	return m.sizes[i]
}

// Prediction is what a model says of an image.
type Prediction struct {
	labels        []string
	probabilities []float32 // by class number
}

// Class is a class with its probability.
type Class struct {
	Name        string  `json:"class"`
	Probability float64 `json:"probability"`
}

// ErrNotFinite reports a model that gives NaN or infinity.
var ErrNotFinite = errors.New("the output of the model is not finite: mean or std differ from those of its training, " +
	"its training diverged, or its file is damaged")

// Top returns the n most probable classes, the most probable first.
func (p Prediction) Top(n int) ([]Class, error) {
	classes := make([]Class, len(p.probabilities))
	for i, v := range p.probabilities {
		if !tensor.Finite(v) {
			return nil, ErrNotFinite
		}
		classes[i] = Class{p.labels[i], float64(v)}
	}
	slices.SortStableFunc(classes, func(a, b Class) int { return cmp.Compare(b.Probability, a.Probability) })
	return classes[:min(n, len(classes))], nil
}
