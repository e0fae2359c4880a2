package hdf5

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/internal/infile"
)

// ramp gives the elements seed, seed + 1/2, …
func ramp(seed int) func([]float32, int) error {
	return func(dst []float32, first int) error {
		for i := range dst {
			dst[i] = float32(seed) + float32(first+i)/2
		}
		return nil
	}
}

// sample describes a file with everything that a Tree supports.
func sample() *Tree {
	t := NewTree()
	t.Attr("text", "null-padded")
	t.Attr("empty", "")
	t.Attr("utf8", "größer")
	t.Attr("fits", strings.Repeat("m", 64000))
	t.Attr("model_config", strings.Repeat("{long}", 20000)) // 120,000 bytes
	t.Attr("list", []string{"a", "", "ccc"})
	t.Attr("no_list", []string{})
	long := make([]string, 1500)
	for i := range long {
		long[i] = fmt.Sprintf("%d%s", i, strings.Repeat("-", i%100))
	}
	t.Attr("long_list", long)
	t.Attr("step", int64(-7))
	t.Attr("rate", 0.01)
	t.Floats("layer/layer/kernel:0", []int{3, 3, 5, 7}, ramp(1))
	t.Floats("layer/layer/bias:0", []int{7}, ramp(2))
	t.Group("layer").Attr("weight_names", []string{"layer/kernel:0", "layer/bias:0"})
	t.Floats("large", []int{3, pieceBytes/4 + 1}, ramp(3))
	t.Floats("scalar", nil, ramp(4))
	t.Floats("nothing", []int{0, 4}, ramp(5))
	t.Ints("iteration", nil, []int64{math.MinInt64})
	t.Ints("counts", []int{3, 1}, []int64{1, -2, 3})
	t.Group("no/children/here")
	for _, n := range []int{1, 8, 9, 256, 257, 9000} { // leaves and levels of the B-tree, just full and one more
		g := t.Group(fmt.Sprintf("groups%d", n))
		for i := range n {
			if i%100 == 1 {
				g.Group(fmt.Sprintf("x%d", i))
			} else {
				g.Floats(fmt.Sprintf("x%d", i), []int{2}, ramp(i))
			}
		}
	}
	return t
}

func write(t testing.TB, tree *Tree) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tree.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := NewFile(bytes.NewReader(data), int64(len(data)), "memory", infile.NewBudget(int64(len(data))))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// contents returns the attributes and the number of children of all groups, and the type, the shape
// and the first and last element of each array.
func contents(t *testing.T, g *Group) (attributes map[string]any, arrays map[string]string) {
	attributes, arrays = map[string]any{}, map[string]string{}
	var group func(g *Group)
	group = func(g *Group) {
		attributes[g.Path()] = len(g.Children())
		for _, a := range g.attributes {
			v, err := g.Attr(a.name)
			if err != nil {
				t.Fatal(err)
			}
			attributes[g.Path()+"@"+a.name] = v
		}
		for _, name := range g.Children() {
			if is, err := isGroup(g, name); err != nil {
				t.Fatal(err)
			} else if is {
				child, err := g.Group(name)
				if err != nil {
					t.Fatal(err)
				}
				group(child)
				continue
			}
			d, err := g.Dataset(name)
			if err != nil {
				t.Fatal(err)
			}
			first, last := make([]float32, min(1, d.n)), make([]float32, min(1, d.n))
			if err := errors.Join(d.ReadFloats(first, 0), d.ReadFloats(last, d.n-len(last))); err != nil {
				t.Fatal(err)
			}
			arrays[d.Path()] = fmt.Sprintf("%s %v %v %v", d.typ.String(), d.Shape(), first, last)
		}
	}
	group(g)
	return
}

// TestWrite reads what has been written.
func TestWrite(t *testing.T) {
	tree := sample()
	data := write(t, tree)
	if !bytes.Equal(data, write(t, tree)) || !bytes.Equal(data, write(t, sample())) {
		t.Error("the same tree gives other bytes")
	}
	f := open(t, data)
	if f.size != uint64(len(data)) {
		t.Errorf("%d bytes, the superblock says %d", len(data), f.size)
	}
	attributes, arrays := contents(t, f.Root())
	for _, a := range tree.attributes {
		want := a.value
		if a.name == "no_list" {
			want = []float64{}
		}
		if diff := cmp.Diff(want, attributes["/@"+a.name]); diff != "" {
			t.Errorf("attribute %s: (-want +got)\n%.400s", a.name, diff)
		}
	}
	if diff := cmp.Diff([]string{"layer/kernel:0", "layer/bias:0"}, attributes["/layer@weight_names"]); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]string{
		"/layer/layer/kernel:0": "float32 [3 3 5 7] [1] [158]",
		"/layer/layer/bias:0":   "float32 [7] [2] [5]",
		"/large":                "float32 [3 65537] [3] [98308]",
		"/scalar":               "float32 [] [4] [4]",
		"/nothing":              "float32 [0 4] [] []",
		"/counts":               "int64 [3 1] [1] [3]",
		"/iteration":            "int64 [] [-9.223372e+18] [-9.223372e+18]",
		"/groups9000/x8900":     "float32 [2] [8900] [8900.5]",
	} {
		if got := arrays[path]; got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for _, n := range []int{1, 8, 9, 256, 257, 9000} {
		if got := attributes[fmt.Sprintf("/groups%d", n)]; got != n {
			t.Errorf("a group of %d has %v", n, got)
		}
	}
	if got := attributes["/no/children/here"]; got != 0 {
		t.Errorf("an empty group has %v", got)
	}
	d, err := f.Root().Dataset("/iteration")
	if err != nil {
		t.Fatal(err)
	}
	var v [1]float32
	if err := d.ReadFloats(v[:], 0); err != nil || v[0] != math.MinInt64 {
		t.Errorf("iteration is %v, error %v", v, err)
	}
}

// TestWriteCopy copies arrays from file to file.
func TestWriteCopy(t *testing.T) {
	f := open(t, write(t, sample()))
	d, err := f.Root().Dataset("large")
	if err != nil {
		t.Fatal(err)
	}
	tree := NewTree()
	tree.Floats("copy", d.Shape(), d.ReadFloats)
	c, err := open(t, write(t, tree)).Root().Dataset("copy")
	if err != nil {
		t.Fatal(err)
	}
	x, y := make([]float32, d.n), make([]float32, d.n)
	if err := errors.Join(d.ReadFloats(x, 0), c.ReadFloats(y, 0)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(x, y); diff != "" {
		t.Error(diff)
	}
}

// TestWriteErrors describes files that cannot be written.
func TestWriteErrors(t *testing.T) {
	failing := errors.New("no such weights")
	for _, c := range []struct {
		want string
		make func(*Tree)
	}{
		{`/a is defined twice`, func(t *Tree) { t.Floats("a", nil, ramp(1)); t.Floats("a", nil, ramp(1)) }},
		{`/a is defined twice`, func(t *Tree) { t.Floats("a", nil, ramp(1)); t.Group("a") }},
		{`/a is defined twice`, func(t *Tree) { t.Group("a"); t.Ints("a", nil, []int64{1}) }},
		{`/a/: invalid name ""`, func(t *Tree) { t.Group("a//b") }},
		{`/: invalid name "."`, func(t *Tree) { t.Group(".") }},
		{`/: invalid name "x\x00"`, func(t *Tree) { t.Group("x\x00") }},
		{`/a/b: 2 values of shape [3]`, func(t *Tree) { t.Ints("a/b", []int{3}, []int64{1, 2}) }},
		{`/a: shape [-1]`, func(t *Tree) { t.Floats("a", []int{-1}, ramp(1)) }},
		{`/a: shape [9223372036854775807 2]`, func(t *Tree) { t.Floats("a", []int{math.MaxInt64, 2}, ramp(1)) }},
		{`/: attribute "a": a value of type int cannot be written`, func(t *Tree) { t.Attr("a", 1) }},
		{`/: attribute "": invalid name ""`, func(t *Tree) { t.Attr("", "a") }},
		{`attribute "a" is defined twice`, func(t *Tree) { t.Attr("a", "a"); t.Attr("a", "b") }},
		{`/g/: attribute "a": a zero byte in the string "b\x00"`, func(t *Tree) { t.Group("g").Attr("a", "b\x00") }},
		{`/: attribute "a": 5000 strings, the format allows 4032`, func(t *Tree) {
			t.Attr("a", slices.Repeat([]string{"a name of 16 bytes"}, 5000))
		}},
		{`/a: no such weights`, func(t *Tree) { t.Floats("a", []int{3}, func([]float32, int) error { return failing }) }},
	} {
		tree := NewTree()
		c.make(tree)
		err := tree.Write(new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	tree := NewTree()
	tree.Floats("a", []int{3}, ramp(0))
	for n := range len(write(t, tree)) {
		if err := tree.Write(&fullDisk{n}); !errors.Is(err, errFull) {
			t.Fatalf("a disk full at %d: error %v", n, err)
		}
	}
}

// fullDisk accepts n bytes.
type fullDisk struct{ n int }

var errFull = errors.New("disk full")

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.n -= len(p); d.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestWriteForOthers reads written files with h5dump and h5py.
func TestWriteForOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sample.h5")
	if err := os.WriteFile(path, write(t, sample()), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Run("h5dump", func(t *testing.T) {
		h5dump, err := exec.LookPath("h5dump")
		if err != nil {
			t.Skip("no h5dump here (Debian's package hdf5-tools)")
		}
		out, err := exec.Command(h5dump, "--enable-error-stack", path).CombinedOutput()
		if err != nil || bytes.Contains(out, []byte("error")) {
			t.Fatalf("%v: %.2000s", err, out)
		}
	})
	t.Run("h5py", func(t *testing.T) {
		out, err := python(t, `
import sys, h5py, numpy as np
f = h5py.File(sys.argv[1])
a = f.attrs
text = lambda v: v.decode() if isinstance(v, bytes) else v
assert text(a["text"]) == "null-padded" and text(a["empty"]) == "" and text(a["utf8"]) == "größer"
assert text(a["fits"]) == "m" * 64000 and text(a["model_config"]) == "{long}" * 20000
assert [text(s) for s in a["list"]] == ["a", "", "ccc"] and a["no_list"].shape == (0,)
assert [text(s) for s in a["long_list"]] == [str(i) + "-" * (i % 100) for i in range(1500)]
assert a["step"] == -7 and a["step"].dtype == np.int64 and a["rate"] == 0.01
assert [text(s) for s in f["layer"].attrs["weight_names"]] == ["layer/kernel:0", "layer/bias:0"]
def ramp(seed, *shape):
    return (seed + np.arange(np.prod(shape, dtype=int)) / 2).astype("f4").reshape(shape)
for name, want in {"layer/layer/kernel:0": ramp(1, 3, 3, 5, 7), "layer/layer/bias:0": ramp(2, 7),
                   "large": ramp(3, 3, 65537), "scalar": ramp(4), "nothing": ramp(5, 0, 4),
                   "iteration": np.int64(-2**63), "counts": np.array([[1], [-2], [3]])}.items():
    got = f[name][()]
    assert got.dtype == want.dtype and got.shape == want.shape and (got == want).all(), name
for n in 1, 8, 9, 256, 257, 9000:
    g = f[f"groups{n}"]
    assert list(g) == sorted(f"x{i}" for i in range(n)), n
    for i in range(n):
        x = g[f"x{i}"]  # found by the B-tree's keys
        assert list(x) == ([] if i % 100 == 1 else [i, i + 0.5])
assert list(f["no/children/here"]) == []
f.close()
f = h5py.File(sys.argv[1], "r+")  # and h5py can modify the file
f["added/y"] = np.arange(3)
for i in range(100):
    f["groups9000"].create_group(f"new{i}")
    del f[f"groups9000/x{i}"]
f.attrs["text"] = "changed"
f.close()
f = h5py.File(sys.argv[1])
assert len(f["groups9000"]) == 9000 and list(f["added/y"]) == [0, 1, 2] and f.attrs["text"] == "changed"
assert (f["large"][()] == ramp(3, 3, 65537)).all()
print("fine")
`, path)
		if err != nil || strings.TrimSpace(out) != "fine" {
			t.Fatalf("%v: %s", err, out)
		}
		// This package reads h5py's changes.
		f, err := openPath(t, path)
		if err != nil {
			t.Fatal(err)
		}
		attributes, arrays := contents(t, f.Root())
		if attributes["/groups9000"] != 9000 || attributes["/@text"] != "changed" || arrays["/added/y"] != "int64 [3] [0] [2]" {
			t.Error("h5py's changes are not there")
		}
	})
}

// python runs a script by the Python with h5py that LAMINA_H5PY names.
func python(t *testing.T, script string, args ...string) (string, error) {
	t.Helper()
	exe := os.Getenv("LAMINA_H5PY")
	if exe == "" {
		t.Skip("no Python with h5py: LAMINA_H5PY names one")
	}
	out, err := exec.Command(exe, append([]string{"-c", script}, args...)...).CombinedOutput()
	return string(out), err
}
