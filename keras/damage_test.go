package keras

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/nn"
)

// victim is a model into which damaged files are loaded.
type victim struct {
	t       testing.TB
	backend backend.Backend
	model   *nn.Model
}

const untouched = 12345

func newVictim(t testing.TB, net *nn.Network) *victim {
	b := openCPU(t)
	m, err := nn.NewModel(b, net)
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{t, b, m}
	v.restore()
	return v
}

func (v *victim) restore() {
	for _, w := range v.model.Weights {
		if err := v.model.Set(w.Name, slices.Repeat([]float32{untouched}, w.Shape.Size())); err != nil {
			v.t.Fatal(err)
		}
	}
}

// survives opens and loads a file in every way. That must not panic or take long, and an error must
// leave the model unchanged. It reports whether everything gave an error.
func (v *victim) survives(data []byte) (rejected bool) {
	v.t.Helper()
	for range 3 { // a busy machine may be slow once
		began := time.Now()
		rejected = v.load(data)
		if time.Since(began) < 2*time.Second {
			return rejected
		}
	}
	v.t.Error("more than two seconds")
	return rejected
}

func (v *victim) load(data []byte) (rejected bool) {
	v.t.Helper()
	f, err := newFile(bytes.NewReader(data), int64(len(data)), "damaged")
	if err != nil {
		v.oneLine(err)
		return true
	}
	_, _, whole := f.model(v.backend)
	_, named := f.LoadByName(v.model, false)
	if named == nil {
		v.restore()
	}
	_, ordered := f.Load(v.model, false)
	if ordered == nil {
		v.restore()
	}
	v.oneLine(whole)
	for _, w := range v.model.Weights {
		values, err := v.model.Get(w.Name)
		if err != nil {
			v.t.Fatal(err)
		}
		if i := slices.IndexFunc(values, func(x float32) bool { return x != untouched }); i >= 0 {
			v.t.Fatalf("%s was changed by a file that was rejected: %v, %v", w.Name, named, ordered)
		}
	}
	return whole != nil && named != nil && ordered != nil
}

func (v *victim) oneLine(err error) {
	v.t.Helper()
	if err != nil && strings.Contains(err.Error(), "\n") {
		v.t.Errorf("several lines: %q", err)
	}
}

func readGolden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(golden.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// network returns the network of a file.
func network(t testing.TB, data []byte) *nn.Network {
	t.Helper()
	f, err := newFile(bytes.NewReader(data), int64(len(data)), "whole")
	if err != nil {
		t.Fatal(err)
	}
	net, err := f.Network()
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// unzip returns the parts of a .keras file.
func unzip(t testing.TB, data []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if parts[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return parts
}

// zipped returns an archive of parts.
func zipped(t testing.TB, method uint16, parts map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestSpeed) })
	for name, data := range parts {
		p, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err == nil {
			_, err = p.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// damagedModels returns models in models and models that are graphs, one of each for each Keras and
// format.
func damagedModels(t *testing.T) (files []string) {
	var all goldenModels
	golden.JSON(t, "models.json", &all)
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(all.Cases)) {
		c := all.Cases[name]
		for _, kind := range []string{"nested", "graph"} {
			is := func(l goldenRow) bool {
				return kind == "nested" && strings.Contains(l.path, "/") || kind == "graph" && l.class == "Add"
			}
			for _, f := range c.Files {
				key := kind + f.Keras[:1] + path.Ext(f.File)
				if c.Expect == "ok" && slices.ContainsFunc(c.Layers, is) && !seen[key] {
					seen[key] = true
					files = append(files, "models/"+f.File)
				}
			}
		}
	}
	return files
}

// TestGoldenDamaged damages good files of each format in many ways.
func TestGoldenDamaged(t *testing.T) {
	for _, name := range append([]string{"files/k2_micro_whole.h5", "files/k2_micro_latest.h5", "files/k2_named_gzip_shuffle.h5",
		"files/k2_named.keras", "files/k3_named.keras"}, damagedModels(t)...) {
		t.Run(name, func(t *testing.T) {
			data := readGolden(t, name)
			v := newVictim(t, network(t, data))
			if v.survives(data) {
				t.Fatal("the good file was rejected")
			}
			for i := range 50 {
				if n := len(data) * i / 50; !v.survives(data[:n]) {
					t.Errorf("the first %d bytes were accepted", n)
				}
			}
			r := rand.New(rand.NewPCG(1, 2))
			for range 400 {
				damaged := slices.Clone(data)
				for range 1 + r.IntN(3) {
					damaged[r.IntN(len(data))] = byte(r.Uint32())
				}
				v.survives(damaged)
			}
			if !strings.HasSuffix(name, ".keras") {
				return
			}
			// Damage that the archive's checksums do not detect.
			for range 400 {
				parts := unzip(t, data)
				for _, name := range slices.Sorted(maps.Keys(parts)) {
					parts[name][r.IntN(len(parts[name]))] = byte(r.Uint32())
				}
				v.survives(zipped(t, zip.Store, parts))
			}
		})
	}
}

func TestGoldenArchive(t *testing.T) {
	data := readGolden(t, "files/k3_named.keras")
	v := newVictim(t, network(t, data))
	accepted := func(data []byte) {
		t.Helper()
		if v.survives(data) {
			t.Error("rejected")
		}
	}
	rejected := func(data []byte, want string) {
		t.Helper()
		f, err := newFile(bytes.NewReader(data), int64(len(data)), "x.keras")
		if err == nil {
			_, _, err = f.model(v.backend)
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.keras") {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	change := func(f func(parts map[string][]byte)) []byte {
		parts := unzip(t, data)
		f(parts)
		return zipped(t, zip.Store, parts)
	}
	accepted(zipped(t, zip.Deflate, unzip(t, data)))
	accepted(change(func(p map[string][]byte) { delete(p, metadataName) }))
	accepted(change(func(p map[string][]byte) { p["assets/words.txt"] = nil }))
	for _, name := range []string{configName, weightsName} {
		rejected(change(func(p map[string][]byte) { delete(p, name) }), name)
		rejected(change(func(p map[string][]byte) { p[name] = p[name][:len(p[name])/2] }), "")
	}
	for _, name := range []string{"../x", "/x", "a/../../x"} {
		rejected(change(func(p map[string][]byte) { p[name] = nil }), name)
	}
	rejected(change(func(p map[string][]byte) {
		p[configName] = []byte(`{"class_name":"Mine","config":{"layers":[]}}`)
	}), `class "Mine"`)
	classes := v.model.Classes
	labels, err := json.Marshal(map[string]any{aboutKey: about{Labels: make([]string, classes+1)}})
	if err != nil {
		t.Fatal(err)
	}
	rejected(change(func(p map[string][]byte) { p[metadataName] = labels }), fmt.Sprintf("%d labels for %d classes",
		classes+1, classes))
	rejected(change(func(p map[string][]byte) { p[metadataName] = []byte(`{"lamina":7}`) }), "lamina")
	rejected(zipped(t, zip.Deflate,
		map[string][]byte{configName: bytes.Repeat([]byte(" "), 100<<20), weightsName: nil}), "far more memory")

	wrong := slices.Clone(data)
	at := bytes.Index(wrong, []byte("Sequential"))
	wrong[at] = 's'
	rejected(wrong, "checksum")

	// A bomb: a part that expands to far more than the file.
	bomb := unzip(t, data)
	bomb[weightsName] = make([]byte, 65<<20)
	rejected(zipped(t, zip.Deflate, bomb), "far more memory")
}

// FuzzArchive reads damaged .keras files.
func FuzzArchive(f *testing.F) {
	b := openCPU(f)
	net, err := nn.Build(small())
	if err != nil {
		f.Fatal(err)
	}
	m, err := nn.NewModel(b, net)
	if err != nil {
		f.Fatal(err)
	}
	var whole bytes.Buffer
	if err := writeArchive(&whole, m, &Training{LearningRate: 0.01, Momentum: 0.9}); err != nil {
		f.Fatal(err)
	}
	parts := unzip(f, whole.Bytes())
	f.Add(parts[configName], parts[metadataName], parts[weightsName])
	f.Fuzz(func(t *testing.T, config, metadata, weights []byte) {
		data := zipped(t, zip.Store,
			map[string][]byte{configName: config, metadataName: metadata, weightsName: weights})
		file, err := newFile(bytes.NewReader(data), int64(len(data)), "fuzz")
		if err != nil {
			return
		}
		m, r, err := file.model(b)
		if err == nil && len(r.Loaded) != len(m.Weights) {
			t.Errorf("a model of which only %v was loaded", r.Loaded)
		}
	})
}

// FuzzConfig reads damaged configurations. What is accepted must be a network, and its description
// must be accepted again.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{model(inputJSON, convJSON, flattenJSON, denseJSON),
		functional(`[["in",0,0]]`, `[["d",0,0]]`, node2("in", inputJSON), node2("m", model(inputJSON, convJSON), "in"),
			node2("a", layerText("Concatenate", "a", `"axis":-1`), "m", "in"), node2("f", flattenJSON, "a"),
			node2("d", denseJSON, "f")),
		functional(`["in",0,0]`, `["d",0,0]`, node3("in", inputJSON),
			node3("n", layerText("Rescaling", "n", `"scale":[0.5,0.25],"offset":1`), "in"),
			node3("c", convJSON, "n"), node3("a", layerText("Add", "a", ""), "c", "c"),
			node3("f", flattenJSON, "a"), node3("d", denseJSON, "f"))} {
		f.Add([]byte(text), false)
		f.Add([]byte(text), true)
	}
	for _, style := range []style{legacy, modules} {
		net, err := nn.Build(everything())
		if err != nil {
			f.Fatal(err)
		}
		w, err := describe(net, style)
		if err != nil {
			f.Fatal(err)
		}
		text, err := json.Marshal(map[string]any{"class_name": w.class(), "config": w.configJSON(style)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text []byte, keras3 bool) {
		c, err := convert(text, keras3)
		if err != nil {
			return
		}
		net, err := nn.Build(c.network)
		if err != nil {
			return
		}
		w, err := describe(net, legacy)
		if err != nil {
			return
		}
		again, err := json.Marshal(map[string]any{"class_name": w.class(), "config": w.configJSON(legacy)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := convert(again, isKeras3(w.version, again)); err != nil {
			t.Errorf("%s\nis written as\n%s\nwhich is rejected: %v", text, again, err)
		}
	})
}

// convert converts a configuration with the budget of an empty file.
func convert(text []byte, keras3 bool) (*converted, error) {
	m, err := readModel(text, infile.NewBudget(0))
	if err != nil {
		return nil, err
	}
	c, err := m.network(keras3, infile.NewBudget(0))
	if err == nil {
		err = c.prepared(func(*leaf, int, int) ([]float64, error) { return nil, errors.New("no weights") })
	}
	return c, err
}
