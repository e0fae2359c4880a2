package keras

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// goldenFiles is the reference data's description of files of Keras.
type goldenFiles struct {
	Files  map[string]goldenFile `json:"files"`
	ByName []goldenByName        `json:"by_name"`
}

type goldenFile struct {
	Layers     []goldenLayer `json:"layers"`
	Evaluation *nn.Result    `json:"evaluation_on_trace_eval"`
}

type goldenLayer struct {
	Name    string         `json:"name"`
	Class   string         `json:"class"`
	Weights []goldenWeight `json:"weights"`
}

type goldenWeight struct {
	Shape  []int     `json:"shape"`
	Sum    float64   `json:"sum"`
	SumSq  float64   `json:"sumsq"`
	First4 []float64 `json:"first4"`
}

// goldenByName lists what Keras changed in a network.
type goldenByName struct {
	File   string `json:"file"`
	Target struct {
		Net goldenNet `json:"net"`
	} `json:"target"`
	SkipMismatch bool     `json:"skip_mismatch"`
	Error        *string  `json:"error"`
	Changed      []string `json:"changed"`
}

// goldenNet is the reference data's description of a network.
type goldenNet struct {
	Input      tensor.Shape `json:"input"`
	Blocks     [][][2]int   `json:"blocks"` // kernel, filters
	Dense      []int        `json:"dense"`
	Classes    int          `json:"classes"`
	L2         float32      `json:"l2"`
	DenseNames []string     `json:"dense_names"`
}

func (n goldenNet) build(t *testing.T, dropout float32) *nn.Network {
	t.Helper()
	s := nn.Sequential{Input: n.Input, Classes: n.Classes}
	add := func(l ...nn.Layer) { s.Layers = append(s.Layers, l...) }
	for b, block := range n.Blocks {
		for c, conv := range block {
			add(nn.Conv2D{Name: fmt.Sprintf("block%d_conv%d", b+1, c+1), Kernel: conv[0], Filters: conv[1], L2: n.L2},
				nn.BatchNorm{}, nn.ReLU{})
		}
		add(nn.MaxPool{Name: fmt.Sprintf("block%d_pool", b+1)})
	}
	add(nn.Flatten{})
	for i, units := range n.Dense {
		add(nn.Dense{Name: n.DenseNames[i], Units: units, L2: n.L2}, nn.BatchNorm{}, nn.ReLU{})
		if dropout > 0 {
			add(nn.Dropout{Rate: dropout})
		}
	}
	add(nn.Dense{Name: n.DenseNames[len(n.Dense)], Units: n.Classes, L2: n.L2}, nn.BatchNorm{})
	net, err := nn.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// goldenNets returns the networks named in file names: tiny and named.
func goldenNets(t *testing.T) map[string]*nn.Network {
	var settings struct {
		Trace struct {
			Net goldenNet `json:"net"`
		} `json:"trace"`
		Files struct {
			Named goldenNet `json:"named"`
		} `json:"keras_files"`
	}
	golden.JSON(t, "settings.json", &settings)
	return map[string]*nn.Network{"tiny": settings.Trace.Net.build(t, 0), "named": settings.Files.Named.build(t, 0.5)}
}

// mayBeRejected lists files that no Keras writes, with their unsupported feature.
func mayBeRejected() map[string]string {
	return map[string]string{"k2_named_latest.h5": "dense link storage",
		"k2_micro_v110_chunked.h5": "chunk index", "k2_micro_latest_chunked.h5": "chunk index"}
}

func openCPU(t testing.TB) backend.Backend {
	b, err := cpu.Open(cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// eachGoldenFile calls f with each file in the lists and its description.
func eachGoldenFile(t *testing.T, f func(t *testing.T, path string, want goldenFile)) {
	for _, list := range []string{"files_k2.json", "files_k3.json"} {
		var all goldenFiles
		golden.JSON(t, list, &all)
		for name, want := range all.Files {
			t.Run(name, func(t *testing.T) { f(t, golden.Path(t, "files/"+name), want) })
		}
	}
}

// TestGoldenFiles opens every file and compares every weight in it.
func TestGoldenFiles(t *testing.T) {
	b, nets := openCPU(t), goldenNets(t)
	eachGoldenFile(t, func(t *testing.T, path string, want goldenFile) {
		name := filepath.Base(path)
		f, err := Open(path)
		if unsupported, ok := mayBeRejected()[name]; ok && err != nil {
			if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), unsupported) {
				t.Errorf("rejected with %q, want the name of %q", err, unsupported)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var m *nn.Model
		var summary *LoadSummary
		switch whole := f.network != nil; {
		case whole:
			m, summary, err = OpenModel(b, path)
		case f.HasNames():
			compareLayers(t, f.layers, want)
			return
		default:
			for key, net := range nets {
				if strings.Contains(name, "_"+key) {
					m = newModel(t, b, net)
				}
			}
			summary, err = f.Load(m, false)
		}
		if err != nil {
			t.Fatal(err)
		}
		compareModel(t, m, want)
		for key, net := range nets {
			if strings.Contains(name, "_"+key) {
				compareNetworks(t, m.Network, net)
			}
		}
		if len(summary.Loaded) != len(m.Weights) || len(summary.Ignored)+len(summary.Missing)+len(summary.Mismatched)+len(summary.NotFinite) > 0 {
			t.Errorf("summary %+v", summary)
		}
		if want.Evaluation != nil {
			evaluate(t, m, *want.Evaluation)
		}
	})
}

func newModel(t *testing.T, b backend.Backend, net *nn.Network) *nn.Model {
	t.Helper()
	m, err := nn.NewModel(b, net)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// compareNetworks compares the settings of layers.
func compareNetworks(t *testing.T, got, want *nn.Network) {
	t.Helper()
	if diff := cmp.Diff(unnamed(want), unnamed(got)); diff != "" || !got.Input.Equal(want.Input) || got.Classes != want.Classes {
		t.Errorf("input %v, %d classes, layers (-want +got):\n%s", got.Input, got.Classes, diff)
	}
}

// unnamed returns the layers without the names that nn.Build may choose.
func unnamed(net *nn.Network) (layers []nn.Layer) {
	for _, l := range net.Layers {
		switch l := l.(type) {
		case nn.Conv2D:
			l.Name = ""
			layers = append(layers, l)
		case nn.BatchNorm:
			l.Name = ""
			layers = append(layers, l)
		case nn.Dropout:
			l.Name = ""
			layers = append(layers, l)
		case nn.Dense:
			layers = append(layers, l)
		default:
			layers = append(layers, reflect.Zero(reflect.TypeOf(l)).Interface().(nn.Layer))
		}
	}
	return layers
}

// compareLayers compares a file's layers with their description.
func compareLayers(t *testing.T, layers []layer, want goldenFile) {
	if len(layers) != len(want.Layers) {
		t.Fatalf("%d layers, want %d", len(layers), len(want.Layers))
	}
	for i, l := range layers {
		if w := want.Layers[i]; l.name != w.Name || len(l.weights) != len(w.Weights) {
			t.Fatalf("layer %d is %q with %d weights, want %q with %d", i, l.name, len(l.weights), w.Name,
				len(w.Weights))
		}
		for j, x := range l.weights {
			values := make([]float32, tensor.Shape(x.shape).Size())
			if err := x.read(values, 0); err != nil {
				t.Fatal(err)
			}
			want.Layers[i].Weights[j].compare(t, l.name, x.shape, values)
		}
	}
}

// compareModel compares a model with the description of the one that Keras saved.
func compareModel(t *testing.T, m *nn.Model, want goldenFile) {
	t.Helper()
	if len(m.Table) != len(want.Layers) {
		t.Fatalf("%d layers, want %d", len(m.Table), len(want.Layers))
	}
	for i, l := range m.Table {
		w := want.Layers[i]
		if l.Name != w.Name || l.Class != w.Class || len(l.Weights) != len(w.Weights) {
			t.Fatalf("layer %d is %s %q with %d weights, want %s %q with %d",
				i, l.Class, l.Name, len(l.Weights), w.Class, w.Name, len(w.Weights))
		}
		for j, x := range l.Weights {
			values, err := m.Get(x.Name)
			if err != nil {
				t.Fatal(err)
			}
			w.Weights[j].compare(t, x.Name, x.Shape, values)
		}
	}
}

// compare compares values with their description: exactly, except for the order of summation.
func (w goldenWeight) compare(t *testing.T, name string, shape []int, values []float32) {
	t.Helper()
	var sum, sumSq, absolute float64
	for _, v := range values {
		x := float64(v)
		sum, sumSq, absolute = sum+x, sumSq+x*x, absolute+math.Abs(x)
	}
	rounding := float64(len(values)) * 0x1p-52
	var first []float64
	for _, v := range values[:min(4, len(values))] {
		first = append(first, float64(v))
	}
	if !slices.Equal(shape, w.Shape) || !(math.Abs(sum-w.Sum) <= rounding*absolute) || !(math.Abs(sumSq-w.SumSq) <= rounding*sumSq) || !slices.Equal(first, w.First4) {
		t.Errorf("%s: shape %v, sum %v, of squares %v, first %v; want %+v", name, shape, sum, sumSq, first, w)
	}
}

// evaluate compares loss and accuracy on the trace's images.
func evaluate(t *testing.T, m *nn.Model, want nn.Result) {
	t.Helper()
	trace := golden.Read(t, "trace.safetensors")
	images, labels := trace.Get(t, "eval/images"), trace.Get(t, "eval/labels")
	data := &nn.Images{Height: images.Shape[1], Width: images.Shape[2], Channels: images.Shape[3], NumClasses: m.Classes,
		Pixels: withoutMean(images.Data), Labels: labels.Data}
	p, err := m.NewPredictor(data.Len())
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Evaluate(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	if !(math.Abs(got.Loss-want.Loss) <= 1e-4*want.Loss) || !(math.Abs(got.Accuracy-want.Accuracy) <= 1e-6) {
		t.Errorf("evaluation %+v, want %+v", got, want)
	}
}

// withoutMean returns pixels prepared for the networks.
func withoutMean(pixels []float32) []float32 {
	out := slices.Clone(pixels)
	for i := range out {
		out[i] -= [3]float32{123.680, 116.779, 103.939}[i%3]
	}
	return out
}

// TestGoldenByName loads files by name into networks, as Keras did.
func TestGoldenByName(t *testing.T) {
	b := openCPU(t)
	for _, list := range []string{"files_k2.json", "files_k3.json"} {
		var all goldenFiles
		golden.JSON(t, list, &all)
		for i, want := range all.ByName {
			t.Run(fmt.Sprintf("%s %d %s skip=%v", list, i, want.File, want.SkipMismatch), func(t *testing.T) {
				m := newModel(t, b, want.Target.Net.build(t, 0.5))
				const before = 12345
				for _, w := range m.Weights {
					set(t, m, w.Name, slices.Repeat([]float32{before}, w.Shape.Size()))
				}
				f, err := Open(golden.Path(t, "files/"+want.File))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				summary, err := f.LoadByName(m, want.SkipMismatch)
				if (err != nil) != (want.Error != nil) {
					t.Fatalf("error %v", err)
				}
				var changed []string
				for _, w := range m.Weights {
					values, err := m.Get(w.Name)
					if err != nil {
						t.Fatal(err)
					}
					if n := len(slices.DeleteFunc(slices.Clone(values), func(v float32) bool { return v == before })); n == len(values) {
						changed = append(changed, w.Name)
					} else if n > 0 {
						t.Errorf("%s is changed in part", w.Name)
					}
				}
				if err != nil {
					t.Log(err)
					// Keras 3 changes some; here an error changes nothing.
					want.Changed = nil
				} else if diff := cmp.Diff(summary.Loaded, changed); diff != "" {
					t.Errorf("summary of what was loaded (-) and what has changed (+):\n%s", diff)
				}
				if len(want.Changed) == 0 {
					want.Changed = nil
				}
				if diff := cmp.Diff(want.Changed, changed); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

func set(t *testing.T, m *nn.Model, name string, values []float32) {
	t.Helper()
	if err := m.Set(name, values); err != nil {
		t.Fatal(err)
	}
}
