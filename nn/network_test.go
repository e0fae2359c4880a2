package nn

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/tensor"
)

func TestGoldenVGGFacts(t *testing.T) {
	type weight struct {
		Name  string       `json:"name"`
		Shape tensor.Shape `json:"shape"`
	}
	var facts struct {
		Networks map[string]struct {
			Total        int `json:"total"`
			Trainable    int `json:"trainable"`
			NonTrainable int `json:"non_trainable"`
			Outputs      int `json:"layer_outputs_sum_all_layers"`
			Layers       []struct {
				Name        string       `json:"name"`
				Class       string       `json:"class"`
				OutputShape tensor.Shape `json:"output_shape"`
				Params      int          `json:"params"`
				Trainable   int          `json:"trainable"`
				Weights     []weight     `json:"weights"`
			} `json:"layers"`
		} `json:"networks"`
	}
	for _, file := range []string{"vgg_facts.json", "vgg_facts_keras3.json"} {
		golden.JSON(t, file, &facts)
		if len(facts.Networks) == 0 {
			t.Fatalf("%s: no networks", file)
		}
		for name, want := range facts.Networks {
			t.Run(file+"/"+name, func(t *testing.T) {
				net := mustVGG(t, name, cifarVGG())
				if len(net.Table) != len(want.Layers) {
					t.Fatalf("%d layers, want %d", len(net.Table), len(want.Layers))
				}
				trainable, other, outputs := 0, 0, 0
				for i, l := range net.Table {
					w := want.Layers[i]
					tr, ot := l.Parameters()
					trainable, other, outputs = trainable+tr, other+ot, outputs+l.Output.Size()
					if l.Name != w.Name || l.Class != w.Class || !l.Output.Equal(w.OutputShape) ||
						tr+ot != w.Params || tr != w.Trainable {
						t.Errorf("layer %d is %v with %d and %d parameters, want %+v", i, l, tr, ot, w)
					}
					var weights []weight
					for _, x := range l.Weights {
						weights = append(weights, weight{strings.TrimPrefix(x.Name, l.Name+"/"), x.Shape})
					}
					if len(weights)+len(w.Weights) > 0 {
						if diff := cmp.Diff(w.Weights, weights); diff != "" {
							t.Errorf("weights of %s (-want +got):\n%s", l.Name, diff)
						}
					}
				}
				got := []int{trainable + other, trainable, other, outputs}
				if diff := cmp.Diff([]int{want.Total, want.Trainable, want.NonTrainable, want.Outputs}, got); diff != "" {
					t.Errorf("totals (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// cifarVGG returns the options of the reference's networks.
func cifarVGG() VGGOptions {
	return VGGOptions{Input: tensor.Shape{32, 32, 3}, Classes: 10, BatchNorm: true, Dropout: 0.5, L2: 0.0001}
}

func mustVGG(t *testing.T, name string, o VGGOptions) *Network {
	t.Helper()
	s, err := VGG(name, o)
	if err != nil {
		t.Fatal(err)
	}
	return mustBuild(t, s)
}

func mustBuild(t testing.TB, s Sequential) *Network {
	t.Helper()
	net, err := Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

func TestVGGOptions(t *testing.T) {
	plain := mustVGG(t, "vgg16c", VGGOptions{Input: tensor.Shape{64, 48, 1}, Classes: 3, L2: 0.25})
	for _, l := range plain.Table {
		if l.Class == "BatchNormalization" || l.Class == "Dropout" {
			t.Errorf("layer %s in a network without", l.Name)
		}
	}
	if w, ok := plain.Weight("fc_cifa10/kernel"); !ok || !w.Shape.Equal(tensor.Shape{2 * 1 * 512, 4096}) || w.L2 != 0.25 {
		t.Errorf("fc_cifa10/kernel: %+v, found %v", w, ok)
	}
	if w, _ := plain.Weight("block3_conv3/kernel"); !w.Shape.Equal(tensor.Shape{1, 1, 256, 256}) {
		t.Errorf("third convolution of block 3: %v", w.Shape)
	}
	if _, err := VGG("vgg12", cifarVGG()); err == nil || !strings.Contains(err.Error(), "vgg11, vgg13, vgg16c, vgg16, vgg19") {
		t.Errorf("unknown name: %v", err)
	}
	small, err := VGG("vgg11", VGGOptions{Input: tensor.Shape{16, 16, 3}, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(small); err == nil || !strings.Contains(err.Error(), `"block5_pool", given (1, 1, 512)`) {
		t.Errorf("images of 16x16: %v", err)
	}
}

// The head with a global pool has a size that does not depend on the images'.
func TestVGGGlobalPool(t *testing.T) {
	o := cifarVGG()
	o.GlobalPool = true
	for _, input := range []tensor.Shape{{32, 32, 3}, {96, 130, 3}} {
		o.Input = input
		net := mustVGG(t, "vgg11", o)
		n := len(net.Table)
		if w, ok := net.Weight("head/kernel"); !ok || !w.Shape.Equal(tensor.Shape{512, 10}) || w.L2 != o.L2 {
			t.Errorf("%v: head/kernel: %+v, found %v", input, w, ok)
		}
		if a, b, c := net.Table[n-4].Class, net.Table[n-3].Class, net.Table[n-2].Name; a != "GlobalAveragePooling2D" || b != "Dropout" || c != "head" {
			t.Errorf("%v: the last layers are %s, %s, %s", input, a, b, c)
		}
	}
}

// How images are resized is kept in a file, and must be known.
func TestResizeText(t *testing.T) {
	s := Sequential{Input: tensor.Shape{4, 4, 3}, Classes: 2, Layers: []Layer{Flatten{}, Dense{Units: 2}}, Resize: Pad}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var got Sequential
	if err := json.Unmarshal(text, &got); err != nil || got.Resize != Pad {
		t.Errorf("%s: resize %q, error %v", text, got.Resize, err)
	}
	s.Resize = "stretch"
	if _, err := Build(s); err == nil || !strings.Contains(err.Error(), `resize "stretch"`) {
		t.Errorf("error %v", err)
	}
}

func TestBuildErrors(t *testing.T) {
	in := tensor.Shape{8, 8, 3}
	for _, c := range []struct {
		name   string
		input  tensor.Shape
		layers []Layer
		want   string
	}{
		{"input", tensor.Shape{8, 8}, nil, "input of shape (8, 8)"},
		{"zero input", tensor.Shape{8, 0, 3}, nil, "input of shape (8, 0, 3)"},
		{"huge input", tensor.Shape{1 << 40, 1 << 40, 3}, nil, "too large"},
		{"huge layer", in, []Layer{Flatten{}, Dense{Name: "d", Units: 1 << 62}}, `layer "d", given (192,), is too large`},
		{"huge kernel", in, []Layer{Conv2D{Name: "c", Filters: 1 << 30, Kernel: 3}, Conv2D{Filters: 1 << 30, Kernel: 3}}, `layer "conv2d"`},
		{"filters", in, []Layer{Conv2D{Name: "c", Kernel: 3}}, `layer "c", given (8, 8, 3): 0 filters`},
		{"kernel", in, []Layer{Conv2D{Filters: 1, Kernel: -5}}, `layer "conv2d", given (8, 8, 3): window of -5x-5 pixels`},
		{"penalty", in, []Layer{Conv2D{Filters: 1, Kernel: 3, L2: -1}}, "L2 penalty -1"},
		{"no flatten", in, []Layer{Dense{Name: "d", Units: 2}}, `layer "d", given (8, 8, 3): needs a vector`},
		{"flatten twice", in, []Layer{Flatten{}, Flatten{}}, `layer "flatten_1", given (192,): needs an image`},
		{"convolution of a vector", in, []Layer{Flatten{}, Conv2D{Filters: 1, Kernel: 1}}, "needs an image"},
		{"pool of a vector", in, []Layer{Flatten{}, MaxPool{}}, "needs an image"},
		{"pool too deep", in, []Layer{MaxPool{}, MaxPool{}, MaxPool{}, MaxPool{}}, `"max_pooling2d_3", given (1, 1, 3)`},
		{"pool of hours", tensor.Shape{1, 60000, 1}, []Layer{MaxPool{Size: 1, SizeWidth: 60000, Stride: 1, StrideWidth: 1, Padding: Same}},
			"1x60000 windows of 1x60000 pixels take too long"},
		{"units", in, []Layer{Flatten{}, Dense{}}, "0 units"},
		{"rate", in, []Layer{Flatten{}, Dropout{Rate: 1}}, "rate 1"},
		{"momentum", in, []Layer{BatchNorm{Momentum: 1}}, "momentum 1"},
		{"epsilon", in, []Layer{BatchNorm{Epsilon: -1}}, "epsilon -1"},
		{"two of a name", in, []Layer{ReLU{Name: "a"}, ReLU{Name: "a"}}, `two layers are named "a"`},
		{"classes", in, []Layer{Flatten{}, Dense{Units: 3}}, "gives (3,), want (2,)"},
		{"images for classes", in, []Layer{ReLU{}}, "gives (8, 8, 3), want (2,)"},
		{"nothing to train", tensor.Shape{1, 1, 2}, []Layer{Flatten{}}, "without a layer to train"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Build(Sequential{Input: c.input, Classes: 2, Layers: c.layers})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := Build(Sequential{Input: in, Layers: []Layer{Flatten{}}}); err == nil {
		t.Error("no error for 0 classes")
	}
}

func TestBuildChecksWhatImagesAre(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name      string
		labels    []string
		mean, std []float32
		want      string // in the error; "" of none
	}{
		{"nothing known", nil, nil, nil, ""},
		{"all known", []string{"a", "b", "c"}, []float32{0, -1}, []float32{1, 0.5}, ""},
		{"labels only", []string{"a", "b", "c"}, nil, nil, ""},
		{"a label too few", []string{"a", "b"}, nil, nil, "2 labels for 3 classes"},
		{"a channel too many", nil, []float32{0, 0, 0}, []float32{1, 1, 1}, "3 means and 3 deviations of pixels for 2 channels"},
		{"no deviations", nil, []float32{0, 0}, nil, "2 means and 0 deviations"},
		{"no means", nil, nil, []float32{1, 1}, "0 means and 2 deviations"},
		{"deviation of zero", nil, []float32{0, 0}, []float32{1, 0}, "deviation 0 in channel 1"},
		{"negative deviation", nil, []float32{0, 0}, []float32{-1, 1}, "deviation -1 in channel 0"},
		{"infinite deviation", nil, []float32{0, 0}, []float32{float32(math.Inf(1)), 1}, "deviation +Inf"},
		{"mean that is no number", nil, []float32{0, nan}, []float32{1, 1}, "mean NaN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := tinyNetwork(t, true).Sequential
			s.Labels, s.Mean, s.Std = c.labels, c.mean, c.std
			_, err := Build(s)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestNamesGoRoundGivenOnes names layers where others have the first names of their class.
func TestNamesGoRoundGivenOnes(t *testing.T) {
	net := mustBuild(t, Sequential{Input: tensor.Shape{1, 1, 2}, Classes: 2, Layers: []Layer{
		ReLU{}, ReLU{Name: "activation"}, ReLU{}, Flatten{}, ReLU{Name: "activation_2"}, Dense{Units: 2}}})
	var names []string
	for _, l := range net.Table {
		names = append(names, l.Name)
	}
	want := []string{"activation_1", "activation", "activation_3", "flatten", "activation_2", "dense", "activation_4"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWeightsArePadded(t *testing.T) {
	net := tinyNetwork(t, true)
	for trainable, size := range map[bool]int{true: net.ParameterSize, false: net.StatisticSize} {
		end := 0
		for _, w := range net.Weights {
			if w.Trainable != trainable {
				continue
			}
			if w.Offset%alignment != 0 || w.Offset < end || w.Offset-end >= alignment {
				t.Errorf("%s begins at %d, the one before ends at %d", w.Name, w.Offset, end)
			}
			end = w.Offset + w.Shape.Size()
		}
		if size < end || size%alignment != 0 {
			t.Errorf("size %d, the last ends at %d", size, end)
		}
	}
}

func TestSequentialJSON(t *testing.T) {
	want := withImages(tinyNetwork(t, true).Sequential)
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Sequential
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, bad := range []string{`{"layers":[{"class":"LSTM"}]}`, `{"layers":[{"class":"Dense","config":{"units":"x"}}]}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestSummary(t *testing.T) {
	var b bytes.Buffer
	if err := mustVGG(t, "vgg11", cifarVGG()).Summary(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nblock1_conv1 (Conv2D)                        (None, 32, 32, 64)             1792\n",
		"\nbatch_normalization_10 (BatchNormalization)  (None, 10)                       40\n",
		"\nTotal params: 28,187,826 (107.53 MB)\nTrainable params: 28,165,918 (107.44 MB)\nNon-trainable params: 21,908 (0.08 MB)\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// withImages says what the images of tinyNetwork are.
func withImages(s Sequential) Sequential {
	s.Labels, s.Mean, s.Std = []string{"cat", "dog", "bird"}, []float32{123.68, 0.1}, []float32{1, 0.3}
	return s
}

// tinyNetwork returns a network with every kind of layer, with BatchNorm or without.
func tinyNetwork(t testing.TB, norm bool) *Network {
	t.Helper()
	layers := []Layer{
		Conv2D{Name: "conv1", Filters: 5, Kernel: 3, L2: 0.001}, BatchNorm{}, ReLU{}, MaxPool{},
		Conv2D{Name: "conv2", Filters: 4, Kernel: 1, L2: 0.001}, BatchNorm{}, ReLU{},
		Flatten{}, Dense{Name: "fc", Units: 12, L2: 0.001}, BatchNorm{Epsilon: 0.01, Momentum: 0.9}, ReLU{}, Dropout{Rate: 0.25},
		Dense{Name: "predictions", Units: 3},
	}
	if norm {
		layers = append(layers, BatchNorm{})
	}
	var kept []Layer
	for _, l := range layers {
		if _, ok := l.(BatchNorm); norm || !ok {
			kept = append(kept, l)
		}
	}
	return mustBuild(t, Sequential{Input: tensor.Shape{7, 6, 2}, Classes: 3, Layers: kept})
}
