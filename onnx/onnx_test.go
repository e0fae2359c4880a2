package onnx

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// script checks each model DIR/NAME.onnx of the command line by onnx's checker, runs it on
// DIR/NAME.input, and prints what it returns and says of itself.
const script = `
import json, sys, numpy, onnx, onnxruntime
answers = {}
for name in sys.argv[2:]:
    path = f"{sys.argv[1]}/{name}"
    onnx.checker.check_model(path + ".onnx", full_check=True)
    session = onnxruntime.InferenceSession(path + ".onnx", providers=["CPUExecutionProvider"])
    images = session.get_inputs()[0]
    x = numpy.fromfile(path + ".input", "<f4").reshape([-1] + images.shape[1:])
    (y,) = session.run(None, {images.name: x})
    answers[name] = {"input": [images.name] + images.shape[1:], "output": session.get_outputs()[0].name,
        "probabilities": y.tolist(), "metadata": session.get_modelmeta().custom_metadata_map}
json.dump(answers, sys.stdout)
`

type answer struct {
	Input         []any             `json:"input"`
	Output        string            `json:"output"`
	Probabilities [][]float32       `json:"probabilities"`
	Metadata      map[string]string `json:"metadata"`
}

// exported is a model that has been written, with some images.
type exported struct {
	images        []float32 // NHWC, as the file takes them
	probabilities []float32 // that are expected
}

// exporter writes models to a folder and asks ONNX Runtime.
type exporter struct {
	*testing.T
	dir   string
	names []string
	all   map[string]exported
}

func newExporter(t *testing.T) *exporter {
	return &exporter{t, t.TempDir(), nil, map[string]exported{}}
}

// add exports a model and its images.
func (e *exporter) add(name string, m *nn.Model, o Options, x exported) {
	e.Helper()
	if err := Save(filepath.Join(e.dir, name+".onnx"), m, o); err != nil {
		e.Fatalf("%s: %v", name, err)
	}
	images := x.images
	if o.Layout == NCHW {
		h, w, c := m.Input[0], m.Input[1], m.Input[2]
		images = make([]float32, len(x.images))
		for i, v := range x.images {
			n, pixel, channel := i/(h*w*c), i/c%(h*w), i%c
			images[(n*c+channel)*h*w+pixel] = v
		}
	}
	data, err := binary.Append(nil, binary.LittleEndian, images)
	if err != nil {
		e.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(e.dir, name+".input"), data, 0o600); err != nil {
		e.Fatal(err)
	}
	e.names = append(e.names, name)
	e.all[name] = x
}

// check compares the probabilities that ONNX Runtime computes, by the Python that LAMINA_ONNX
// names, and returns its answers.
func (e *exporter) check() map[string]answer {
	e.Helper()
	python := os.Getenv("LAMINA_ONNX")
	if python == "" {
		e.Skip("no Python with onnx and onnxruntime: LAMINA_ONNX names one")
	}
	out, err := exec.Command(python, append([]string{"-c", script, e.dir}, e.names...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			e.Log(string(exit.Stderr))
		}
		e.Fatal(err)
	}
	var answers map[string]answer
	if err := json.Unmarshal(out, &answers); err != nil {
		e.Fatal(err)
	}
	for name, x := range e.all {
		var got []float32
		for _, row := range answers[name].Probabilities {
			got = append(got, row...)
		}
		golden.Within(e, name, got, x.probabilities, 1e-5)
	}
	return answers
}

// networks are networks that together have every layer and function.
func networks() map[string]nn.Sequential {
	function := func(f tensor.Function) nn.Layer { return nn.Activation{Function: f} }
	all := map[string]nn.Sequential{
		"chain": {Layers: []nn.Layer{
			nn.Conv2D{Filters: 6, Kernel: 3, Stride: 2}, nn.BatchNorm{}, nn.ReLU{},
			nn.DepthwiseConv2D{Kernel: 3, Multiplier: 2, NoBias: true},
			nn.BatchNorm{NoScale: true, Epsilon: 0.01}, nn.MaxPool{Size: 3, Stride: 2, Padding: nn.Same},
			nn.SeparableConv2D{Filters: 5, Kernel: 2, KernelWidth: 3, Multiplier: 2}, nn.Dropout{Rate: 0.5},
			nn.Flatten{}, nn.Dense{Units: 7, NoBias: true}, nn.BatchNorm{NoCenter: true}, nn.Softmax{},
			nn.Dense{Units: 4}}},
		"padding": {Layers: []nn.Layer{
			nn.ZeroPadding{Top: 1, Left: 2, Right: 3},
			nn.Conv2D{Filters: 5, Kernel: 3, Padding: nn.Valid, NoBias: true}, nn.Softmax{},
			nn.AveragePool{Size: 3, Stride: 2, Padding: nn.Same}, nn.AveragePool{SizeWidth: 3},
			nn.GlobalAveragePool{KeepDims: true},
			nn.Conv2D{Filters: 6, Kernel: 1}, nn.GlobalMaxPool{}, nn.Dense{Units: 4}}},
		"residual": {Layers: []nn.Layer{
			nn.Conv2D{Filters: 6, Kernel: 3}, nn.ReLU{},
			nn.Residual{Layers: []nn.Layer{nn.Conv2D{Filters: 6, Kernel: 3}, nn.BatchNorm{}}}, nn.ReLU{Name: "split"},
			nn.Conv2D{Name: "left", Filters: 3, Kernel: 1},
			nn.From{Input: "split", Layer: nn.Conv2D{Name: "right", Filters: 2, Kernel: 3}},
			nn.Concatenate{Inputs: []string{"left", "right", "split"}}, nn.GlobalMaxPool{}, nn.Dense{Units: 4}}},
		"sigmoid": {
			Output:  nn.SigmoidOutput,
			Classes: 2,
			Layers:  []nn.Layer{nn.Conv2D{Filters: 3, Kernel: 3}, nn.Flatten{}, nn.Dense{Units: 1}},
		},
	}
	for _, f := range []tensor.Function{
		{Kind: tensor.ReLU, Alpha: 0.1}, {Kind: tensor.ReLU, Max: 0.5},
		{Kind: tensor.ReLU, Alpha: 0.25, Max: 1, Threshold: 0.25},
		{Kind: tensor.ELU, Alpha: 0.7}, {Kind: tensor.SELU}, {Kind: tensor.GELU}, {Kind: tensor.GELUTanh},
		{Kind: tensor.SiLU}, {Kind: tensor.Sigmoid},
		{Kind: tensor.Tanh}, {Kind: tensor.HardSigmoid, Alpha: 0.2}, {Kind: tensor.HardSiLU},
		{Kind: tensor.Softplus}, {Kind: tensor.Softsign},
		{Kind: tensor.Exponential}, {Kind: tensor.Mish}, {},
	} {
		name := "function_" + string(f.Kind)
		for all[name].Layers != nil {
			name += "_"
		}
		all[name] = nn.Sequential{Layers: []nn.Layer{nn.Conv2D{Filters: 5, Kernel: 3}, function(f),
			nn.Flatten{}, nn.Dense{Units: 4}}}
	}
	for name, s := range all {
		s.Input = tensor.Shape{9, 8, 3}
		if s.Classes == 0 {
			s.Classes = 4
		}
		all[name] = s
	}
	return all
}

func random(n int, low, high float64) []float32 {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(low + (high-low)*rng.Float64())
	}
	return x
}

// randomModel is a network with random weights of the size of their initial values, and variances
// from 0.5 to 1.5.
func randomModel(t *testing.T, b backend.Backend, s nn.Sequential) *nn.Model {
	t.Helper()
	net, err := nn.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.NewModel(b, net)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range net.Weights {
		scale := 0.5
		if w.FanIn > 0 {
			scale = math.Sqrt(3 / float64(w.FanIn))
		}
		values := random(w.Shape.Size(), -scale, scale)
		if filepath.Base(w.Name) == "moving_variance" {
			values = random(w.Shape.Size(), 0.5, 1.5)
		}
		if err := m.Set(w.Name, values); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func probabilities(t *testing.T, m *nn.Model, images []float32) []float32 {
	t.Helper()
	p, err := m.NewPredictor(len(images) / m.Input.Size())
	if err != nil {
		t.Fatal(err)
	}
	y, err := p.Probabilities(images)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// TestExport compares ONNX Runtime on every layer and function with the float64 reference, in both
// layouts.
func TestExport(t *testing.T) {
	e := newExporter(t)
	b := backendtest.Reference()
	defer b.Close()
	for name, s := range networks() {
		m := randomModel(t, b, s)
		x := random(3*s.Input.Size(), -2, 2)
		want := exported{images: x, probabilities: probabilities(t, m, x)}
		e.add(name, m, Options{}, want)
		e.add(name+"_nchw", m, Options{Layout: NCHW}, want)
	}
	e.check()
}

// TestPreparation checks that a model prepares pixels, and says how in its metadata.
func TestPreparation(t *testing.T) {
	b := backendtest.Reference()
	defer b.Close()
	s := networks()["chain"]
	s.Labels = []string{"a", `"b"`, "ç\n", "d"}
	s.Mean, s.Std = []float32{120, 110, 100}, []float32{60, 61, 62}
	m := randomModel(t, b, s)
	pixels := random(2*s.Input.Size(), 0, 255)
	prepared := make([]float32, len(pixels))
	for i, p := range pixels {
		prepared[i] = (p - s.Mean[i%3]) / s.Std[i%3]
	}
	e := newExporter(t)
	e.add("model", m, Options{}, exported{images: pixels, probabilities: probabilities(t, m, prepared)})
	o := Options{
		Layout: NCHW,
		Labels: []string{"k", "l", "m", "n"},
		Mean:   []float32{0, 0, 0},
		Std:    []float32{255, 255, 255},
	}
	for i, p := range pixels {
		prepared[i] = p / 255
	}
	e.add("options", m, o, exported{images: pixels, probabilities: probabilities(t, m, prepared)})

	got := e.check()
	want := answer{Input: []any{"images", 9., 8., 3.}, Output: "probabilities", Metadata: map[string]string{
		"layout": "nhwc", "height": "9", "width": "8", "channels": "3", "labels": `["a","\"b\"","ç\n","d"]`,
		"mean": "[120,110,100]", "std": "[60,61,62]"}}
	ignored := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Probabilities" }, cmp.Ignore())
	if d := cmp.Diff(want, got["model"], ignored); d != "" {
		t.Error(d)
	}
	want = answer{Input: []any{"images", 3., 9., 8.}, Output: "probabilities", Metadata: map[string]string{
		"layout": "nchw", "height": "9", "width": "8", "channels": "3", "labels": `["k","l","m","n"]`,
		"mean": "[0,0,0]", "std": "[255,255,255]"}}
	if d := cmp.Diff(want, got["options"], ignored); d != "" {
		t.Error(d)
	}
}

// TestGoldenModels exports each Keras file of the reference data that opens.
func TestGoldenModels(t *testing.T) {
	var index struct {
		Cases map[string]struct {
			Expect string `json:"expect"`
			Files  []struct {
				File string `json:"file"`
			} `json:"files"`
		} `json:"cases"`
	}
	golden.JSON(t, "models.json", &index)
	tensors := golden.Read(t, "models.safetensors")
	e := newExporter(t)
	b := backendtest.Reference()
	defer b.Close()
	for name, c := range index.Cases {
		if c.Expect != "ok" {
			continue
		}
		for _, f := range c.Files {
			m, _, err := keras.OpenModel(b, golden.Path(t, filepath.Join("models", f.File)))
			if err != nil {
				t.Errorf("%s: %v", f.File, err)
				continue
			}
			probs := tensors.Get(t, name+"/probs")
			e.add(f.File, m, Options{}, exported{
				images:        tensors.Get(t, name+"/x").Data,
				probabilities: bothClasses(probs.Data, probs.Shape),
			})
			m.Close()
		}
	}
	e.check()
}

// bothClasses returns probabilities with those of class 0 where only that of class 1 is given.
func bothClasses(p []float32, shape tensor.Shape) (both []float32) {
	if shape[len(shape)-1] != 1 {
		return p
	}
	for _, v := range p {
		both = append(both, 1-v, v)
	}
	return both
}

func TestErrors(t *testing.T) {
	b := backendtest.Reference()
	defer b.Close()
	m := randomModel(t, b, networks()["chain"])
	for want, o := range map[string]Options{
		`onnx: layout "hwc": want nhwc or nchw`: {Layout: "hwc"},
		"onnx: 2 means and 2 deviations for 3 channels: want one of each for a channel, or none": {
			Mean: []float32{1, 2}, Std: []float32{1, 2}},
		"onnx: 3 means and 0 deviations for 3 channels: want one of each for a channel, or none": {Mean: []float32{1,
			2, 3}},
		"onnx: 1 labels for 4 classes": {Labels: []string{"cat"}},
	} {
		path := filepath.Join(t.TempDir(), "model.onnx")
		if err := Save(path, m, o); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: a file was written", want)
		}
	}
}
