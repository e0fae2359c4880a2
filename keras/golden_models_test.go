package keras

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// goldenModels is the reference data's description of models of many kinds.
type goldenModels struct {
	Rate     float64                `json:"lr"`
	Momentum float64                `json:"momentum"`
	Cases    map[string]goldenModel `json:"cases"`
}

type goldenModel struct {
	Expect       string                  `json:"expect"`
	MustName     string                  `json:"must_name"`
	Output       *string                 `json:"output"`
	Raw          bool                    `json:"raw_pixels"`
	Files        []goldenModelFile       `json:"files"`
	Layers       []goldenRow             `json:"layers"`
	Weights      map[string]goldenWeight `json:"weights"`
	Trainable    []string                `json:"trainable"`
	ZeroGradient []string                `json:"zero_gradient"`
}

type goldenModelFile struct {
	File  string `json:"file"`
	Keras string `json:"keras"` // version
}

// goldenRow is the path, the class and the output shape of a layer.
type goldenRow struct {
	path, class string
	output      tensor.Shape
}

func (r *goldenRow) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&r.path, &r.class, &r.output})
}

// prepares reports whether a layer prepares pixels, which is not a layer of a network.
func (r goldenRow) prepares() bool {
	return r.class == "Rescaling" || r.class == "Normalization" || strings.HasPrefix(r.class, "Random")
}

// eachGoldenModel calls test with each file of each case.
func eachGoldenModel(t *testing.T, test func(t *testing.T, name string, c goldenModel, all *goldenModels, path string)) {
	var all goldenModels
	golden.JSON(t, "models.json", &all)
	if len(all.Cases) == 0 {
		t.Fatal("no cases")
	}
	for name, c := range all.Cases {
		for _, f := range c.Files {
			t.Run(f.File, func(t *testing.T) { test(t, name, c, &all, golden.Path(t, "models/"+f.File)) })
		}
	}
}

// TestGoldenModels opens every model and compares its layers and weights, or the error of rejecting
// it.
func TestGoldenModels(t *testing.T) {
	b := openCPU(t)
	eachGoldenModel(t, func(t *testing.T, name string, c goldenModel, _ *goldenModels, path string) {
		m, summary, err := OpenModel(b, path)
		if c.Expect == "refuse" || c.Expect == "may refuse" && err != nil {
			if err == nil || !strings.Contains(err.Error(), c.MustName) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q and the path", err, c.MustName)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if len(summary.Loaded) != len(m.Weights) || len(summary.Ignored)+len(summary.Missing)+len(summary.Mismatched)+len(summary.NotFinite) > 0 {
			t.Errorf("summary %+v", summary)
		}
		c.compareLayers(t, m)
		c.compareWeights(t, m)
	})
}

// compareLayers compares the layers' output shapes. A network has no layers that do nothing, and
// its softmax has another name.
func (c goldenModel) compareLayers(t *testing.T, m *nn.Model) {
	t.Helper()
	rows := map[string]nn.LayerInfo{}
	for _, row := range m.Table {
		if row.Layer != nil { // not the softmax, whose name is made here
			rows[row.Name] = row
		}
	}
	for _, want := range c.Layers {
		row, there := rows[want.path]
		switch {
		case want.prepares():
		case there:
			if !row.Output.Equal(want.output) || len(row.Weights) > 0 && row.Class != want.class {
				t.Errorf("layer %q is a %s that gives %v, want a %s that gives %v", want.path, row.Class,
					row.Output, want.class, want.output)
			}
		case !slices.Contains([]string{"Activation", "Softmax", "Flatten", "Dropout", "SpatialDropout2D"}, want.class):
			t.Errorf("no layer %q", want.path)
		}
	}
	output := map[nn.Output]string{
		nn.SoftmaxOutput: "softmax",
		nn.SigmoidOutput: "sigmoid",
		nn.LogitsOutput:  "logits",
	}[m.Output]
	if output != *c.Output || (m.Mean != nil) != slices.ContainsFunc(c.Layers, func(r goldenRow) bool { return r.class == "Rescaling" || r.class == "Normalization" }) {
		t.Errorf("output %q, want %q; mean %v, deviation %v", output, *c.Output, m.Mean, m.Std)
	}
}

// compareWeights compares the weights and whether they train.
func (c goldenModel) compareWeights(t *testing.T, m *nn.Model) {
	t.Helper()
	preparation := map[string]bool{}
	for _, l := range c.Layers {
		preparation[l.path] = l.prepares()
	}
	n := 0
	for name, want := range c.Weights {
		if preparation[name[:strings.LastIndex(name, "/")]] {
			continue
		}
		n++
		w, ok := m.Weight(name)
		if !ok {
			t.Errorf("no weight %q", name)
			continue
		}
		values, err := m.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		want.compare(t, name, w.Shape, values)
		if w.Trainable != slices.Contains(c.Trainable, name) {
			t.Errorf("%s: trainable %v", name, w.Trainable)
		}
	}
	if n != len(m.Weights) {
		t.Errorf("%d weights, want %d", len(m.Weights), n)
	}
}
