package nn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// tinyData returns n pictures for tinyNetwork: each class has a brighter part of its own.
func tinyData(n int) *Images {
	d := &Images{Height: 7, Width: 6, Channels: 2, NumClasses: 3, Seed: 5}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		class := i % 3
		d.Labels = append(d.Labels, float32(class))
		for p := range 7 * 6 * 2 {
			v := r.NormFloat64()
			if p*3/(7*6*2) == class {
				v++
			}
			d.Pixels = append(d.Pixels, float32(v))
		}
	}
	return d
}

// tinyConfig is a run of 3 epochs of 4 steps, the last smaller.
func tinyConfig() Config {
	schedule, err := ParseSchedule("cosine:0.1")
	if err != nil {
		panic(err)
	}
	return Config{Data: tinyData(30), Validation: tinyData(13), Epochs: 3, Batch: 8,
		Schedule: schedule.WarmUp(1), Momentum: 0.9, Init: HeNormal(), Seed: 9}
}

func newTinyTrainer(t *testing.T, b backend.Backend, c Config) *Trainer {
	t.Helper()
	trainer, err := NewTrainer(b, tinyNetwork(t, true), c)
	if err != nil {
		t.Fatal(err)
	}
	return trainer
}

// ofState returns all numbers of a state by name.
func ofState(t *testing.T, s *State) map[string][]float32 {
	t.Helper()
	all := map[string][]float32{}
	for _, w := range s.Model.Weights {
		all[w.Name] = read(t, s.Model, s.Model.flat(w), w.Name)
		if w.Trainable {
			all[velocityPrefix+w.Name] = read(t, s.Model, s.velocities, w.Name)
		}
	}
	return all
}

func sameState(t *testing.T, want, got *State) {
	t.Helper()
	bits := cmp.Comparer(func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
	if diff := cmp.Diff(ofState(t, want), ofState(t, got), bits); diff != "" {
		t.Errorf("weights or velocities differ (-want +got):\n%s", diff)
	}
	timing := []cmp.Option{cmpopts.IgnoreFields(Row{}, "ImagesPerSecond"), cmpopts.IgnoreFields(Position{}, "Seconds")}
	if diff := cmp.Diff(want.Position, got.Position, timing...); diff != "" {
		t.Errorf("position or history differs (-want +got):\n%s", diff)
	}
}

func TestResumeRepeatsTheBits(t *testing.T) {
	for _, level := range ops.Levels() {
		t.Run(level.String(), func(t *testing.T) {
			b := openCPU(t, level)
			alone := newTinyTrainer(t, b, tinyConfig())
			if err := alone.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if len(alone.History) != 3 || alone.Step != 12 {
				t.Fatalf("%d epochs, %d steps", len(alone.History), alone.Step)
			}
			for stop := range 13 { // steps after which the run is stopped; 4, 8 and 12 end an epoch
				c := tinyConfig()
				c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
				stopAfter(t, newTinyTrainer(t, b, c), stop)
				resumed := newTinyTrainer(t, b, c)
				if err := resumed.Resume(c.Checkpoint); err != nil {
					t.Fatal(err)
				}
				if resumed.Step != stop {
					t.Fatalf("resumed at step %d, want %d", resumed.Step, stop)
				}
				if err := resumed.Run(context.Background()); err != nil {
					t.Fatal(err)
				}
				sameState(t, alone.State, resumed.State)

				last := newTinyTrainer(t, b, c)
				if err := last.Resume(c.Checkpoint); err != nil {
					t.Fatal(err)
				}
				sameState(t, alone.State, last.State)
			}
		})
	}
}

func TestThreadsGiveTheSameBits(t *testing.T) {
	level := ops.Levels()[len(ops.Levels())-1]
	var first *Trainer
	for _, threads := range []int{1, 2, 3} {
		b, err := cpu.Open(cpu.Options{Level: level, Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		trainer := newTinyTrainer(t, b, tinyConfig())
		if err := trainer.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = trainer
		}
		sameState(t, first.State, trainer.State)
	}
}

// stopAfter runs a trainer and cancels it when so many steps are done.
func stopAfter(t *testing.T, trainer *Trainer, steps int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := 0
	trainer.config.Data = &cancelling{trainer.config.Data, func() {
		if done == steps {
			cancel()
		}
		done++
	}}
	if steps == trainer.Steps()*trainer.config.Epochs { // during the last validation
		trainer.config.Validation = &cancelling{trainer.config.Validation, func() {
			if done == steps {
				cancel()
			}
		}}
	}
	if err := trainer.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped run: %v", err)
	}
}

// cancelling calls a function before each batch that it gives.
type cancelling struct {
	Data
	before func()
}

func (d *cancelling) Batches(epoch, first, size int) iter.Seq2[[]float32, []float32] {
	return func(yield func(images, labels []float32) bool) {
		for images, labels := range d.Data.Batches(epoch, first, size) {
			d.before()
			if !yield(images, labels) {
				return
			}
		}
	}
}

// saved returns the bytes of the checkpoint of a run of two steps.
func saved(t *testing.T, b backend.Backend) []byte {
	t.Helper()
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	stopAfter(t, newTinyTrainer(t, b, c), 6)
	data, err := os.ReadFile(c.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCheckpointIsSafetensors(t *testing.T) {
	b := openCPU(t, ops.Generic)
	data := saved(t, b)
	h, err := safetensors.ReadHeader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(h.Entries, func(e safetensors.Entry) bool { return e.Name == "fc/kernel" })
	if i < 0 || !slices.Equal(h.Entries[i].Shape, []int{36, 12}) || h.Metadata["position"] == "" {
		t.Errorf("header %+v", h)
	}
	last := h.Entries[len(h.Entries)-1]
	sum := sha256.Sum256(data[:len(data)-32])
	if last.Name != "sha256" || last.Type != "U8" || !bytes.Equal(data[len(data)-32:], sum[:]) {
		t.Errorf("the file does not end in its checksum: %+v", last)
	}
}

func TestOpenModel(t *testing.T) {
	b := openCPU(t, ops.Generic)
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	trainer := newTinyTrainer(t, b, c)
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	m, err := OpenModel(b, c.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(trainer.Model.Sequential, m.Sequential); diff != "" {
		t.Errorf("network (-want +got):\n%s", diff)
	}
	p, err := m.NewPredictor(5)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Evaluate(context.Background(), c.Validation)
	if err != nil {
		t.Fatal(err)
	}
	if want := trainer.History[2].Validation; got.Accuracy != want.Accuracy || math.Abs(got.Loss-want.Loss) > 1e-6*want.Loss {
		t.Errorf("evaluation %+v, want %+v", got, want)
	}
}

// refuses resumes from bytes and expects an error with want, the trainer staying as it was.
func refuses(t *testing.T, trainer *Trainer, data []byte, want string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "checkpoint.lamina")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	before := ofState(t, trainer.State)
	err := trainer.Resume(path)
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q and the path", err, want)
	}
	if trainer.Step != 0 || cmp.Diff(before, ofState(t, trainer.State)) != "" {
		t.Error("a refused checkpoint changed the trainer")
	}
}

func TestResumeRefusesDamage(t *testing.T) {
	b := openCPU(t, ops.Generic)
	data := saved(t, b)
	trainer := newTinyTrainer(t, b, tinyConfig())
	if err := trainer.Resume(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := trainer.Resume(t.TempDir()); err == nil {
		t.Error("no error for a folder")
	}
	for _, n := range []int{0, 1, 7, 8, 31, 32, 33, 1000, len(data) / 2, len(data) - 33, len(data) - 1} {
		refuses(t, trainer, data[:n], "")
	}
	refuses(t, trainer, append(slices.Clone(data), 0), "checksum")
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		flipped := slices.Clone(data)
		flipped[r.IntN(len(data))] ^= 1 << r.IntN(8)
		refuses(t, trainer, flipped, "checksum")
	}
	refuses(t, trainer, withMetadata(t, data, func(m map[string]string) { m["format"] = "lamina checkpoint 2" }), `format is "lamina checkpoint 2"`)
	refuses(t, trainer, withMetadata(t, data, func(m map[string]string) { m["network"] = "{" }), "network")
	refuses(t, trainer, withMetadata(t, data, func(m map[string]string) {
		m["network"] = `{"input":[1,1,1],"classes":1,"layers":[]}`
	}), "the last layer gives")
	for _, other := range []bool{false, true} { // with fewer tensors, and with as many of other names
		net := tinyNetwork(t, false).Sequential
		if other {
			net = tinyNetwork(t, true).Sequential
			net.Layers = append([]Layer{Conv2D{Name: "conv", Filters: 5, Kernel: 3, L2: 0.001}}, net.Layers[1:]...)
		}
		text, err := json.Marshal(net)
		if err != nil {
			t.Fatal(err)
		}
		refuses(t, trainer, withMetadata(t, data, func(m map[string]string) { m["network"] = string(text) }), "its network has")
	}
	for _, change := range [][2]string{
		{`"epoch":1`, `"epoch":2`}, {`"step":6`, `"step":7`}, {`"epoch_step":2`, `"epoch_step":5`}, {`"epoch_step":2`, `"epoch_step":-2`},
		{`"batch":8`, `"batch":0`}, {`"images":30`, `"images":3`}, {`"images":16`, `"images":15`}, {`"history":[`, `"history":[{},`}, {`{`, ``},
	} {
		refuses(t, trainer, withMetadata(t, data, func(m map[string]string) {
			changed := strings.Replace(m["position"], change[0], change[1], 1)
			if changed == m["position"] {
				t.Fatalf("no %s in %s", change[0], changed)
			}
			m["position"] = changed
		}), "position")
	}
}

// withMetadata returns a checkpoint with other metadata and the checksum that goes with them.
func withMetadata(t *testing.T, data []byte, change func(map[string]string)) []byte {
	t.Helper()
	h, err := safetensors.ReadHeader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	change(h.Metadata)
	var out bytes.Buffer
	if err := safetensors.WriteHeader(&out, h); err != nil {
		t.Fatal(err)
	}
	out.Write(data[h.Start : len(data)-sha256.Size])
	return withChecksum(out.Bytes())
}

func withChecksum(data []byte) []byte {
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

func TestResumeRefusesOthers(t *testing.T) {
	b := openCPU(t, ops.Generic)
	data := saved(t, b)
	for _, c := range []struct {
		name   string
		change func(*Config)
		net    *Network
		want   string
	}{
		{"seed", func(c *Config) { c.Seed = 8 }, tinyNetwork(t, true), "seed 9, not 8"},
		{"batch", func(c *Config) { c.Batch = 4 }, tinyNetwork(t, true), "batch size 8, not 4"},
		{"images", func(c *Config) { c.Data = tinyData(27) }, tinyNetwork(t, true), "number of training images 30, not 27"},
		{"weights", func(*Config) {}, tinyNetwork(t, false), `weight 3 is "batch_normalization/gamma" of shape (5,), here that is "conv2/kernel"`},
		{"settings", func(*Config) {}, withOtherRate(t), "other settings"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := tinyConfig()
			c.change(&config)
			trainer, err := NewTrainer(b, c.net, config)
			if err != nil {
				t.Fatal(err)
			}
			refuses(t, trainer, data, c.want)
		})
	}
}

func withOtherRate(t *testing.T) *Network {
	s := tinyNetwork(t, true).Sequential
	s.Layers = slices.Clone(s.Layers)
	for i, l := range s.Layers {
		if _, ok := l.(Dropout); ok {
			s.Layers[i] = Dropout{Rate: 0.5}
		}
	}
	return mustBuild(t, s)
}

func TestSaveOnFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full, a file that is always full")
	}
	b := openCPU(t, ops.Generic)
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	stopAfter(t, newTinyTrainer(t, b, c), 3)
	before, err := os.ReadFile(c.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", c.Checkpoint+".tmp"); err != nil {
		t.Fatal(err)
	}
	if err := newTinyTrainer(t, b, c).Run(context.Background()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v, want no space left", err)
	}
	if after, err := os.ReadFile(c.Checkpoint); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the older checkpoint has changed, %v", err)
	}
}

func TestCheckpointWithinEpoch(t *testing.T) {
	b := openCPU(t, ops.Generic)
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	c.CheckpointEvery = time.Nanosecond
	trainer := newTinyTrainer(t, b, c)
	seen := map[int]bool{}
	trainer.config.Data = &cancelling{c.Data, func() {
		time.Sleep(pollInterval) // so that each step is looked at
		if trainer.Step == 0 {
			return
		}
		other := newTinyTrainer(t, b, c)
		if err := other.Resume(c.Checkpoint); err != nil {
			t.Error(err)
		}
		seen[other.Step] = true
	}}
	trainer.config.Epochs = 1
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 3 {
		t.Errorf("checkpoints after steps %v, want 1, 2 and 3", seen)
	}
}

// FuzzCheckpoint looks for files with a right checksum that break the reader.
func FuzzCheckpoint(f *testing.F) {
	b := openCPU(f, ops.Generic)
	net := mustBuild(f, Sequential{Input: tensor.Shape{1, 1, 1}, Classes: 1, Layers: []Layer{Conv2D{Filters: 1, Kernel: 1}, Flatten{}}})
	m, err := NewModel(b, net)
	if err != nil {
		f.Fatal(err)
	}
	s := &State{Model: m, velocities: m.parameters, Position: Position{Batch: 1, Images: 1}}
	path := filepath.Join(f.TempDir(), "c")
	if err := s.Save(path); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:len(data)-sha256.Size])
	f.Fuzz(func(t *testing.T, data []byte) {
		data = withChecksum(slices.Clip(data))
		c, err := readCheckpoint(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		if c.network.ParameterSize > len(data) {
			t.Errorf("a network of %d parameters from %d bytes", c.network.ParameterSize, len(data))
		}
	})
}
