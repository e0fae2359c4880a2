package keras

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/nn"
)

// TestPair opens model.json with weights of each kind and name beside it.
func TestPair(t *testing.T) {
	b := openCPU(t)
	net, err := nn.Build(small())
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(t, b, net)
	if err := m.Init(nn.HeNormal(), 3); err != nil {
		t.Fatal(err)
	}
	described, err := describe(net, legacy)
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{
		"class_name":    "Sequential",
		"config":        described.configJSON(legacy),
		"keras_version": "2.15.0",
	})
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(string(config))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"model.weights.h5", "model.h5", "model_weights.h5", "weights.h5", "other.h5"} {
		for _, text := range [][]byte{config, quoted, append([]byte(" \n"), config...)} {
			dir := t.TempDir()
			if err := Save(filepath.Join(dir, name), m, nil); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "model.json")
			if err := os.WriteFile(path, text, 0o666); err != nil {
				t.Fatal(err)
			}
			got, summary, err := OpenModel(b, path)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(summary.Loaded) != len(m.Weights) || len(summary.Ignored)+len(summary.Missing) > 0 {
				t.Errorf("%s: summary %+v", name, summary)
			}
			if guess := name == "other.h5"; guess != strings.Contains(strings.Join(summary.Notes, "\n"), "taken from other.h5") {
				t.Errorf("%s: notes %q", name, summary.Notes)
			}
			sameWeights(t, got, m)
		}
	}
}

func TestPairRejects(t *testing.T) {
	b := openCPU(t)
	for _, c := range []struct {
		name, text string
		weights    []string
		want       string
	}{
		{
			"no weights",
			"{}",
			nil,
			"model.json: it is a model's configuration, and its folder has 0 .h5 files: put its weights beside it as model.h5",
		},
		{"two files", "{}", []string{"a.h5", "b.h5"}, "its folder has 2 .h5 files"},
		{"other weights", "{}", []string{"model.h5"}, "model.h5 is not an HDF5 file"},
	} {
		dir := t.TempDir()
		for _, name := range c.weights {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("weights"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, "model.json")
		if err := os.WriteFile(path, []byte(c.text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, _, err := OpenModel(b, path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if err := openAll(hostileVictim(t), "model.json", []byte("{}")); err == nil || !strings.Contains(err.Error(), "without weights") {
		t.Errorf("error %v", err)
	}
	dir := t.TempDir()
	good, err := os.ReadFile("testdata/keras222_list_config.h5")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{`{"class_name":"Mine"}`: `class "Mine"`, `{`: "not valid JSON", `"{\"class_name\":7}"`: "JSON number",
		model(inputJSON, convJSON, flattenJSON, denseJSON): "layers with weights"} {
		for name, data := range map[string][]byte{"model.json": []byte(text), "model.h5": good} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err := OpenModel(b, filepath.Join(dir, "model.json"))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "model.json with model.h5") {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}
