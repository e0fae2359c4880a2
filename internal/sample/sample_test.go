package sample

import (
	"bytes"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/cifar"
)

// set returns a dataset of so many classes with three images of each, and their size.
func set(classes, size int) *cifar.Dataset {
	d := &cifar.Dataset{Classes: make([]string, classes)}
	d.Test = cifar.Images{Height: size, Width: size, Pixels: make([]byte, 3*classes*size*size*3)}
	for i := range 3 * classes {
		d.Test.Labels = append(d.Test.Labels, int32(i%classes))
	}
	return d
}

func TestSamples(t *testing.T) {
	for _, test := range []struct {
		classes int
		want    []int
	}{
		{1, []int{0, 0}},
		{3, []int{0, 0, 1, 1, 2, 2}},
		{7, []int{0, 1, 2, 3, 4, 5, 6}},
		{25, []int{0, 2, 5, 7, 10, 12, 15, 17, 20, 22}},
	} {
		for size, kind := range map[int]string{32: "png", 100: "jpeg"} {
			dir := t.TempDir()
			for range 2 { // the second leaves what is there
				if err := Write(dir, set(test.classes, size)); err != nil {
					t.Fatal(err)
				}
			}
			samples, err := Read(dir, test.classes)
			if err != nil {
				t.Fatal(err)
			}
			var classes []int
			for _, s := range samples {
				classes = append(classes, s.Class)
				c, format, err := image.DecodeConfig(bytes.NewReader(s.Data))
				if err != nil || format != kind || s.Type != "image/"+kind || c.Width != size || c.Height != size {
					t.Errorf("%v, %s as %s, %dx%d, want %s, %dx%d", err, format, s.Type, c.Width, c.Height, kind, size, size)
				}
			}
			if diff := cmp.Diff(test.want, classes); diff != "" {
				t.Errorf("%d classes (-want +got):\n%s", test.classes, diff)
			}
		}
	}
}

// A model may have no samples, or files of others.
func TestReadIgnoresOthers(t *testing.T) {
	dir := t.TempDir()
	if s, err := Read(dir, 3); s != nil || err != nil {
		t.Errorf("%v, %v without a folder", s, err)
	}
	if err := Write(dir, set(3, 8)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.png", "0003-1.png", "99999999999-1.png", "0001-1.html", "0001.png"} {
		if err := os.WriteFile(filepath.Join(dir, Folder, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "model.h5")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, file} {
		if s, err := Read(path, 3); len(s) != 6 || err != nil {
			t.Errorf("%s: %d samples, %v, want 6", path, len(s), err)
		}
	}
}
