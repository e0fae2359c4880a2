package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
)

// imageNet stands for the file of weights that Keras publishes.
const imageNet = "imagenet"

// CheckPretrained reports why the pretrained weights that the settings name, if they do, cannot be
// opened. progress is called during a download.
func (s *Settings) CheckPretrained(ctx context.Context, progress func(done, total int64)) error {
	if s.Pretrained == "" {
		return nil
	}
	f, _, err := s.openPretrained(ctx, progress)
	if err != nil {
		return err
	}
	return f.Close()
}

// openPretrained opens the file of pretrained weights, and returns its path.
func (s *Settings) openPretrained(ctx context.Context, progress func(done, total int64)) (
	f *keras.File, path string, err error) {
	path = s.Pretrained
	if path == imageNet {
		if path, err = keras.ImageNet(ctx, s.Model, !s.globalPool(), progress); err != nil {
			return nil, "", err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", fmt.Errorf("--pretrained %s: %w", path, infile.Cause(err))
	}
	if info.IsDir() { // the folder of a run
		path = filepath.Join(path, CheckpointName)
		if _, err := os.Stat(path); err != nil {
			return nil, "", fmt.Errorf("--pretrained %s: %w: name a run with a checkpoint, or a file", path,
				infile.Cause(err))
		}
	}
	if f, err = keras.Open(path); err != nil {
		previous := nn.PreviousCheckpoint(path)
		if _, older := os.Stat(previous); older == nil {
			err = fmt.Errorf("%w, or name %s", err, previous)
		}
		return nil, "", fmt.Errorf("--pretrained: %w", err)
	}
	return f, path, nil
}

// pretrain loads the pretrained weights that the settings name, if they do.
func (j *Job) pretrain(ctx context.Context, m *nn.Model) error {
	if j.Settings.Pretrained == "" {
		return nil
	}
	f, path, err := j.Settings.openPretrained(ctx, j.Progress.Download)
	if err != nil {
		return err
	}
	defer f.Close()
	load := f.LoadByName
	if !f.HasNames() {
		load = f.Load
	}
	r, err := load(m, true)
	if err != nil {
		return fmt.Errorf("--pretrained: %w", err)
	}
	head := fmt.Sprintf("layer %q: ", lastLayer(m.Network))
	for i, mismatch := range r.Mismatched {
		switch {
		case strings.HasPrefix(mismatch, head): // it is for other classes
			r.Mismatched[i] = "a new head: " + mismatch
		case !j.Settings.SkipMismatch:
			return fmt.Errorf("--pretrained: %s: %s: --skip-mismatch ignores weights of other shapes", path, mismatch)
		}
	}
	switch {
	case len(r.Loaded) == 0:
		return fmt.Errorf("--pretrained %s: no layer in common: its layers are %s, those of the network %s",
			path, list(r.Ignored), list(r.Missing))
	}
	j.Progress.pretrained(path, r)
	if j.Settings.Recipe == finetune && j.Settings.kerasVGG() != "" {
		return toRGB(m)
	}
	return nil
}

// toRGB turns the first convolution of Keras's VGG, whose images are blue, green, red.
func toRGB(m *nn.Model) error {
	kernel := m.Weights[0]
	values, err := m.Get(kernel.Name)
	if err != nil {
		return err
	}
	filters := kernel.Shape[3]
	for pixel := range slices.Chunk(values, cifar.Channels*filters) {
		for f := range filters {
			pixel[f], pixel[2*filters+f] = pixel[2*filters+f], pixel[f]
		}
	}
	return m.Set(kernel.Name, values)
}

// lastLayer returns the name of the last layer with weights other than batch normalization.
func lastLayer(net *nn.Network) (name string) {
	for _, row := range net.Table {
		if len(row.Weights) > 0 && row.Class != "BatchNormalization" {
			name = row.Name
		}
	}
	return name
}

// kerasVGG returns the name of the VGG whose ImageNet weights, as Keras publishes them, are the
// pretrained ones, or "".
func (s *Settings) kerasVGG() string {
	name, isFile := strings.CutSuffix(filepath.Base(s.Pretrained), ".h5")
	vgg, _, found := strings.Cut(strings.TrimSuffix(name, "_notop"), "_weights_tf_dim_ordering_tf_kernels")
	switch {
	case s.Pretrained == imageNet:
		return "vgg16"
	case isFile && found:
		return vgg
	}
	return ""
}

// ofPretrained returns the flags of the pretrained model: those of its run, or of Keras's VGG.
func (s *Settings) ofPretrained() (map[string]string, error) {
	if vgg := s.kerasVGG(); vgg != "" {
		return map[string]string{"model": vgg, "bn": "false", "head": headGAP, "size": "64",
			"mean": "123.68,116.779,103.939", "std": "1"}, nil
	}
	if _, err := os.Stat(filepath.Join(s.Pretrained, ConfigName)); err != nil {
		return nil, nil // a file, whose model the command line names
	}
	c, err := ReadConfig(s.Pretrained)
	if err != nil {
		return nil, fmt.Errorf("--pretrained %w", err)
	}
	run := c.Settings
	if slices.Contains(nn.VGGNames(), run.Model) {
		if gap := run.globalPool(); gap {
			run.Head = headGAP
		} else {
			run.Head = headFlatten
		}
	}
	flags := map[string]string{}
	all := cli.Union(run.Flags())
	for _, name := range []string{"model", "bn", "head", "size", "resize", "mean", "std"} {
		if value := all.Lookup(name).Value.String(); value != "" {
			flags[name] = value
		}
	}
	return flags, nil
}

// saver exports the model.
type saver struct {
	path     string // "" for nowhere
	best     bool   // only the best epoch
	momentum float32
	folder   *Folder
	trainer  *nn.Trainer
	saved    int // the epoch that was last exported, 0 for none
}

// check reports an error unless the file can be written.
func (s *saver) check() error {
	if s.path == "" {
		return nil
	}
	if err := atomicfile.Check(s.path); err != nil {
		return fmt.Errorf("--save %w: name a file in a writable folder", err)
	}
	return nil
}

// resume treats an existing file at the same path as already saved; with again, only if it could
// not be written again.
func (s *saver) resume(again bool) {
	before := s.folder.Config.Saved
	if _, err := os.Stat(s.path); err != nil || before.Path != s.path {
		return
	}
	if again && before.Epoch == len(s.trainer.History) && s.trainer.EpochStep == 0 {
		return
	}
	s.saved = before.Epoch
}

// epoch saves after an epoch that is the best so far, if the best is wanted.
func (s *saver) epoch() error {
	history := s.trainer.History
	if !s.best || len(history) == 0 || Best(history).Epoch != history[len(history)-1].Epoch {
		return nil
	}
	return s.write()
}

// errBefore reports an epoch whose weights are gone.
var errBefore = errors.New("was before this resume")

// end saves after the last epoch. It is an error if the best one was too long ago to be saved.
func (s *saver) end() error {
	history := s.trainer.History
	if !s.best {
		return s.write()
	}
	if len(history) == 0 {
		return nil
	}
	if best := Best(history).Epoch; best != s.saved {
		return fmt.Errorf("--save %s: nothing was saved, because the best epoch, %d, %w: --save-best=false saves the last",
			s.path, best, errBefore)
	}
	return nil
}

func (s *saver) write() error {
	history := s.trainer.History
	if s.path == "" || len(history) == s.saved && s.saved > 0 {
		return nil
	}
	var t *keras.Training
	if len(history) > 0 && s.trainer.Optimizer == "" { // Keras has no Muon
		t = &keras.Training{LearningRate: history[len(history)-1].LearningRate, Momentum: s.momentum,
			State: s.trainer.State}
	}
	if err := keras.Save(s.path, s.trainer.Model, t); err != nil {
		return err
	}
	s.saved = len(history)
	return s.folder.save(Saved{s.path, s.saved})
}

// Best returns the epoch with the highest validation accuracy, the first of equals. history must
// not be empty.
func Best(history []nn.Row) nn.Row {
	best := history[0]
	for _, row := range history[1:] {
		if row.Validation.Accuracy > best.Validation.Accuracy {
			best = row
		}
	}
	return best
}
