package cifar

import (
	"context"
	"fmt"
	"image/color"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

// shade is a color that shows which image it is.
func shade(class, i int) color.NRGBA { return color.NRGBA{uint8(10 * class), uint8(i), 7, 255} }

// shades returns n images of each class below a folder, under names that the function gives.
func shades(t testing.TB, folder string, classes, n int, name func(i int) string) map[string][]byte {
	files := map[string][]byte{}
	for class := range classes {
		for i := range n {
			files[fmt.Sprintf("%s/class%d/%s.png", folder, class, name(i))] =
				picturetest.PNG(t, picturetest.Plain(4, 4, shade(class, i)))
		}
	}
	return files
}

// which returns the images as sorted texts of their class and number.
func which(images Images) []string {
	var all []string
	for i, label := range images.Labels {
		all = append(all, fmt.Sprint(label, images.image(i)[1]))
	}
	slices.Sort(all)
	return all
}

// The split depends on the seed and the contents alone, keeps equal files together, and has the
// share of each class.
func TestSplit(t *testing.T) {
	plain := func(i int) string { return fmt.Sprintf("%03d", i) }
	open := func(files map[string][]byte, o Options) *Dataset {
		t.Helper()
		d, err := Open(context.Background(), writeFolder(t, files), o)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	files := shades(t, ".", 3, 20, plain)
	d := open(files, Options{Seed: 1})
	if d.Train.Len() != 48 || d.Test.Len() != 12 {
		t.Errorf("%d and %d images, want 48 and 12", d.Train.Len(), d.Test.Len())
	}
	for class := range d.Classes {
		n := 0
		for _, label := range d.Test.Labels {
			if int(label) == class {
				n++
			}
		}
		if n != 4 {
			t.Errorf("%d images of class %d for validation, want 4", n, class)
		}
	}
	if notes := strings.Join(d.Notes, "\n"); !strings.Contains(notes, "no folder for validation: 48 images are for training, and 12, 20 % of each class") {
		t.Errorf("notes %q", notes)
	}
	backwards := open(shades(t, ".", 3, 20, func(i int) string { return plain(99 - i) }), Options{Seed: 1})
	if !slices.Equal(which(d.Test), which(backwards.Test)) {
		t.Error("other names make another split")
	}
	if other := open(files, Options{Seed: 2}); slices.Equal(which(d.Test), which(other.Test)) {
		t.Error("another seed makes the same split")
	}
	if half := open(files, Options{Seed: 1, Val: 0.5}); half.Test.Len() != 30 || !strings.Contains(strings.Join(half.Notes, "\n"), "--val: ") {
		t.Errorf("%d images for validation, notes %q", half.Test.Len(), half.Notes)
	}
	measured := open(files, Options{Seed: 1, Final: true})
	if measured.Train.Len() != 0 || !slices.Equal(which(d.Test), which(measured.Test)) {
		t.Error("the measured images are not those for validation")
	}
	if all := open(files, Options{Final: true, Whole: true}); all.Test.Len() != 60 {
		t.Errorf("%d images in all, want 60", all.Test.Len())
	}

	for class := range 3 { // each image twice, and one of class 0 in class 1 too
		for i := range 20 {
			files[fmt.Sprintf("class%d/copy %d.png", class, i)] = files[fmt.Sprintf("./class%d/%03d.png", class, i)]
		}
	}
	files["class1/other.png"] = files["./class0/000.png"]
	twice := open(files, Options{Seed: 1})
	train, test := which(twice.Train), which(twice.Test)
	for _, w := range test {
		if slices.Contains(train, w) {
			t.Errorf("image %s is on both sides", w)
		}
	}
	if len(train)+len(test) != 121 || len(test) != 24 {
		t.Errorf("%d and %d images", len(train), len(test))
	}
	if slices.Contains(test, "0 0") || slices.Contains(test, "1 0") && slices.Contains(train, "0 0") {
		t.Error("an image of two classes is for validation")
	}
}

// A folder and its parts are found by usual names in any case.
func TestOpenTrees(t *testing.T) {
	plain := func(i int) string { return fmt.Sprint(i) }
	tree := func(folders ...string) map[string][]byte {
		files := map[string][]byte{}
		for i, folder := range folders {
			for name, data := range shades(t, folder, 2, 10-i, plain) {
				files[name] = data
			}
		}
		return files
	}
	for _, test := range []struct {
		name        string
		files       map[string][]byte
		options     Options
		train, test int
		note        string
	}{
		{"one folder", tree("."), Options{}, 16, 4, "no folder for validation"},
		{"Training and Testing", tree("Training", "Testing"), Options{}, 20, 18, "Training is for training, Testing for validation"},
		{"Training and Testing, split", tree("Training", "Testing"), Options{Val: 0.3}, 14, 6, "Testing is for lamina evaluate"},
		{"Training and Testing, measured", tree("Training", "Testing"), Options{Val: 0.3, Final: true}, 0, 18, ""},
		{"Train and Valid", tree("Train", "Valid"), Options{}, 20, 18, "Train is for training, Valid for validation"},
		{"all three", tree("train", "VAL", "test"), Options{}, 20, 18, "train is for training, VAL for validation, test for lamina evaluate"},
		{"all three, measured", tree("train", "VAL", "test"), Options{Final: true}, 0, 16, "test is measured"},
		{"train alone", tree("train"), Options{}, 16, 4, "no folder for validation"},
		{"train and another", tree("train", "extra"), Options{}, 16, 4, "ignored: extra"},
	} {
		d, err := Open(context.Background(), writeFolder(t, test.files), test.options)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if notes := strings.Join(d.Notes, "\n"); d.Train.Len() != test.train || d.Test.Len() != test.test || !strings.Contains(notes, test.note) {
			t.Errorf("%s: %d and %d images, notes %q", test.name, d.Train.Len(), d.Test.Len(), notes)
		}
	}
}

func TestOpenSmallClasses(t *testing.T) {
	plain := func(i int) string { return fmt.Sprint(i) }
	files := shades(t, ".", 2, 5, plain)
	files["lone/1.png"] = files["./class0/0.png"][:] // the content of another class, too
	files["lonely/1.png"] = picturetest.PNG(t, picturetest.Plain(4, 4, shade(9, 9)))
	d, err := Open(context.Background(), writeFolder(t, files), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(d.Notes, "\n"); !strings.Contains(notes, "lone, lonely: a single image is for training, and validation omits the class") {
		t.Errorf("notes %q", notes)
	}
	dir := writeFolder(t, map[string][]byte{"Cat/1.png": files["./class0/0.png"], "Cat/2.png": files["./class0/1.png"], "cat/1.png": files["./class1/0.png"]})
	if len(subfolders(dir)) == 2 { // the disk distinguishes case
		d, err = Open(context.Background(), dir, Options{})
		if err != nil || !strings.Contains(strings.Join(d.Notes, "\n"), "the classes Cat and cat differ by case only") {
			t.Errorf("error %v, notes %q", err, d.Notes)
		}
	}
	val := with(shades(t, "train", 2, 2, plain), "val/class0/1.png", files["./class0/0.png"])
	dir = writeFolder(t, val)
	d, err = Open(context.Background(), dir, Options{Val: 0.2})
	checkError(t, d, err, dir, "has a folder for validation, val: omit --val")
	d, err = Open(context.Background(), BuiltIn, Options{Val: 0.2})
	checkError(t, d, err, "shapes has images for validation: omit --val")
	dir = filepath.Join(dir, "train", "class0")
	d, err = Open(context.Background(), dir, Options{})
	checkError(t, d, err, dir, "nor folders of images, one for each class")
}
