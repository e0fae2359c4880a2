// Package golden opens the reference data that tests compare with.
package golden

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/safetensors"
)

// Variable is the environment variable that names the folder of the reference data.
const Variable = "LAMINA_GOLDEN"

// Folder returns the folder of the reference data: the one that LAMINA_GOLDEN names, or
// ../shared/golden/public beside the project. It is "" if LAMINA_GOLDEN is not set and that folder
// does not exist.
func Folder() string {
	if dir := os.Getenv(Variable); dir != "" {
		return dir
	}
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), "../../../shared/golden/public")
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// Path returns the path of a file in Folder. It skips the test if there is no folder, and fails it
// if the file does not exist.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir := Folder()
	if dir == "" {
		t.Skipf("no reference data: set %s to its folder", Variable)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s: %v", Variable, err)
	}
	return path
}

// JSON decodes a file of the reference data to v.
func JSON(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// Tensors are the contents of a .safetensors file of the reference data.
type Tensors struct {
	Metadata map[string]string
	byName   map[string]safetensors.Tensor
	names    []string
}

// Read reads a .safetensors file of the reference data.
func Read(t testing.TB, name string) *Tensors {
	t.Helper()
	f, err := os.Open(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Read(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	g := &Tensors{file.Metadata, map[string]safetensors.Tensor{}, nil}
	for _, x := range file.Tensors {
		g.byName[x.Name] = x
		g.names = append(g.names, x.Name)
	}
	return g
}

// Cases returns the distinct prefixes of the tensors' names, up to the first slash.
func (g *Tensors) Cases() []string {
	var cases []string
	seen := map[string]bool{}
	for _, name := range g.names {
		c, _, found := strings.Cut(name, "/")
		if found && !seen[c] {
			seen[c] = true
			cases = append(cases, c)
		}
	}
	return cases
}

// Has reports whether there is a tensor of that name.
func (g *Tensors) Has(name string) bool { _, ok := g.byName[name]; return ok }

// Get returns the tensor of that name and fails the test if there is none.
func (g *Tensors) Get(t testing.TB, name string) safetensors.Tensor {
	t.Helper()
	x, ok := g.byName[name]
	if !ok {
		t.Fatalf("the reference data has no tensor %q", name)
	}
	return x
}

// Meta decodes a JSON metadata value to v.
func (g *Tensors) Meta(t testing.TB, key string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(g.Metadata[key]), v); err != nil {
		t.Fatalf("metadata %q: %v", key, err)
	}
}

// Largest returns the largest absolute value, or 0 of an empty slice.
func Largest(x []float32) float64 {
	var m float64
	for _, v := range x {
		m = max(m, math.Abs(float64(v)))
	}
	return m
}

// Within fails the test unless every element of got is within the absolute tolerance of that of
// want.
func Within(t testing.TB, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	worst, at := -1.0, 0
	for i := range got {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if got[i] == want[i] {
			d = 0
		}
		if !(d <= worst) { // a NaN is the worst
			worst, at = d, i
		}
	}
	if len(got) > 0 && !(worst <= tolerance) {
		t.Errorf("%s: element %d is %g, want %g: off by %.3g, tolerance %.3g", what, at, got[at], want[at], worst, tolerance)
	}
}
