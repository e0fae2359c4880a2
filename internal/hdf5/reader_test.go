package hdf5

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lamina-go/lamina/internal/infile"
)

// openPath opens a file until the test ends.
func openPath(t testing.TB, path string) (*File, error) {
	t.Helper()
	r, size, err := infile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return NewFile(r, size, path, infile.NewBudget(size))
}

// testdata opens a file that testdata/make.py made.
func testdata(t testing.TB, name string) *File {
	t.Helper()
	f, err := openPath(t, filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// isGroup reports whether there is a group at a path; else it is a dataset.
func isGroup(g *Group, path string) (bool, error) {
	o, err := g.open(path)
	return err == nil && o.groupLike, err
}

// floats reads a whole dataset.
func floats(t testing.TB, f *File, path string) []float32 {
	t.Helper()
	d, err := f.Root().Dataset(path)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, d.n)
	if err := d.ReadFloats(x, 0); err != nil {
		t.Fatal(err)
	}
	return x
}

// walk reads all attributes of a group and its descendants, and visits each dataset.
func walk(g *Group, visit func(*Dataset) error) error {
	if err := readAttributes(g.Object); err != nil {
		return err
	}
	for _, name := range g.Children() {
		is, err := isGroup(g, name)
		if err != nil {
			return err
		}
		if is {
			child, err := g.Group(name)
			if err == nil {
				err = walk(child, visit)
			}
			if err != nil {
				return err
			}
			continue
		}
		d, err := g.Dataset(name)
		if err == nil {
			err = readAttributes(d.Object)
		}
		if err == nil {
			err = visit(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func readAttributes(o *Object) error {
	for _, a := range o.attributes {
		if _, err := o.Attr(a.name); err != nil {
			return err
		}
	}
	return nil
}

// bothForms are the older and the newer form of the same file.
var bothForms = []string{"v1.h5", "v2.h5"}

func TestTypes(t *testing.T) {
	for _, name := range bothForms {
		f := testdata(t, name)
		n := 0
		for part := range 3 {
			g, err := f.Root().Group(fmt.Sprintf("types/part%d", part))
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range g.Children() {
				n++
				if got := floats(t, f, g.Path()+"/"+k); !slices.Equal(got, []float32{1, 100, 0}) {
					t.Errorf("%s: %s is %v", name, k, got)
				}
				code := k[len(k)-2:]
				want := map[byte]string{'f': "float", 'i': "int", 'u': "uint"}[code[0]] + fmt.Sprint(8*int(code[1]-'0'))
				d, _ := g.Dataset(k)
				if d.typ.String() != want {
					t.Errorf("%s: %s is of type %s", name, k, d.typ.String())
				}
				v, err := g.Attr(k)
				if err != nil || fmt.Sprint(v) != "[1 100 0]" {
					t.Errorf("%s: attribute %s is %v, error %v", name, k, v, err)
				}
			}
		}
		if n != 20 {
			t.Errorf("%s has %d types", name, n)
		}
		inf := float32(math.Inf(1))
		for path, want := range map[string][]float32{
			"edges/half":     {0, float32(math.Copysign(0, -1)), 65504, -5.9604645e-08, 6.097555e-05, inf, -inf, 0.099975586},
			"edges/minus":    {-1},
			"edges/unsigned": {255},
			"edges/large":    {0x1p64 - 0x1p40},
		} {
			if got := floats(t, f, path); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %s is %v, want %v", name, path, got, want)
			}
		}
		g, err := f.Root().Group("edges")
		if err != nil {
			t.Fatal(err)
		}
		for k, want := range map[string]any{"matrix": []int64{1, 2, 3, 4}, "scalar": 1.5, "null": []float64{},
			"texts": []string{"x", "yé", ""}, "fixed": []string{"ab", "c"}, "null_ended": "ab", "spaces": "ab"} {
			got, err := g.Attr(k)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: attribute %s: error %v, (-want +got)\n%s", name, k, err, diff)
			}
		}
	}
}

func TestLayouts(t *testing.T) {
	for _, name := range bothForms {
		f := testdata(t, name)
		for path, n := range map[string]int{"chunks": 231, "deflate": 231, "all": 231, "fletcher": 15, "many": 300, "unfiltered": 4} {
			d, err := f.Root().Dataset("layouts/" + path)
			if err != nil || d.n != n {
				t.Errorf("%s: %s: %d elements, error %v", name, path, d.n, err)
				continue
			}
			for first := range n {
				for count := 0; count <= n-first; count += 1 + count/2 {
					x := make([]float32, count)
					if err := d.ReadFloats(x, first); err != nil {
						t.Fatal(err)
					}
					for i, v := range x {
						if v != float32(first+i) {
							t.Fatalf("%s: %s[%d] is %v", name, path, first+i, v)
						}
					}
				}
			}
			// No chunk is part of two blocks.
			if c := d.chunks; c != nil {
				row := d.n / d.shape[0]
				for first := 0; first < d.shape[0]; first += c.dims[0] {
					last := min(first+c.dims[0], d.shape[0]) - 1
					if a, b := first*row/d.Block(), (last*row+row-1)/d.Block(); a != b {
						t.Errorf("%s: %s: a chunk in rows %d to %d is part of blocks %d and %d of %d elements", name, path, first, last, a, b, d.Block())
					}
				}
			} else if d.Block() != 1 {
				t.Errorf("%s: %s: blocks of %d elements, want 1", name, path, d.Block())
			}
			for _, r := range [][2]int{{-1, 1}, {n, 1}, {0, n + 1}, {n - 1, 2}, {math.MaxInt, 2}} {
				if d.ReadFloats(make([]float32, r[1]), r[0]) == nil {
					t.Errorf("%s: %s gives elements %d, %d of them", name, path, r[0], r[1])
				}
			}
		}
		if got := floats(t, f, "layouts/compact"); !slices.Equal(got, []float32{1, 2, 3, 4}) {
			t.Errorf("%s: compact data are %v", name, got)
		}
		if got := floats(t, f, "layouts/empty"); len(got) != 0 {
			t.Errorf("%s: empty data are %v", name, got)
		}
	}
}

func TestLinks(t *testing.T) {
	for _, name := range bothForms {
		f := testdata(t, name)
		for path, want := range map[string]float32{"links/scalar": 3, "links/hard": 3, "/links//soft": 3, "links/relative": 4} {
			if got := floats(t, f, path); got[0] != want {
				t.Errorf("%s: %s is %v", name, path, got)
			}
		}
	}
	f := testdata(t, "tracked.h5")
	if got := f.Root().Children(); !slices.Equal(got, []string{"zebra", "mouse", "ape"}) {
		t.Errorf("children are %q", got)
	}
	if got := floats(t, f, "zebra"); got[0] != 5 {
		t.Errorf("zebra is %v", got)
	}
	for i := range 7 {
		got, err := f.Root().AttrString(fmt.Sprintf("note%d", 7-i))
		if err != nil || got != strings.Repeat("text ", 10*i+1) {
			t.Errorf("note%d is %q, error %v", 7-i, got, err)
		}
	}
	g := f.Root()
	for _, path := range []string{"dog", "/dog/x"} {
		if _, err := g.Dataset(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: error %v", path, err)
		}
	}
	if _, err := g.Attr("nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if g.Has("dog") || !g.Has("ape") || g.HasAttr("x") || !g.HasAttr("note1") {
		t.Error("Has or HasAttr is wrong")
	}
}

// TestRejected opens unsupported objects; errors must name the feature.
func TestRejected(t *testing.T) {
	for _, c := range []struct{ file, path, want string }{
		{"", "refused/links/outside", "link outside at offset %: an external link (to another file) is not supported"},
		{"", "refused/links/hard", "link hard at offset %: a hard link to the group /refused is not supported"},
		{"", "refused/links/soft", "link soft at offset %: a soft link to the group /links is not supported"},
		{"", "refused/data/lzf", "filter pipeline at offset %: the filter lzf is not supported"},
		{"", "refused/data/never", "layout at offset %: a dataset that was never written (of fill values) is not supported"},
		{"", "refused/data/never_chunked", "a dataset that was never written (of fill values) is not supported"},
		{"", "refused/data/partly", "a dataset of shape [10] with only 1 of its chunks (the others of fill values) is not supported"},
		{"", "refused/data/bool", "datatype at offset %: the datatype enumeration is not supported"},
		{"", "refused/data/texts", "a dataset of strings is not supported"},
		{"", "refused/data/complex", "the datatype compound is not supported"},
		{"", "refused/more/shared", "a shared datatype is not supported"},
		{"", "refused/more/external", "a dataset in other files is not supported"},
		{"", "refused/more@bool", "attribute at offset %: the datatype enumeration is not supported"},
		{"v2.h5", "refused/more/dense_links", "link info at offset %: dense link storage is not supported"},
		{"v2.h5", "refused/more/dense_attributes", "attribute info at offset %: dense attribute storage is not supported"},
	} {
		for _, name := range bothForms {
			if c.file != "" && c.file != name {
				continue
			}
			err := reach(testdata(t, name).Root(), c.path)
			var e *Error
			if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &e) {
				t.Errorf("%s: %s: error %v", name, c.path, err)
				continue
			}
			text := strings.Replace(err.Error(), fmt.Sprint("offset ", e.Offset), "offset %", 1)
			if !strings.HasSuffix(text, c.want) || !strings.HasPrefix(text, "hdf5: testdata/"+name+": /refused") {
				t.Errorf("%s: %s: error %v", name, c.path, err)
			}
		}
	}
	for path, want := range map[string]string{
		"refused/links/itself":  "soft links form a cycle",
		"refused/links/nowhere": `no object "not"`,
		"type":                  "not a dataset",
		"types/part0/i1/x":      "not a group",
	} {
		if err := reach(testdata(t, "v1.h5").Root(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

// reach opens the dataset or group at a path, and reads the attribute after an @.
func reach(root *Group, path string) error {
	path, attr, _ := strings.Cut(path, "@")
	is, err := isGroup(root, path)
	if err != nil {
		return err
	}
	if !is {
		_, err := root.Dataset(path)
		return err
	}
	g, err := root.Group(path)
	if err == nil && attr != "" {
		_, err = g.Attr(attr)
	}
	return err
}

func TestNotHDF5(t *testing.T) {
	for _, data := range []string{"", "x", strings.Repeat("no signature ", 1000), string(signature[1:])} {
		_, err := NewFile(strings.NewReader(data), int64(len(data)), "some.h5", infile.NewBudget(int64(len(data))))
		want := fmt.Sprintf("hdf5: some.h5 is not an HDF5 file: no signature in its %d bytes", len(data))
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// sparseFile writes zeros as holes.
type sparseFile struct {
	*os.File
	at int64
}

func (f *sparseFile) Write(p []byte) (int, error) {
	if len(bytes.Trim(p, "\x00")) > 0 {
		if _, err := f.WriteAt(p, f.at); err != nil {
			return 0, err
		}
	}
	f.at += int64(len(p))
	return len(p), nil
}

// TestLarge reads some elements of a file as large as ImageNet's VGG-19.
func TestLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.h5")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	shape := []int{25088, 4096}
	spots := []int{0, 1 << 20, 77_777_777, 25088*4096 - 1}
	tree := NewTree()
	tree.Floats("fc1/fc1_W_1:0", shape, func(dst []float32, first int) error {
		clear(dst)
		for _, s := range spots {
			if s >= first && s < first+len(dst) {
				dst[s-first] = float32(s)
			}
		}
		return nil
	})
	tree.Floats("rest", []int{41_000_000}, func(dst []float32, first int) error { clear(dst); return nil })
	w := &sparseFile{file, 0}
	if err := tree.Write(w); err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(w.at); err != nil {
		t.Fatal(err)
	}
	if w.at < 575_000_000 {
		t.Fatalf("only %d bytes", w.at)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := openPath(t, path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Root().Dataset("fc1/fc1_W_1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range spots {
		var x [1]float32
		if err := d.ReadFloats(x[:], s); err != nil || x[0] != float32(s) {
			t.Errorf("element %d is %v, error %v", s, x, err)
		}
	}
	row := make([]float32, 4096)
	for i := range 100 {
		if err := d.ReadFloats(row, i*4096); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}
