// Package classify opens trained image classifiers and runs them in any Go program: runs and
// checkpoints of this module, and models of Keras.
//
//	m, err := classify.Open("model.keras", classify.Options{})
//	…
//	defer m.Close()
//	results, err := m.Classify(ctx, img)
//	…
//	fmt.Println(results[0].Label(), results[0].Probability())
//
// [OpenFS] opens a model that a program carries with go:embed. Images of any size are resized to
// the model's input, and their pixels are prepared as in training.
//
// A [Model] is safe for use by any number of goroutines. Images that are classified at the same
// time are computed together, as one batch, which takes far less time for each.
package classify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// CheckpointName is the name of the checkpoint in the folder of a run.
const CheckpointName = "checkpoint.lamina"

// Options override what a model knows of its images, and choose where it computes. The zero value
// is right for most models.
type Options struct {
	Labels []string // the names of the classes
	// Mean and Std prepare pixels: x from 0 to 255 becomes (x − Mean)/Std. Each has a value for each
	// channel, or one for all.
	Mean, Std []float32
	// Backend computes instead of the CPU. It must stay open as long as the model. Models may share
	// one, and then take turns. New ignores it.
	Backend backend.Backend
}

// Model is an opened model. It is safe for use by any number of goroutines.
type Model struct {
	name      string
	network   *nn.Network
	labels    []string // by class number
	mean, std []float32
	guessed   Guessed
	notes     []string

	predictor *nn.Predictor
	sizes     []int // the numbers of images for which the predictor keeps packed weights, ascending
	batcher   *batcher
	close     func() error // once
}

// Guessed says what neither a model nor its Options know.
type Guessed struct {
	// Preparation of the pixels: the mean colour of ImageNet is subtracted, and grey pixels are
	// divided by 255. Set Options.Mean and Options.Std to those of the training.
	Preparation bool
	// Labels are the numbers of the classes, from "0" on.
	Labels bool
}

// Errors about a model.
var (
	ErrClosed  = errors.New("classify: the model is closed")
	ErrLabels  = errors.New("wrong number of labels") // in Options
	ErrClasses = errors.New("other classes")          // of a dataset than of the model
	// ErrNotFinite reports a model whose output is NaN or infinite.
	ErrNotFinite = errors.New("the output of the model is not finite: mean or std differ from those of its training, " +
		"its training diverged, or its file is damaged")
)

// Open opens the model at path: the folder of a run, a checkpoint (.lamina), or a whole model of
// Keras or in safetensors. Close the model to free its memory.
func Open(path string, o Options) (*Model, error) { return system().open(path, o) }

// ReadModel reads the network that [Open] opens, with its weights, for training or export. It also
// returns sentences that the user should know, see [Model.Notes]. Close the model to free its
// memory.
func ReadModel(b backend.Backend, path string) (*nn.Model, []string, error) {
	s := system()
	file, err := s.locate(path)
	if err != nil {
		return nil, nil, err
	}
	return s.model(b, path, file)
}

// system is where the system's files are.
func system() source {
	return source{os.Stat, filepath.Join, func(b backend.Backend, file string) (*nn.Model, *keras.LoadSummary, error) {
		if isCheckpoint(file) {
			m, err := nn.OpenModel(b, file) // which verifies the checksum too
			return m, &keras.LoadSummary{}, err
		}
		return keras.OpenModel(b, file)
	}}
}

// OpenFS is [Open] for a file or folder of fsys, such as an embed.FS. A file that its file system
// cannot read at any offset is read to memory.
func OpenFS(fsys fs.FS, name string, o Options) (*Model, error) {
	if !fs.ValidPath(name) {
		return nil, fmt.Errorf("%q is not a path of a file system: separate names by slashes, without . and .., and "+
			"with none at the beginning or end", name)
	}
	stat := func(name string) (fs.FileInfo, error) { return fs.Stat(fsys, name) }
	return source{stat, path.Join, func(b backend.Backend, file string) (*nn.Model, *keras.LoadSummary, error) {
		f, err := infile.OpenFS(fsys, file)
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		if isCheckpoint(file) {
			m, err := nn.ReadModel(b, f, f.Size, file)
			return m, &keras.LoadSummary{}, err
		}
		return keras.ReadModel(b, f, f.Size, file)
	}}.open(name, o)
}

func isCheckpoint(file string) bool { return filepath.Ext(file) == filepath.Ext(CheckpointName) }

// source is where models are: the system's files, or others.
type source struct {
	stat func(name string) (fs.FileInfo, error)
	join func(names ...string) string
	read func(b backend.Backend, file string) (*nn.Model, *keras.LoadSummary, error)
}

// open opens a model on the backend of the options, or on a CPU of its own.
func (s source) open(path string, o Options) (*Model, error) {
	file, err := s.locate(path)
	if err != nil {
		return nil, err
	}
	if o.Backend != nil {
		return s.openOn(o.Backend, path, file, o)
	}
	b, err := cpu.Open(cpu.Options{})
	if err != nil {
		return nil, err
	}
	m, err := s.openOn(b, path, file, o)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	closeModel := m.close
	m.close = sync.OnceValue(func() error { return errors.Join(closeModel(), b.Close()) })
	return m, nil
}

// locate returns the file of the model at path, which may be the folder of a run.
func (s source) locate(path string) (string, error) {
	info, err := s.stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s does not exist: name the folder of a run, a checkpoint or a Keras file", path)
	case err != nil:
		return "", err
	case !info.IsDir():
		return path, nil
	}
	file := s.join(path, CheckpointName)
	_, last := s.stat(file)
	_, older := s.stat(nn.PreviousCheckpoint(file))
	if errors.Is(last, fs.ErrNotExist) && errors.Is(older, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is not the folder of a run with a checkpoint (no %s)", path, CheckpointName)
	}
	return file, nil
}

// openOn opens the model of a file, at path, on a backend.
func (s source) openOn(b backend.Backend, path, file string, o Options) (*Model, error) {
	m, notes, err := s.model(b, path, file)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	opened, err := newModel(m, nameOf(path), o, m.IntoPredictor)
	if err != nil {
		return nil, err
	}
	opened.notes = notes
	return opened, nil
}

// model reads the model of a file, at path, and what the user should know of it. Of a run whose
// last checkpoint is damaged it reads the one before.
func (s source) model(b backend.Backend, path, file string) (*nn.Model, []string, error) {
	m, summary, err := s.read(b, file)
	if file != path && (errors.Is(err, nn.ErrDamaged) || errors.Is(err, fs.ErrNotExist)) {
		if older, _, failed := s.read(b, nn.PreviousCheckpoint(file)); failed == nil {
			return older, []string{file + " is damaged or missing: this is the model of the checkpoint before it"}, nil
		}
	}
	if err != nil {
		return nil, nil, err
	}
	return m, slices.Concat(summary.NotFinite, summary.Notes), nil
}

// nameOf returns the name of a folder, or of a file without its extension.
func nameOf(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	base := filepath.Base(path)
	for _, ext := range []string{filepath.Ext(CheckpointName), ".h5", ".hdf5", ".keras", ".safetensors", ".json"} {
		base = strings.TrimSuffix(base, ext)
	}
	return base
}

// New prepares a model for classification, such as that of a Trainer, under a name for display. It
// copies the weights: m may be closed, or trained further. Close the result too.
func New(m *nn.Model, name string, o Options) (*Model, error) {
	return newModel(m, name, o, m.NewPredictor)
}

// newModel is New with a method of m that makes the predictor.
func newModel(m *nn.Model, name string, o Options, predictor func(batch int, fewer ...int) (*nn.Predictor, error)) (
	*Model, error) {
	c := &Model{name: name, network: m.Network}
	if err := c.setLabels(o.Labels); err != nil {
		return nil, err
	}
	if err := c.setPreparation(o.Mean, o.Std); err != nil {
		return nil, err
	}
	for _, n := range []int{1, 8, 32} {
		if n < c.batch() {
			c.sizes = append(c.sizes, n)
		}
	}
	var err error
	if c.predictor, err = predictor(c.batch(), c.sizes...); err != nil {
		return nil, err
	}
	c.sizes = append(c.sizes, c.batch())
	c.batcher = newBatcher(min(maxBatch, c.batch()), c.probabilities)
	c.close = sync.OnceValue(func() error {
		c.batcher.close()
		return c.predictor.Close()
	})
	return c, nil
}

// setLabels sets the names of the classes to those given, if any, or the model's.
func (m *Model) setLabels(given []string) error {
	switch {
	case given != nil:
		if len(given) != m.network.Classes {
			return fmt.Errorf("%w: %d for the %d classes of %s", ErrLabels, len(given), m.network.Classes, m.name)
		}
		m.labels = slices.Clone(given)
	case len(m.network.Labels) > 0:
		m.labels = m.network.Labels
	default:
		m.guessed.Labels = true
		for i := range m.network.Classes {
			m.labels = append(m.labels, strconv.Itoa(i))
		}
	}
	return nil
}

// setPreparation sets how pixels are prepared: as given, else as the model says, else by a guess.
func (m *Model) setPreparation(mean, std []float32) (err error) {
	channels := m.network.Input[2]
	if channels != grey && channels != colour {
		return fmt.Errorf("%s takes images of %d channels: want 1, grey, or 3, red, green and blue", m.name, channels)
	}
	m.guessed.Preparation = len(m.network.Mean) == 0 && mean == nil && std == nil
	switch {
	case m.guessed.Preparation && channels == grey:
		std = []float32{255}
	case m.guessed.Preparation:
		guess := cifar.MeanOnly().Mean
		mean = guess[:]
	}
	if m.mean, err = m.perChannel("Mean", mean, m.network.Mean, 0); err != nil {
		return err
	}
	m.std, err = m.perChannel("Std", std, m.network.Std, 1)
	for _, v := range m.std {
		if err == nil && v <= 0 {
			err = fmt.Errorf("option Std: %v: want values above 0", std)
		}
	}
	return err
}

// perChannel returns a value for each channel: those given, else those of the model, else the
// neutral one.
func (m *Model) perChannel(name string, given, own []float32, neutral float32) ([]float32, error) {
	channels := m.network.Input[2]
	switch {
	case given == nil && len(own) > 0:
		return own, nil
	case given == nil:
		given = []float32{neutral}
	case len(given) != 1 && len(given) != channels:
		return nil, fmt.Errorf("option %s: %d values, but %s takes images of %d channels: "+
			"want one value for all, or one for each", name, len(given), m.name, channels)
	}
	for _, v := range given {
		if !tensor.Finite(v) {
			return nil, fmt.Errorf("option %s: %v: want finite values", name, given)
		}
	}
	return slices.Repeat(given, channels/len(given)), nil
}

// Close ends all calls of Classify with ErrClosed, after the batch that is computed, and frees the
// memory of the model. Later calls of Classify return an error. Closing it again does nothing.
func (m *Model) Close() error { return m.close() }

// Name returns the name of the model's folder or file, without its extension.
func (m *Model) Name() string { return m.name }

// Labels returns the names of the classes, by class number.
func (m *Model) Labels() []string { return slices.Clone(m.labels) }

// Input returns the shape (height, width, channels) to which images are brought.
func (m *Model) Input() tensor.Shape { return slices.Clone(m.network.Input) }

// Resize says how images of other proportions are brought to that shape.
func (m *Model) Resize() nn.Resize { return m.network.Resize }

// Guessed says what the file does not record.
func (m *Model) Guessed() Guessed { return m.guessed }

// Notes returns sentences on what opening left out of the file, and on weights that are not finite.
func (m *Model) Notes() []string { return slices.Clone(m.notes) }

// OnBatch sets a function that is called with the number of images of each batch before it is
// computed, as for metrics; nil for none. It must not wait for other calls of the model.
func (m *Model) OnBatch(f func(images int)) { m.batcher.observe.Store(&f) }

// batch returns how many images are computed together at most: fewer large ones, whose activations
// would fill the memory.
func (m *Model) batch() int {
	const images, elements = 128, 128 * 64 * 64 * 3
	return min(images, max(1, elements/m.network.Input.Size()))
}

// probabilities returns the probabilities (N, Classes) for images (N, H, W, C). It pads them to the
// next of m.sizes: packing weights for another number of images costs more than computing images
// that nobody needs.
func (m *Model) probabilities(images []float32) ([]float32, error) {
	each := m.network.Input.Size()
	n, whole := len(images)/each, m.batch()*each
	if rest := len(images) % whole; rest > 0 {
		images = append(images, make([]float32, m.padded(rest/each)*each-rest)...)
	}
	p, err := m.predictor.Probabilities(images)
	if err != nil {
		return nil, fmt.Errorf("the model cannot compute: %w", err)
	}
	return p[:n*m.network.Classes], nil
}

// padded returns the least of m.sizes that is not below n.
func (m *Model) padded(n int) int {
	i, _ := slices.BinarySearch(m.sizes, n)
	return m.sizes[i]
}
