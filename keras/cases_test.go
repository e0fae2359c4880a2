package keras

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/internal/hdf5"
	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// probe returns an image with well-spread pixels from 0 to 1.
func probe(size int) []float32 {
	x := make([]float32, size)
	for i := range x {
		x[i] = float32((i*i*31+i*17)%256) / 255
	}
	return x
}

// cases are the probabilities that models of other versions of Keras give for the probe. They were
// computed in float64 by NumPy from the weights as h5py reads them, those of Keras 3 by Keras
// 3.15.1; Keras 2.2.2 with Theano and Keras 2.13.1 agree to 6 digits for their files.
var cases = map[string][]float32{
	// Keras 2.2.2: the configuration is a list.
	"keras222_list_config.h5": {0.3346142, 0.1376521, 0.06780907, 0.0757139, 0.1187736, 0.05157834,
		0.06237158, 0.00775541, 0.02767128, 0.1160604},
	// Theano: kernels are rotated.
	"theano_backend.h5": {0.3400901, 0.1724633, 0.07457699, 0.0793567, 0.1062415, 0.04068092, 0.06612796,
		0.007272056, 0.02407251, 0.08911801},
	// Keras 2.13: the group of layers has another name, and layers with weights count twice, so
	// conv2d is followed by conv2d_2.
	"keras_2.13.1.keras": {0.2229177, 0.03615503, 0.2155701, 0.1539209, 0.07245661, 0.1343327, 0.05679557,
		0.02791146, 0.0265678, 0.05337216},
	"keras_2.13.1_two.keras": {1.690265e-06, 0.03078682, 0.7821343, 0.1870772},
	// Keras on Windows: groups are named "layers\\conv2d".
	// Keras 3: a GlobalAveragePooling2D; Random layers in a model in the model, Rescaling and logits.
	"gap.h5": {0.08305465, 0.2043113, 0.1090653, 0.06205978, 0.1086124, 0.07489817,
		0.06980489, 0.06232654, 0.1638128, 0.06205433},
	"tf_flowers_tutorial_shape.h5": {0.5730854, 0.00156873, 0.4253459},
	"windows_paths.keras": {0.1504312, 0.07555069, 0.0919886, 0.08539438, 0.07087547, 0.1959766,
		0.07001216, 0.08000378, 0.1196802, 0.06008698},
}

func TestCases(t *testing.T) {
	b := openCPU(t)
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			m, summary, err := OpenModel(b, filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			if len(summary.Loaded) != len(m.Weights) {
				t.Errorf("loaded %q", summary.Loaded)
			}
			golden.Within(t, "probabilities", probabilities(t, m), want, 1e-6)
		})
	}
}

// TestTheano loads rotated kernels in order and by name. The other file has the same weights of
// TensorFlow's.
func TestTheano(t *testing.T) {
	b := openCPU(t)
	m, _, err := OpenModel(b, "testdata/theano_backend.h5")
	if err != nil {
		t.Fatal(err)
	}
	plain, _, err := OpenModel(b, "testdata/keras222_list_config.h5")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open("testdata/theano_backend.h5")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, load := range map[string]func(*nn.Model, bool) (*LoadSummary, error){"by name": f.LoadByName,
		"in order": f.Load} {
		got := newModel(t, b, m.Network)
		if _, err := load(got, false); err != nil {
			t.Fatal(err)
		}
		for _, w := range m.Weights {
			x, err := got.Get(w.Name)
			if err != nil {
				t.Fatal(err)
			}
			want, err := plain.Get(w.Name)
			if err != nil {
				t.Fatal(err)
			}
			if len(w.Shape) == 4 {
				each := w.Shape[2] * w.Shape[3]
				taps := slices.Collect(slices.Chunk(want, each))
				slices.Reverse(taps)
				want = slices.Concat(taps...)
			}
			if !slices.Equal(x, want) {
				t.Errorf("%s: %s differs", name, w.Name)
			}
		}
	}
}

// TestTorch opens files of PyTorch's, whose error says what they need.
func TestTorch(t *testing.T) {
	for _, name := range []string{"torch_fp16", "torch_plain", "torch_vgg_bn"} {
		_, err := Open("testdata/" + name + ".safetensors")
		for _, want := range []string{"PyTorch", `"features.0.`, "transpose"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", name, err, want)
			}
		}
	}
}

// TestSafetensorsTypes loads floats of all types, and ignores integers.
func TestSafetensorsTypes(t *testing.T) {
	values := []float32{1, -2.5, 65504, 0x1p-24, 0, 0.5}
	half := []uint16{0x3c00, 0xc100, 0x7bff, 0x0001, 0x0000, 0x3800}
	net, err := nn.Build(nn.Sequential{Input: tensor.Shape{1, 1, 2}, Classes: 3,
		Layers: []nn.Layer{nn.Flatten{}, nn.Dense{Name: "d", Units: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(t, openCPU(t), net)
	for _, kind := range []string{"F16", "F32", "F64", "BF16"} {
		var data []byte
		want := slices.Clone(values)
		for i, v := range values {
			switch kind {
			case "F16":
				data = binary.LittleEndian.AppendUint16(data, half[i])
			case "F32":
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
			case "F64":
				data = binary.LittleEndian.AppendUint64(data, math.Float64bits(float64(v)))
			case "BF16":
				bits := uint16(math.Float32bits(v) >> 16)
				want[i] = math.Float32frombits(uint32(bits) << 16)
				data = binary.LittleEndian.AppendUint16(data, bits)
			}
		}
		h := &safetensors.Header{Entries: []safetensors.Entry{
			{Name: "d/num_batches_tracked", Type: "I64"}, {Name: "d/mask", Type: "BOOL", Shape: []int{3}},
			{Name: "d/kernel", Type: kind, Shape: []int{2, 3}}, {Name: "d/bias", Type: kind, Shape: []int{3}}}}
		var file bytes.Buffer
		if err := safetensors.WriteHeader(&file, h); err != nil {
			t.Fatal(err)
		}
		file.Write(slices.Concat(make([]byte, 8+3), data, data[:len(data)/2]))
		f, err := newFile(bytes.NewReader(file.Bytes()), int64(file.Len()), "x.safetensors")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.LoadByName(m, false); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		for name, want := range map[string][]float32{"d/kernel": want, "d/bias": want[:3]} {
			if got, err := m.Get(name); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %s is %v, want %v, error %v", kind, name, got, want, err)
			}
		}
	}
}

// TestOtherKinds opens files that people take for models.
func TestOtherKinds(t *testing.T) {
	for text, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n": "git lfs pull",
		"<!DOCTYPE html>\n<html lang=\"en\"><head>":                                 "a web page",
		"\r\n<HTML>":       "a web page",
		"\x1f\x8b\x08\x00": "gzip",
		"TFL3":             "not an HDF5 (.h5), .keras or safetensors file",
		"":                 "not an HDF5 (.h5), .keras or safetensors file",
	} {
		for _, name := range []string{"m.h5", "m.keras", "m.safetensors"} {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%q: error %v, want %q", text, err, want)
			}
		}
	}
	// The zip file of PyTorch's torch.save.
	data := zipped(t, zip.Store, map[string][]byte{"model/data.pkl": {1}, "model/data/0": {2}})
	_, err := newFile(bytes.NewReader(data), int64(len(data)), "m.keras")
	if want := "PyTorch"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}

// TestCasesWeights loads weights by class and number.
func TestCasesWeights(t *testing.T) {
	b := openCPU(t)
	m, _, err := OpenModel(b, "testdata/keras_2.13.1_two.keras")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open("testdata/keras_2.13.1_two.weights.h5")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := newModel(t, b, m.Network)
	if _, err := f.Load(got, false); err != nil {
		t.Fatal(err)
	}
	sameWeights(t, got, m)
}

// TestLayerGroups reads the groups that versions of Keras and systems make of a layer.
func TestLayerGroups(t *testing.T) {
	vars := func(tree *hdf5.Tree, group string, values ...float32) {
		g := tree.Group(group)
		for i, v := range values {
			g.Floats(fmt.Sprint("vars/", i), []int{1}, func(dst []float32, _ int) error { dst[0] = v; return nil })
		}
	}
	for _, c := range []struct {
		groups []string
		want   string // names of layers, or an error
	}{
		{[]string{"layers/conv2d", "layers/conv2d_1"}, "conv2d conv2d_1"},
		{[]string{"layers/conv2d", "layers/conv2d_2"}, "conv2d conv2d_2"},
		{[]string{`layers\conv2d`, `layers\conv2d_1`}, "conv2d conv2d_1"},
		{
			[]string{"_layer_checkpoint_dependencies/conv2d", "_layer_checkpoint_dependencies/conv2d_2"},
			"conv2d conv2d_1",
		},
		{
			[]string{"_layer_checkpoint_dependencies/conv2d", "_layer_checkpoint_dependencies/conv2d_1"},
			"conv2d conv2d_1",
		},
		{[]string{`_layer_checkpoint_dependencies\conv2d`, `_layer_checkpoint_dependencies\conv2d_10`,
			`_layer_checkpoint_dependencies\conv2d_2`}, "conv2d conv2d_2 conv2d_1"},
		{
			[]string{"layers/sequential/layers/conv2d", "layers/sequential/layers/conv2d_1"},
			"sequential/conv2d sequential/conv2d_1",
		},
		{
			[]string{`layers\sequential\layers\conv2d`, `layers\conv2d`, `layers\sequential\layers\dense`},
			"conv2d sequential/conv2d sequential/dense",
		},
		{[]string{"_layer_checkpoint_dependencies/sequential/_layer_checkpoint_dependencies/conv2d",
			"_layer_checkpoint_dependencies/sequential/_layer_checkpoint_dependencies/conv2d_2"}, "sequential/conv2d sequential/conv2d_1"},
		{[]string{"layers/conv2d", `layers\conv2d`}, `two layers are named "conv2d"`},
		{[]string{"layer/conv2d"}, "it has no weights"},
	} {
		tree := hdf5.NewTree()
		for _, group := range c.groups {
			vars(tree, group, 1, 2)
		}
		var data bytes.Buffer
		if err := tree.Write(&data); err != nil {
			t.Fatal(err)
		}
		f, err := newFile(bytes.NewReader(data.Bytes()), int64(data.Len()), "x.h5")
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: error %v, want %q", c.groups, err, c.want)
			}
			continue
		}
		var names []string
		for _, l := range f.layers {
			names = append(names, l.name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%q: layers %s, want %s", c.groups, got, c.want)
		}
	}
}

// probabilities returns what a model says of the probe.
func probabilities(t *testing.T, m *nn.Model) []float32 {
	t.Helper()
	p, err := m.NewPredictor(1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Probabilities(probe(m.Input.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return got
}
