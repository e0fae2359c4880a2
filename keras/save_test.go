package keras

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/hdf5"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// small has every kind of layer, with names and without.
func small() nn.Sequential {
	return nn.Sequential{Input: tensor.Shape{7, 6, 3}, Classes: 3, Layers: []nn.Layer{
		nn.Conv2D{Name: "conv1", Filters: 5, Kernel: 3, L2: 0.001}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
		nn.Conv2D{Filters: 4, Kernel: 1, L2: 0.001}, nn.BatchNorm{Momentum: 0.9}, nn.ReLU{},
		nn.Flatten{}, nn.Dense{Name: "input_1", Units: 12}, nn.BatchNorm{Epsilon: 0.01}, nn.ReLU{},
		nn.Dropout{Rate: 0.25},
		nn.Dense{Name: "predictions", Units: 3, L2: 0.5},
	}, Labels: []string{"cat", "größer", "a b"}, Mean: []float32{123.68, 116.779, 103.939},
		Std: []float32{1, 2, 0.5}, Resize: nn.Crop}
}

// trained returns the state of a small network after two steps.
func trained(t *testing.T, b backend.Backend, s nn.Sequential) *nn.State {
	t.Helper()
	net, err := nn.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	data := &nn.Images{Height: s.Input[0], Width: s.Input[1], Channels: s.Input[2], NumClasses: s.Classes, Labels: []float32{0,
		1, 2, 1},
		Pixels: pixels(4 * s.Input.Size())}
	trainer, err := nn.NewTrainer(b, net, nn.Config{Data: data, Validation: data, Epochs: 1, Batch: 2,
		Schedule: nn.Constant(0.01),
		Momentum: 0.9, Init: nn.HeNormal(), Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return trainer.State
}

func pixels(n int) []float32 {
	r := rand.New(rand.NewPCG(5, 6))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// sameWeights compares the weights of two models.
func sameWeights(t *testing.T, got, want *nn.Model) {
	t.Helper()
	for _, w := range want.Weights {
		a, err := want.Get(w.Name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := got.Get(w.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a, b) {
			t.Errorf("%s differs", w.Name)
		}
	}
}

// TestSaved saves a model in each form and opens it again.
func TestSaved(t *testing.T) {
	b := openCPU(t)
	state := trained(t, b, small())
	m := state.Model
	for _, name := range []string{"m.h5", "m.keras", "m.safetensors", "checkpoint.lamina"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			save := func(path string) error { return Save(path, m, &Training{0.01, 0.9, state}) }
			if name == "checkpoint.lamina" {
				save = state.Save
			}
			if err := save(path); err != nil {
				t.Fatal(err)
			}
			got, summary, err := OpenModel(b, path)
			if err != nil {
				t.Fatal(err)
			}
			sameWeights(t, got, m)
			unset := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Layer" }, cmp.Ignore()) // see below
			if diff := cmp.Diff(m.Table, got.Table, cmp.AllowUnexported(nn.Weight{}), unset); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(unnamed(m.Network), unnamed(got.Network)); diff != "" {
				t.Errorf("layers (-want +got):\n%s", diff)
			}
			type images struct {
				Labels    []string
				Mean, Std []float32
				Resize    nn.Resize
			}
			if diff := cmp.Diff(images{m.Labels, m.Mean, m.Std, m.Resize}, images{got.Labels, got.Mean,
				got.Std, got.Resize}); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
			if len(summary.Loaded) != len(m.Weights) || len(summary.Ignored)+len(summary.Missing) > 0 {
				t.Errorf("summary %+v", summary)
			}
			byName := newModel(t, b, m.Network)
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.LoadByName(byName, false); err != nil {
				t.Fatal(err)
			}
			sameWeights(t, byName, m)
			before := fingerprint(t, path)
			if err := save(path); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(fingerprint(t, path), before) {
				t.Error("saved again it has other bytes")
			}
		})
	}
	t.Run("m.weights.h5", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "m.weights.h5")
		if err := Save(path, m, nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := OpenModel(b, path); err == nil || !strings.Contains(err.Error(), "weights only") {
			t.Errorf("error %v, want that it has weights only", err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got := newModel(t, b, m.Network)
		if _, err := f.Load(got, false); err != nil {
			t.Fatal(err)
		}
		sameWeights(t, got, m)
	})
}

// TestSavedAdamW saves a model whose optimizer has no form in files.
func TestSavedAdamW(t *testing.T) {
	b := openCPU(t)
	state := *trained(t, b, small())
	state.Optimizer = "adamw"
	for _, name := range []string{"m.h5", "m.keras", "m.weights.h5"} {
		path := filepath.Join(t.TempDir(), name)
		if err := Save(path, state.Model, &Training{0.01, 0.9, &state}); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(fingerprint(t, path), []byte("SGD")) {
			t.Errorf("%s names another optimizer", name)
		}
	}
}

func fingerprint(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSaveRejects(t *testing.T) {
	b := openCPU(t)
	s := small()
	s.Layers[2] = nn.Activation{Name: "a", Function: tensor.Function{Kind: tensor.GELUTanh}}
	net, err := nn.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	m, dir := newModel(t, b, net), t.TempDir()
	for path, want := range map[string]string{"m": "must end in .h5, .keras", "m.hdf5": "must end in .h5", "m.h5": `layer "a": files of Keras have no gelu_tanh, only gelu: save it as .safetensors`,
		filepath.Join("none", "m.keras"): "no such file"} {
		err := Save(filepath.Join(dir, path), m, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSaveOnFullDisk(t *testing.T) {
	if !clitest.Alone(t) {
		return
	}
	s := small()
	s.Layers[8] = nn.Dense{Name: "input_1", Units: 10000} // more than the limit
	m := trained(t, openCPU(t), s).Model
	path := filepath.Join(t.TempDir(), "m.h5")
	if err := Save(path, m, nil); err != nil {
		t.Fatal(err)
	}
	before := fingerprint(t, path)
	clitest.LimitFiles(t, 1e6)
	if err := Save(path, m, nil); !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want that the file is too large, and the path", err)
	}
	if !bytes.Equal(fingerprint(t, path), before) {
		t.Error("the older file has changed")
	}
}

// TestLongListsOfNames saves a network of which Keras divides the list of layers.
func TestLongListsOfNames(t *testing.T) {
	s := nn.Sequential{Input: tensor.Shape{2, 2, 1}, Classes: 4, Layers: []nn.Layer{nn.Conv2D{Filters: 1, Kernel: 1}}}
	for i := range 300 {
		s.Layers = append(s.Layers, nn.ReLU{Name: strings.Repeat("x", 300) + string(rune('a'+i/26)) + string(rune('a'+i%26))})
	}
	s.Layers = append(s.Layers, nn.Flatten{})
	net, err := nn.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	b, path := openCPU(t), filepath.Join(t.TempDir(), "m.h5")
	if err := Save(path, newModel(t, b, net), nil); err != nil {
		t.Fatal(err)
	}
	r, size, err := infile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h, err := hdf5.NewFile(r, size, path, infile.NewBudget(size))
	if err != nil {
		t.Fatal(err)
	}
	g, err := h.Root().Group(weightsGroup)
	if err != nil {
		t.Fatal(err)
	}
	if g.HasAttr(layerNames) || !g.HasAttr(layerNames+"1") {
		t.Error("the list is not divided")
	}
	m, _, err := OpenModel(b, path)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Table) != len(net.Table) {
		t.Errorf("%d layers, want %d", len(m.Table), len(net.Table))
	}
}

// A list that is missing is named as Keras names it.
func TestNoListOfNames(t *testing.T) {
	root := hdf5.NewTree()
	g := root.Group(weightsGroup)
	putNames(g, layerNames, []string{"a"})
	g.Group("a")
	var b bytes.Buffer
	if err := root.Write(&b); err != nil {
		t.Fatal(err)
	}
	_, err := newFile(bytes.NewReader(b.Bytes()), int64(b.Len()), "x.h5")
	if err == nil || !strings.Contains(err.Error(), `/model_weights/a`) || !strings.Contains(err.Error(), `"weight_names"`) {
		t.Errorf("error %v, want that the layer has no weight_names", err)
	}
}

// opened is what Keras says of a file.
type opened struct {
	Keras    string      `json:"keras"`
	Layers   [][2]string `json:"layers"`
	Logits   []float32   `json:"logits"`
	Compiled bool        `json:"compiled"`
	Loss     float64     `json:"loss"`
	Step     float64     `json:"step"`
	State    [][]float64 `json:"state"`
}

// TestKerasOpens saves a model and computes with it in Keras 2 and 3.
func TestKerasOpens(t *testing.T) {
	b := openCPU(t)
	state := trained(t, b, small())
	m := state.Model
	images := pixels(6 * m.Input.Size())
	p, err := m.NewPredictor(6)
	if err != nil {
		t.Fatal(err)
	}
	want, err := p.Logits(images)
	if err != nil {
		t.Fatal(err)
	}
	data := &nn.Images{Height: m.Input[0], Width: m.Input[1], Channels: m.Input[2], NumClasses: m.Classes,
		Pixels: images, Labels: make([]float32, 6)}
	loss, err := p.Evaluate(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ variable, name string }{
		{"LAMINA_KERAS2", "m.h5"}, {"LAMINA_KERAS3", "m.h5"}, {"LAMINA_KERAS3", "m.keras"}} {
		t.Run(c.variable+"/"+c.name, func(t *testing.T) {
			python := os.Getenv(c.variable)
			if python == "" {
				t.Skipf("%s names no Python with Keras", c.variable)
			}
			path, raw := filepath.Join(t.TempDir(), c.name), filepath.Join(t.TempDir(), "images")
			if err := Save(path, m, &Training{0.01, 0.9, state}); err != nil {
				t.Fatal(err)
			}
			var bytes bytes.Buffer
			if err := safetensors.WriteFloats(&bytes, images); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(raw, bytes.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			command := exec.Command(python, "testdata/open.py", path, raw)
			command.Stderr = os.Stderr
			text, err := command.Output()
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			var got opened
			if err := json.Unmarshal(text[strings.LastIndex(strings.TrimSpace(string(text)), "\n")+1:], &got); err != nil {
				t.Fatal(err)
			}
			for i, v := range got.Logits {
				if !(math.Abs(float64(v-want[i])) <= 1e-4) {
					t.Errorf("Keras %s: logit %d is %v, here %v", got.Keras, i, v, want[i])
				}
			}
			if !got.Compiled || !(math.Abs(got.Loss-loss.Loss) <= 1e-4*loss.Loss) || !(got.Step > 0) {
				t.Errorf("Keras %s: compiled %v, loss %v and %v in a step, here %v", got.Keras, got.Compiled,
					got.Loss, got.Step, loss.Loss)
			}
			for i, row := range m.Table {
				if l := got.Layers[i]; l[0] != row.Name || l[1] != row.Class {
					t.Errorf("layer %d is %q, here %s of class %s", i, l, row.Name, row.Class)
				}
			}
			if c.name == "m.keras" {
				compareOptimizer(t, got.State, state)
			}
		})
	}
}

// compareOptimizer compares Keras's iteration, learning rate and velocities with those of a state.
func compareOptimizer(t *testing.T, got [][]float64, state *nn.State) {
	t.Helper()
	want := [][]float64{{float64(state.Step)}, {float64(float32(0.01))}}
	for _, w := range state.Model.Weights {
		if !w.Trainable {
			continue
		}
		values := make([]float32, w.Shape.Size())
		if err := state.ReadVelocity(w, values, 0); err != nil {
			t.Fatal(err)
		}
		var velocity []float64
		for _, v := range values {
			velocity = append(velocity, float64(v))
		}
		want = append(want, velocity)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the optimizer's state (-want +got):\n%s", diff)
	}
}
