package nn

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// rejects resumes from bytes and expects an error with want, the trainer staying as it was.
func rejects(t *testing.T, trainer *Trainer, data []byte, want string) {
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
		t.Error("a rejected checkpoint changed the trainer")
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
		rejects(t, trainer, data[:n], "")
	}
	rejects(t, trainer, append(slices.Clone(data), 0), "checksum")
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		flipped := slices.Clone(data)
		flipped[r.IntN(len(data))] ^= 1 << r.IntN(8)
		rejects(t, trainer, flipped, "checksum")
	}
	rejects(t, trainer, withMetadata(t, data, func(m map[string]string) { m["format"] = "lamina checkpoint 2" }),
		`format is "lamina checkpoint 2"`)
	rejects(t, trainer, withMetadata(t, data, func(m map[string]string) { m["network"] = "{" }), "network")
	rejects(t, trainer, withMetadata(t, data, func(m map[string]string) {
		m["network"] = `{"input":[1,1,1],"classes":1,"layers":[]}`
	}), "the last layer gives")
	for text, want := range map[string]string{ // in the words of JSON, not of Go
		"[1]": "network: it is a JSON array", `{"input":"a"}`: `network: "input" is a JSON string`,
		`{"layers":[{"class":"Dense","config":{"units":"many"}}]}`: "is a JSON string", `{"layers":[{"class":"Dense","config":[]}]}`: "is a JSON array",
	} {
		rejects(t, trainer, withMetadata(t, data, func(m map[string]string) { m["network"] = text }), want)
	}
	rejects(t, trainer, withMetadata(t, data, func(m map[string]string) { m["position"] = `{"epoch":"one"}` }),
		`position: "epoch" is a JSON string`)
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
		rejects(t, trainer, withMetadata(t, data, func(m map[string]string) { m["network"] = string(text) }),
			"its network has")
	}
	for _, change := range [][2]string{
		{`"epoch":1`, `"epoch":2`}, {`"step":6`, `"step":7`}, {`"epoch_step":2`, `"epoch_step":5`},
		{`"epoch_step":2`, `"epoch_step":-2`},
		{`"batch":8`, `"batch":0`}, {`"images":30`, `"images":3`}, {`"images":16`, `"images":15`},
		{`"history":[`, `"history":[{},`}, {`{`, ``},
	} {
		rejects(t, trainer, withMetadata(t, data, func(m map[string]string) {
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
		{
			"images",
			func(c *Config) { c.Data = tinyData(27) },
			tinyNetwork(t, true),
			"number of training images 30, not 27",
		},
		{
			"weights",
			func(*Config) {},
			tinyNetwork(t, false),
			`weight 3 is "batch_normalization/gamma" of shape (5,), here that is "conv2/kernel"`,
		},
		{"settings", func(*Config) {}, withOtherRate(t), "other settings"},
		{"classes", func(c *Config) { c.Data.(*Images).NumClasses, c.Validation.(*Images).NumClasses = 4, 4 }, withFourClasses(t),
			"a network with 3 classes, not 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := tinyConfig()
			c.change(&config)
			trainer, err := NewTrainer(b, c.net, config)
			if err != nil {
				t.Fatal(err)
			}
			rejects(t, trainer, data, c.want)
		})
	}
}

// TestResumeComparesImages resumes a run that knows what its images are.
func TestResumeComparesImages(t *testing.T) {
	b := openCPU(t, ops.Generic)
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	known := mustBuild(t, withImages(tinyNetwork(t, true).Sequential))
	trainer, err := NewTrainer(b, known, c)
	if err != nil {
		t.Fatal(err)
	}
	stopAfter(t, trainer, 1)
	data, err := os.ReadFile(c.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []struct {
		change func(*Sequential)
		want   string
	}{
		{func(s *Sequential) { s.Labels = []string{"cat", "cow", "bird"} }, `its class 1 is "dog", here that is "cow"`},
		{func(s *Sequential) { s.Labels = nil }, "other settings"},
		{
			func(s *Sequential) { s.Std = []float32{1, 1} },
			"deviation [1 0.3], here they have mean [123.68 0.1] and deviation [1 1]",
		},
		{func(s *Sequential) { s.Mean, s.Std = nil, nil }, "mean [123.68 0.1]"},
	} {
		s := known.Sequential
		other.change(&s)
		trainer, err := NewTrainer(b, mustBuild(t, s), c)
		if err != nil {
			t.Fatal(err)
		}
		rejects(t, trainer, data, other.want)
	}

	// A checkpoint that says nothing of them fits any.
	if err := os.WriteFile(c.Checkpoint, saved(t, b), 0o644); err != nil {
		t.Fatal(err)
	}
	if trainer, err = NewTrainer(b, known, c); err != nil {
		t.Fatal(err)
	}
	if err := trainer.Resume(c.Checkpoint); err != nil {
		t.Error(err)
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

func withFourClasses(t *testing.T) *Network {
	s := tinyNetwork(t, false).Sequential
	s.Classes = 4
	s.Layers = append(slices.Clone(s.Layers[:len(s.Layers)-1]), Dense{Name: "predictions", Units: 4})
	return mustBuild(t, s)
}

// A small file with a right checksum may declare images of gigabytes.
func TestOpenModelOfHugeImages(t *testing.T) {
	b := openCPU(t, ops.Generic)
	for _, pools := range []int{4, 12, 14} {
		s := Sequential{
			Input:   tensor.Shape{1 << pools, 1 << pools, 3},
			Classes: 2,
			Layers:  []Layer{Conv2D{Filters: 4, Kernel: 1}},
		}
		for range pools {
			s.Layers = append(s.Layers, MaxPool{})
		}
		s.Layers = append(s.Layers, Flatten{}, Dense{Units: 2})
		m, err := NewModel(b, mustBuild(t, s))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "huge.lamina")
		state := &State{Model: m, velocities: m.parameters, Position: Position{Batch: 1, Images: 1}}
		if err := state.Save(path); err != nil {
			t.Fatal(err)
		}
		_, err = OpenModel(b, path)
		if pools == 4 && err != nil {
			t.Error(err)
		}
		if pools > 4 && (err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "MB of memory, far more than")) {
			t.Errorf("%d pools: error %v, want that an image needs too much memory", pools, err)
		}
	}
}

// FuzzCheckpoint looks for files with a right checksum that break the reader.
func FuzzCheckpoint(f *testing.F) {
	b := openCPU(f, ops.Generic)
	net := mustBuild(f, Sequential{
		Input:   tensor.Shape{1, 1, 1},
		Classes: 1,
		Layers:  []Layer{Conv2D{Filters: 1, Kernel: 1}, Flatten{}},
	})
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
