package nn

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/tensor"
)

// State is all that training changes: weights and the optimizer's state on the backend, and the
// position in the run. All random numbers derive from the seed and the position.
//
// A checkpoint is a State in a safetensors file. It has a tensor for each weight, by its name, and
// for its velocity, or what AdamW and Muon have for it, by VelocityPrefix and that name. Those of
// AdamW also have the mean of its gradient's square, by SquarePrefix and that name. The metadata
// have the network and the position as JSON. The last 32 bytes are the tensor "sha256", the
// checksum of all bytes before it.
type State struct {
	Model      *Model
	velocities tensor.Tensor
	squares    tensor.Tensor // of AdamW; else nil
	Position
}

// Position is the progress of a run.
type Position struct {
	Seed      uint64  `json:"seed"`
	Batch     int     `json:"batch"`      // images a step
	Images    int     `json:"images"`     // in the training set
	Step      int     `json:"step"`       // steps since training began
	Epoch     int     `json:"epoch"`      // completed epochs, with their validation
	EpochStep int     `json:"epoch_step"` // steps done in the current epoch: the position in the shuffle
	Sums      sums    `json:"sums"`       // over these steps
	Seconds   float64 `json:"seconds"`    // that they took
	History   []Row   `json:"history"`

	Optimizer string `json:"optimizer,omitempty"` // "adamw", "muon", or "" for SGD

	// Settings are those of Config, nil if the checkpoint has none.
	Settings map[string]string `json:"settings,omitempty"`

	// Fresh names the BatchNorm layers whose running statistics began with the run: before its first
	// step, Run finds means of 0 and variances of 1. Their memory grows with the steps, see
	// backend.BatchNormSpec. Others keep what they learned before. Fresh is nil before Run.
	Fresh []string `json:"fresh"`
}

// Keys in the metadata of a checkpoint, and the prefix of the names of its velocities. A
// safetensors file with FormatKey and NetworkKey but without PositionKey is a model alone.
const (
	FormatKey      = "format"
	NetworkKey     = "network"   // a Sequential as JSON
	PositionKey    = "position"  // a Position as JSON
	VelocityPrefix = "velocity/" // then the weight's name
	SquarePrefix   = VelocityPrefix + "square/"
)

const (
	formatVersion = "lamina checkpoint 1"
	checksumName  = "sha256"
)

// states returns the tensors of the optimizer's state.
func (s *State) states() []tensor.Tensor {
	if s.squares == nil {
		return []tensor.Tensor{s.velocities}
	}
	return []tensor.Tensor{s.velocities, s.squares}
}

// prefixes returns those of the names of the states in a checkpoint.
func (p *Position) prefixes() []string {
	if p.Optimizer == adamW {
		return []string{VelocityPrefix, SquarePrefix}
	}
	return []string{VelocityPrefix}
}

// entries lists the tensors of a checkpoint of the network, with states of these prefixes.
func (net *Network) entries(prefixes []string) []safetensors.Entry {
	var all []safetensors.Entry
	for _, w := range net.Weights {
		all = append(all, safetensors.Entry{Name: w.Name, Type: "F32", Shape: w.Shape})
	}
	for _, prefix := range prefixes {
		for _, w := range net.Weights {
			if w.Trainable {
				all = append(all, safetensors.Entry{Name: prefix + w.Name, Type: "F32", Shape: w.Shape})
			}
		}
	}
	return append(all, safetensors.Entry{Name: checksumName, Type: "U8", Shape: []int{sha256.Size}})
}

// ReadVelocity copies elements of the velocity of a trainable weight, as Model.ReadPart those of
// the weight. AdamW and Muon have none.
func (s *State) ReadVelocity(w Weight, dst []float32, first int) error {
	if s.Optimizer != "" {
		return fmt.Errorf("nn: a run of %s has no velocities", s.Optimizer)
	}
	return s.Model.readPart(s.velocities, w, dst, first)
}

// Save writes the checkpoint. It replaces the file at path once the new one is complete on disk and
// reads back as written; if anything fails, the old file stays. Weights that are not finite are an
// error.
func (s *State) Save(path string) error { return s.write(path, "") }

// write is Save, which keeps the old file at previous unless that is empty.
func (s *State) write(path, previous string) error {
	network, err := json.Marshal(s.Model.Sequential)
	if err != nil {
		return err
	}
	position, err := json.Marshal(s.Position)
	if err != nil {
		return err
	}
	header := &safetensors.Header{
		Metadata: map[string]string{FormatKey: formatVersion, NetworkKey: string(network), PositionKey: string(position)},
		Entries:  s.Model.entries(s.prefixes()),
	}
	return atomicfile.WriteVerified(path, previous, func(file io.Writer) error {
		hash := sha256.New()
		w := io.MultiWriter(file, hash)
		if err := safetensors.WriteHeader(w, header); err != nil {
			return err
		}
		buffer := s.Model.buffer()
		for _, weight := range s.Model.Weights {
			if err := s.Model.copyOut(w, s.Model.flat(weight), weight, buffer); err != nil {
				return err
			}
		}
		for _, state := range s.states() {
			for _, weight := range s.Model.Weights {
				if !weight.Trainable {
					continue
				}
				if err := s.Model.copyOut(w, state, weight, buffer); err != nil {
					return err
				}
			}
		}
		_, err := file.Write(hash.Sum(nil))
		return err
	})
}

// copyOut writes a weight or its velocity from a flat tensor to a file.
func (m *Model) copyOut(w io.Writer, flat tensor.Tensor, weight Weight, buffer []float32) error {
	for at := 0; at < weight.Shape.Size(); at += len(buffer) {
		block := buffer[:min(len(buffer), weight.Shape.Size()-at)]
		if err := m.readPart(flat, weight, block, at); err != nil {
			return err
		}
		for _, v := range block {
			if !tensor.Finite(v) {
				return fmt.Errorf("%s has the value %v: not saved: %w", weight.Name, v, ErrDiverged)
			}
		}
		if err := safetensors.WriteFloats(w, block); err != nil {
			return err
		}
	}
	return nil
}

// copyIn reads a weight or its velocity from a file to a flat tensor.
func (m *Model) copyIn(r io.Reader, flat tensor.Tensor, weight Weight, buffer []float32) error {
	for at := 0; at < weight.Shape.Size(); at += len(buffer) {
		block := buffer[:min(len(buffer), weight.Shape.Size()-at)]
		if err := safetensors.ReadFloats(r, block); err != nil {
			return err
		}
		if err := m.backend.do(func() error { return m.write(flat, weight.Offset+at, block) }); err != nil {
			return err
		}
	}
	return nil
}

// checkpoint is an open checkpoint with a correct checksum.
type checkpoint struct {
	file     io.ReaderAt
	size     int64
	header   *safetensors.Header
	network  *Network
	position Position
}

// Resume sets the trainer's state to that of a checkpoint. It changes nothing unless the checkpoint
// is intact and has this network, seed, batch and number of images. Settings that both have must be
// the same. The error of a checkpoint that is not intact is ErrDamaged; then the one at
// PreviousCheckpoint may be.
func (t *Trainer) Resume(path string) error { return t.resume(path, false) }

// Continue is Resume from a checkpoint of the same network of which other layers were frozen. The
// state of the optimizer begins at zero.
func (t *Trainer) Continue(path string) error { return t.resume(path, true) }

func (t *Trainer) resume(path string, otherFrozen bool) error {
	if !t.busy.CompareAndSwap(false, true) {
		return errBusy
	}
	defer t.busy.Store(false)
	return withCheckpoint(path, func(c *checkpoint) error {
		states := t.states()
		if otherFrozen {
			c.network.Frozen, states = t.Model.Network.Frozen, nil
		}
		if err := c.same(t.Model.Network); err != nil {
			return err
		}
		p := c.position
		for _, x := range []struct {
			what      string
			file, now any
		}{{"seed", p.Seed, t.Seed}, {"batch size", p.Batch, t.Batch}, {"number of training images", p.Images, t.Images}} {
			if x.file != x.now {
				return fmt.Errorf("it is of a run with %s %v, not %v", x.what, x.file, x.now)
			}
		}
		if p.Optimizer != t.Optimizer {
			return fmt.Errorf("it is of a run with another optimizer than this one (%s, not %s)",
				cmp.Or(p.Optimizer, "sgd"), cmp.Or(t.Optimizer, "sgd"))
		}
		for _, name := range slices.Sorted(maps.Keys(t.Settings)) {
			if was, ok := p.Settings[name]; ok && was != t.Settings[name] {
				return fmt.Errorf("it is of a run with %s %q, not %q: restore that, or start another run",
					name, was, t.Settings[name])
			}
		}
		if err := c.load(t.Model, states); err != nil {
			return err
		}
		p.Settings = t.Settings
		t.Position = p
		t.newest = path
		return nil
	})
}

// OpenModel makes a model from a checkpoint. Close frees it.
func OpenModel(b backend.Backend, path string) (m *Model, err error) {
	err = withCheckpoint(path, func(c *checkpoint) error {
		m, err = c.model(b)
		return err
	})
	return m, err
}

// ReadModel is OpenModel for a checkpoint of size bytes that is open; errors contain its name.
func ReadModel(b backend.Backend, file io.ReaderAt, size int64, name string) (*Model, error) {
	var m *Model
	c, err := readCheckpoint(file, size)
	if err == nil {
		m, err = c.model(b)
	}
	return m, ofCheckpoint(name, err)
}

// model makes the model.
func (c *checkpoint) model(b backend.Backend) (*Model, error) {
	if err := c.network.CheckImages(c.size); err != nil {
		return nil, err
	}
	m, err := NewModel(b, c.network)
	if err != nil {
		return nil, err
	}
	if err := c.load(m, nil); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// withCheckpoint opens a checkpoint for f. Errors name the file.
func withCheckpoint(path string, f func(*checkpoint) error) error {
	opened, size, err := infile.Open(path)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer opened.Close()
	c, err := readCheckpoint(opened, size)
	if err == nil {
		err = f(c)
	}
	return ofCheckpoint(path, err)
}

// ofCheckpoint names the file in an error about it; nil stays nil.
func ofCheckpoint(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("checkpoint %s: %w", name, err)
}

// VerifyCheckpoint compares a checkpoint of size bytes with its checksum.
func VerifyCheckpoint(f io.ReaderAt, size int64) error {
	if size < sha256.Size {
		return fmt.Errorf("%d bytes: %w", size, ErrDamaged)
	}
	hash, sum := sha256.New(), make([]byte, sha256.Size)
	if _, err := io.Copy(hash, io.NewSectionReader(f, 0, size-sha256.Size)); err != nil {
		return fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	if _, err := f.ReadAt(sum, size-sha256.Size); err != nil {
		return fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	if !bytes.Equal(sum, hash.Sum(nil)) {
		return fmt.Errorf("its checksum is wrong: %w", ErrDamaged)
	}
	return nil
}

// ErrDamaged reports a file that is not as a checkpoint was written, or that cannot be read.
var ErrDamaged = errors.New("the file is damaged or cut off, or is not a checkpoint: restore a copy, or delete it and train again")

// PreviousCheckpoint returns the path at which Run keeps the checkpoint before the one at path.
func PreviousCheckpoint(path string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "-previous" + ext
}

// readCheckpoint checks a file of size bytes and reads all but its tensors.
func readCheckpoint(f io.ReaderAt, size int64) (*checkpoint, error) {
	if err := VerifyCheckpoint(f, size); err != nil {
		return nil, err
	}
	header, err := safetensors.ReadHeader(io.NewSectionReader(f, 0, size), size)
	if err != nil {
		return nil, err
	}
	if v := header.Metadata[FormatKey]; v != formatVersion {
		return nil, fmt.Errorf("its format is %q, want %q", v, formatVersion)
	}
	c := &checkpoint{file: f, size: size, header: header}
	var s Sequential
	if err := infile.JSON([]byte(header.Metadata[NetworkKey]), &s); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	if c.network, err = Build(s); err != nil {
		return nil, err
	}
	if err := infile.JSON([]byte(header.Metadata[PositionKey]), &c.position); err != nil {
		return nil, fmt.Errorf("position: %w", err)
	}
	if err := c.position.check(); err != nil {
		return nil, err
	}
	want := c.network.entries(c.position.prefixes())
	if len(header.Entries) != len(want) {
		return nil, fmt.Errorf("%d tensors, its network has %d", len(header.Entries), len(want))
	}
	for i, e := range header.Entries {
		if e.Name != want[i].Name || e.Type != want[i].Type || !slices.Equal(e.Shape, want[i].Shape) {
			return nil, fmt.Errorf("tensor %q of shape %v, its network has %q of shape %v",
				e.Name, e.Shape, want[i].Name, want[i].Shape)
		}
	}
	norms := c.network.batchNorms()
	for _, name := range c.position.Fresh {
		if !slices.Contains(norms, name) {
			return nil, fmt.Errorf("its position names a BatchNorm layer %q, which its network lacks", name)
		}
	}
	return c, nil
}

// check returns an error unless the fields agree with each other.
func (p *Position) check() error {
	if p.Batch < 1 || p.Images < p.Batch || p.Epoch < 0 || p.EpochStep < 0 {
		return errors.New("its position is not that of a run")
	}
	if !slices.Contains(optimizers, p.Optimizer) {
		return fmt.Errorf("it is of a run with an unknown optimizer %q", p.Optimizer)
	}
	steps := (p.Images + p.Batch - 1) / p.Batch
	if p.EpochStep > steps || p.Step != p.Epoch*steps+p.EpochStep || len(p.History) != p.Epoch ||
		p.Sums.Images != min(p.EpochStep*p.Batch, p.Images) {
		return errors.New("its position is not that of a run")
	}
	return nil
}

// same returns an error that names the first difference between the checkpoint's network and net.
func (c *checkpoint) same(net *Network) error {
	if was, now := c.network.Classes, net.Classes; was != now {
		return fmt.Errorf("it is of a network with %d classes, not %d", was, now)
	}
	for i := range max(len(c.network.Weights), len(net.Weights)) {
		var in, want Weight
		if i < len(c.network.Weights) {
			in = c.network.Weights[i]
		}
		if i < len(net.Weights) {
			want = net.Weights[i]
		}
		if in.Name != want.Name || !in.Shape.Equal(want.Shape) {
			return fmt.Errorf("it is of another network: its weight %d is %q of shape %v, here that is %q of shape %v",
				i+1, in.Name, in.Shape, want.Name, want.Shape)
		}
	}
	was, now := c.network.Sequential, net.Sequential
	// A checkpoint may have no labels and no normalization; then it fits any.
	if len(was.Labels) == 0 {
		was.Labels = now.Labels
	}
	if len(was.Mean) == 0 {
		was.Mean, was.Std = now.Mean, now.Std
	}
	for i, label := range now.Labels {
		if i < len(was.Labels) && was.Labels[i] != label {
			return fmt.Errorf("it is of a network of other classes: its class %d is %q, here that is %q",
				i, was.Labels[i], label)
		}
	}
	if !slices.Equal(was.Mean, now.Mean) || !slices.Equal(was.Std, now.Std) {
		return fmt.Errorf("it is of pixels of mean %v and deviation %v, here they have mean %v and deviation %v",
			was.Mean, was.Std, now.Mean, now.Std)
	}
	if !slices.Equal(slices.Sorted(slices.Values(was.Frozen)), slices.Sorted(slices.Values(now.Frozen))) {
		return fmt.Errorf("it is of a network with other frozen layers: %q, here they are %q", was.Frozen, now.Frozen)
	}
	was.Frozen = now.Frozen
	if was.Resize != now.Resize {
		return fmt.Errorf("it is of images resized by %q, not %q", cmp.Or(was.Resize, "squash"), cmp.Or(now.Resize, "squash"))
	}
	a, err := json.Marshal(was)
	if err != nil {
		return err
	}
	b, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if !bytes.Equal(a, b) {
		return errors.New("it is of a network whose layers have other settings (pools, dropout, penalties)")
	}
	return nil
}

// load copies the weights to m and, unless states is nil, the optimizer's state to those flat
// tensors.
func (c *checkpoint) load(m *Model, states []tensor.Tensor) error {
	buffer := m.buffer()
	entries := c.header.Entries
	copyIn := func(flat tensor.Tensor, w Weight) error {
		e := entries[0]
		entries = entries[1:]
		return m.copyIn(io.NewSectionReader(c.file, c.header.Start+e.Offset, e.Size()), flat, w, buffer)
	}
	for _, w := range m.Weights {
		if err := copyIn(m.flat(w), w); err != nil {
			return err
		}
	}
	for _, state := range states {
		for _, w := range m.Weights {
			if !w.Trainable {
				continue
			}
			if err := copyIn(state, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// spareImages is the memory that one image may need whatever the size of the model.
const spareImages = 64 << 20

// CheckImages returns an error if an image of the network needs far more memory than the size of
// its file justifies: such a file is not of a trained model.
func (net *Network) CheckImages(fileSize int64) error {
	var need float64 // of the buffers of an inference
	_, buffers := places(net.Input, net.nodes(true))
	for _, shape := range buffers {
		need += 4 * float64(shape.Size())
	}
	if need > spareImages+8*float64(fileSize) {
		return fmt.Errorf("one image of shape %v needs %.0f MB of memory, far more than a model of %d bytes justifies",
			net.Input, need/(1<<20), fileSize)
	}
	return nil
}
