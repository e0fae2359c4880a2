package hdf5

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/internal/infile"
)

// weight is the reference data's description of an array.
type weight struct {
	Name   string
	Shape  []int
	DType  string
	Sum    float64
	SumSq  float64
	First4 []float64
}

// facts are the reference data's description of an HDF5 file.
type facts struct {
	Datasets map[string]struct {
		Shape []int
		DType string
	}
	Attributes map[string]struct {
		Type  string
		Shape []int
	}
	LayerNames  []string            `json:"layer_names"`
	WeightNames map[string][]string `json:"weight_names"`
	RootGroups  []string            `json:"root_groups"`
}

type goldenFile struct {
	Layers []struct {
		Name, Class string
		Weights     []weight
	}
	Optimizer []weight
	HDF5      *facts
	InZip     *facts `json:"model.weights.h5"`
}

// goldenFiles returns the descriptions of all files.
func goldenFiles(t testing.TB) map[string]goldenFile {
	files := map[string]goldenFile{}
	for _, name := range []string{"files_k2.json", "files_k3.json"} {
		var list struct{ Files map[string]goldenFile }
		golden.JSON(t, name, &list)
		for k, v := range list.Files {
			files[k] = v
		}
	}
	return files
}

// openGolden opens an HDF5 file, or the weights in a .keras file.
func openGolden(t testing.TB, name string) (*File, error) {
	p := golden.Path(t, filepath.Join("files", name))
	if path.Ext(name) != ".keras" {
		return openPath(t, p)
	}
	r, err := os.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	info, err := r.Stat()
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(r, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range z.File {
		if e.Name == "model.weights.h5" {
			at, err := e.DataOffset()
			if err != nil || e.Method != zip.Store {
				t.Fatal(err, e.Method)
			}
			size := int64(e.UncompressedSize64)
			return NewFile(io.NewSectionReader(r, at, size), size, name, infile.NewBudget(size))
		}
	}
	t.Fatalf("%s has no model.weights.h5", name)
	return nil, nil
}

// TestGoldenFiles reads every file in the lists.
func TestGoldenFiles(t *testing.T) {
	rejected := map[string]string{
		"k2_named_latest.h5":         "dense link storage is not supported",
		"k2_micro_v110_chunked.h5":   "layout version 4 of chunks (a newer chunk index) is not supported",
		"k2_micro_latest_chunked.h5": "layout version 5 of chunks (a newer chunk index) is not supported",
	}
	for name, want := range goldenFiles(t) {
		t.Run(name, func(t *testing.T) {
			err := checkGolden(t, name, want)
			if text := rejected[name]; text != "" {
				if !errors.Is(err, errors.ErrUnsupported) || !strings.HasSuffix(err.Error(), text) {
					t.Fatalf("got error %v, want one of %s", err, text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestGoldenUnlisted reads all data of the files that are not in the lists.
func TestGoldenUnlisted(t *testing.T) {
	for _, p := range []string{"files/spec_whole.h5", "trace_init.h5", "trace_final.h5"} {
		f, err := openPath(t, golden.Path(t, p))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = walk(f.Root(), func(d *Dataset) error {
			n++
			return d.ReadFloats(make([]float32, d.n), 0)
		})
		if err != nil || n == 0 {
			t.Errorf("%s: %d datasets, error %v", p, n, err)
		}
	}
}

// checkGolden compares a file with its description; the error is the reader's.
func checkGolden(t *testing.T, name string, want goldenFile) error {
	f, err := openGolden(t, name)
	if err != nil {
		return err
	}
	sets := map[string]*Dataset{}
	err = walk(f.Root(), func(d *Dataset) error {
		sets[d.Path()] = d
		return d.ReadFloats(make([]float32, d.n), 0)
	})
	if err != nil {
		return err
	}
	described := want.HDF5
	if described == nil {
		described = want.InZip
	}
	if len(sets) != len(described.Datasets) {
		t.Errorf("%d datasets, want %d", len(sets), len(described.Datasets))
	}
	for p, w := range described.Datasets {
		d := sets["/"+p]
		if d == nil {
			t.Errorf("no dataset %s", p)
			continue
		}
		if !slices.Equal(d.Shape(), w.Shape) || d.typ.String() != w.DType {
			t.Errorf("%s is %s %v, want %s %v", p, d.typ.String(), d.Shape(), w.DType, w.Shape)
		}
	}
	for key, w := range described.Attributes {
		p, attr, _ := strings.Cut(key, "@")
		checkAttribute(t, f.Root(), p, attr, w.Type, w.Shape)
	}
	if got := f.Root().Children(); !slices.Equal(slices.Sorted(slices.Values(got)), described.RootGroups) {
		t.Errorf("the root has %q, want %q", got, described.RootGroups)
	}
	if described.LayerNames == nil {
		checkByClass(t, f.Root(), want)
	} else {
		checkByName(t, f.Root(), described, want)
	}
	return nil
}

// checkAttribute compares type and shape of an attribute.
func checkAttribute(t *testing.T, root *Group, p, name, typ string, shape []int) {
	var o *Object
	if is, err := isGroup(root, p); err != nil {
		t.Error(err)
		return
	} else if is {
		g, _ := root.Group(p)
		o = g.Object
	} else {
		d, _ := root.Dataset(p)
		o = d.Object
	}
	v, err := o.Attr(name)
	if err != nil {
		t.Error(err)
		return
	}
	n := -1
	kind := strings.TrimRight(fmt.Sprintf("%T", v), "0123456789")
	switch v := v.(type) {
	case []string:
		n = len(v)
	case []float64:
		n = len(v)
	case []int64:
		n = len(v)
	}
	wantN, wantKind := -1, strings.TrimRight(typ, "0123456789")
	if len(shape) > 0 {
		wantN = elements(shape, math.MaxInt-1)
	}
	if strings.Contains(typ, "string") {
		wantKind = "string"
	}
	if n != wantN || strings.TrimPrefix(kind, "[]") != wantKind {
		t.Errorf("%s@%s is %T of %d elements, want %s of shape %v", p, name, v, n, typ, shape)
	}
}

// checkByName compares a file in which layers have weight_names.
func checkByName(t *testing.T, root *Group, described *facts, want goldenFile) {
	g := root
	if root.Has("model_weights") {
		var err error
		if g, err = root.Group("model_weights"); err != nil {
			t.Fatal(err)
		}
	}
	names, err := g.AttrStrings("layer_names")
	if err != nil || !slices.Equal(names, described.LayerNames) {
		t.Errorf("layer_names %q, error %v, want %q", names, err, described.LayerNames)
	}
	weights := map[string][]weight{}
	for _, l := range want.Layers {
		weights[l.Name] = l.Weights
	}
	for _, name := range names {
		layer, err := g.Group(name)
		if err != nil {
			t.Error(err)
			continue
		}
		list, err := layer.AttrStrings("weight_names")
		if err != nil || !slices.Equal(list, described.WeightNames[name]) {
			t.Errorf("%s: weight_names %q, error %v, want %q", name, list, err, described.WeightNames[name])
		}
		checkWeights(t, layer, list, weights[name])
	}
	if len(want.Optimizer) > 0 {
		o, err := root.Group("optimizer_weights")
		if err != nil {
			t.Fatal(err)
		}
		list, err := o.AttrStrings("weight_names")
		if err != nil {
			t.Fatal(err)
		}
		checkWeights(t, o, list, want.Optimizer)
	}
}

// checkByClass compares a file with layers/conv2d, layers/conv2d_1 and so on.
func checkByClass(t *testing.T, root *Group, want goldenFile) {
	snake := strings.NewReplacer("Conv2D", "conv2d", "MaxPooling2D", "max_pooling2d", "BatchNormalization", "batch_normalization")
	count := map[string]int{}
	vars := func(n int) []string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprint("vars/", i))
		}
		return list
	}
	for _, l := range want.Layers {
		if len(l.Weights) == 0 {
			continue
		}
		class := strings.ToLower(snake.Replace(l.Class))
		p := "layers/" + class
		if n := count[class]; n > 0 {
			p += fmt.Sprint("_", n)
		}
		count[class]++
		g, err := root.Group(p)
		if err != nil {
			t.Error(err)
			continue
		}
		checkWeights(t, g, vars(len(l.Weights)), l.Weights)
	}
	if len(want.Optimizer) > 0 {
		g, err := root.Group("optimizer")
		if err != nil {
			t.Fatal(err)
		}
		checkWeights(t, g, vars(len(want.Optimizer)), want.Optimizer)
	}
}

// checkWeights compares the datasets at paths with their descriptions.
func checkWeights(t *testing.T, g *Group, paths []string, want []weight) {
	if len(paths) != len(want) {
		t.Errorf("%s has %d weights, want %d", g.Path(), len(paths), len(want))
		return
	}
	for i, w := range want {
		d, err := g.Dataset(paths[i])
		if err != nil {
			t.Error(err)
			continue
		}
		if !slices.Equal(d.Shape(), w.Shape) || d.typ.String() != w.DType && d.typ.String() != "float64" {
			t.Errorf("%s is %s %v, want %s %v", d.Path(), d.typ.String(), d.Shape(), w.DType, w.Shape)
			continue
		}
		x := make([]float32, d.n)
		if err := d.ReadFloats(x, 0); err != nil {
			t.Error(err)
			continue
		}
		var sum, sumsq, abs float64
		for _, v := range x {
			sum += float64(v)
			sumsq += float64(v) * float64(v)
			abs += math.Abs(float64(v))
		}
		// The sums are float64: only the order of summation may differ.
		bound := float64(len(x)) * 0x1p-52
		if !(math.Abs(sum-w.Sum) <= bound*abs) || !(math.Abs(sumsq-w.SumSq) <= bound*sumsq) {
			t.Errorf("%s: sum %v, of squares %v, want %v, %v", d.Path(), sum, sumsq, w.Sum, w.SumSq)
		}
		var first []float64
		for _, v := range x[:min(4, len(x))] {
			first = append(first, float64(v))
		}
		if diff := cmp.Diff(w.First4, first); diff != "" {
			t.Errorf("%s begins differently (-want +got):\n%s", d.Path(), diff)
		}
		// Reading in pieces gives the same.
		got := make([]float32, len(x))
		for at, n := 0, 1; at < len(x); at, n = at+n, 3*n {
			n = min(n, len(x)-at)
			if err := d.ReadFloats(got[at:at+n], at); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, x) {
			t.Errorf("%s in pieces differs from the whole", d.Path())
		}
	}
}
