package cifar

import (
	"bytes"
	"context"
	"fmt"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

func red() color.NRGBA  { return color.NRGBA{200, 10, 20, 255} }
func blue() color.NRGBA { return color.NRGBA{0, 20, 240, 255} }

// imageFiles returns a folder of images of two classes.
func imageFiles(t testing.TB) map[string][]byte {
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, picturetest.Plain(40, 50, blue()), nil); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"train/red/1.png":          picturetest.PNG(t, picturetest.Plain(32, 32, red())),
		"train/red/2.PNG":          picturetest.PNG(t, picturetest.Plain(100, 7, red())),
		"train/blue things/a.jpg":  photo.Bytes(),
		"train/blue things/b.jpeg": photo.Bytes(),
		"train/blue things/c.JPG":  photo.Bytes(),
		"test/red/1.png":           picturetest.PNG(t, picturetest.Plain(1, 1, red())),
		"train/red/notes.txt":      []byte("red"),
		"train/.cache/x.png":       nil,
		"train/list.csv":           nil,
		"train/red/._1.png":        []byte("what macOS leaves"),
	}
}

func TestOpenImages(t *testing.T) {
	d, err := Open(context.Background(), writeFolder(t, imageFiles(t)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.Classes, []string{"blue things", "red"}) {
		t.Errorf("classes %q", d.Classes)
	}
	if !slices.Equal(d.Train.Labels, []int32{0, 1, 0, 1, 0}) || !slices.Equal(d.Test.Labels, []int32{1}) {
		t.Errorf("labels %v and %v", d.Train.Labels, d.Test.Labels)
	}
	notes := strings.Join(d.Notes, "\n")
	for _, want := range []string{"test has no images of blue things: validation omits them",
		"train is for training, test for validation", "ignored 2 files, the first ", filepath.Join("train", "list.csv")} {
		if len(d.Notes) != 3 || !strings.Contains(notes, want) {
			t.Errorf("%q is not in the three notes %q", want, d.Notes)
		}
	}
	for _, images := range []Images{d.Train, d.Test} {
		for i, label := range images.Labels {
			want := []color.NRGBA{blue(), red()}[label]
			for j, got := range images.image(i) {
				if v := []byte{want.R, want.G, want.B}[j%3]; max(got, v)-min(got, v) > 3 {
					t.Fatalf("image %d of class %d: byte %d is %d, want about %d", i, label, j, got, v)
				}
			}
		}
	}
}

// Images are read upright, as in predict.
func TestOpenOriented(t *testing.T) {
	files := imageFiles(t)
	for _, name := range []string{"1", "8"} {
		data, err := os.ReadFile("../internal/picture/testdata/orientation/exif_orientation_" + name + ".jpg")
		if err != nil {
			t.Fatal(err)
		}
		files["train/a/"+name+".jpg"] = data
	}
	d, err := Open(context.Background(), writeFolder(t, files), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var upright []Images
	for i, label := range d.Train.Labels {
		if label == 0 {
			upright = append(upright, Images{Pixels: d.Train.image(i)})
		}
	}
	sum := 0
	for i, v := range upright[0].Pixels {
		sum += int(max(v, upright[1].Pixels[i]) - min(v, upright[1].Pixels[i]))
	}
	if len(upright) != 2 || sum > 3*imageBytes { // JPEG loses a little in each
		t.Errorf("%d images, which differ by %.1f on average", len(upright), float64(sum)/imageBytes)
	}
}

// All bad images are named at once, and may be left out.
func TestOpenManyBadImages(t *testing.T) {
	files := imageFiles(t)
	for i := range 23 {
		files[fmt.Sprintf("train/red/bad %02d.png", i)] = []byte("hello")
	}
	files["test/red/bad.jpg"] = nil
	dir := writeFolder(t, files)
	d, err := Open(context.Background(), dir, Options{})
	checkError(t, d, err, dir, "24 images that cannot be read", "bad 00.png: not an image", "bad 19.png: not an image", "and 4 more", "--skip-bad")
	if strings.Contains(err.Error(), "bad 20.png") {
		t.Errorf("more than 20 names in %q", err)
	}
	d, err = Open(context.Background(), dir, Options{SkipBad: true})
	if err != nil {
		t.Fatal(err)
	}
	want, err := Open(context.Background(), writeFolder(t, imageFiles(t)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.Train.Labels, want.Train.Labels) || !bytes.Equal(d.Train.Pixels, want.Train.Pixels) || !bytes.Equal(d.Test.Pixels, want.Test.Pixels) {
		t.Errorf("labels %v and %v, want those without the bad images", d.Train.Labels, d.Test.Labels)
	}
	if notes := strings.Join(d.Notes, "\n"); !strings.Contains(notes, "left out 24 images that cannot be read") {
		t.Errorf("notes %q", notes)
	}
	files = map[string][]byte{"train/a/1.png": nil, "train/b/1.png": files["train/red/1.png"], "test/b/1.png": files["train/red/1.png"]}
	dir = writeFolder(t, files)
	d, err = Open(context.Background(), dir, Options{SkipBad: true})
	checkError(t, d, err, dir, "the class a has no images that can be read")
}

func TestOpenManyScans(t *testing.T) {
	files := imageFiles(t)
	for i, data := range picturetest.ManyScans(t, 200) {
		files[fmt.Sprintf("train/red/many %03d.jpg", i)] = data
	}
	dir := writeFolder(t, files)
	began := time.Now()
	d, err := Open(context.Background(), dir, Options{})
	checkError(t, d, err, dir, "200 images that cannot be read", "scans", "too large")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A folder of validation images is used rather than that of test, except for a final evaluation.
func TestOpenSplits(t *testing.T) {
	picture := func(c color.Color) []byte { return picturetest.PNG(t, picturetest.Plain(2, 2, c)) }
	red, blue := picture(red()), picture(blue())
	both := func(names ...string) map[string][]byte {
		files := map[string][]byte{"train/a/IMG_0.JPG": red, "train/b/IMG_0.JPG": blue, "extra/a/1.png": red, ".git/x": nil, "labels.txt": nil}
		for i, name := range names {
			for n := range i + 1 {
				files[fmt.Sprintf("%s/a/%d.png", name, n)] = red
				files[fmt.Sprintf("%s/b/%d.png", name, n)] = blue
			}
		}
		return files
	}
	for _, test := range []struct {
		names  []string // the first has two images, the second four, the third six
		final  bool
		images int
		note   string
	}{
		{[]string{"val", "test"}, false, 2, "train is for training, val for validation, test for lamina evaluate; ignored: extra"},
		{[]string{"val", "test"}, true, 4, "test is measured; ignored: extra, val"},
		{[]string{"valid"}, false, 2, "train is for training, valid for validation; ignored: extra"},
		{[]string{"validation"}, true, 2, "validation is measured; ignored: extra"},
		{[]string{"val", "validation", "test"}, false, 4, "train is for training, validation for validation, test for lamina evaluate; ignored: extra, val"},
		{[]string{"test"}, false, 2, "train is for training, test for validation; ignored: extra"},
	} {
		d, err := Open(context.Background(), writeFolder(t, both(test.names...)), Options{Final: test.final})
		if err != nil {
			t.Errorf("%q: %v", test.names, err)
			continue
		}
		if notes := strings.Join(d.Notes, "\n"); d.Test.Len() != test.images || len(d.Notes) != 1 || !strings.Contains(notes, test.note) {
			t.Errorf("%q, final %t: %d images, notes %q", test.names, test.final, d.Test.Len(), notes)
		}
	}
}

func TestOpenBadImages(t *testing.T) {
	picture := picturetest.PNG(t, picturetest.Plain(32, 32, red()))
	photo := imageFiles(t)["train/blue things/a.jpg"]
	scans, err := os.ReadFile("../internal/picture/testdata/hostile/refine200.jpg")
	if err != nil {
		t.Fatal(err)
	}
	trainOnly := func() map[string][]byte {
		return map[string][]byte{"train/red/1.png": picture, "train/green/1.png": picture}
	}
	tests := []struct {
		name  string
		files map[string][]byte
		want  []string
	}{
		{"no classes", map[string][]byte{"train/1.png": picture, "test/red/1.png": picture}, []string{"train has no folders of images"}},
		{"no images in train", with(imageFiles(t), "train/green/notes.txt", nil), []string{filepath.Join("train", "green") + " has no images"}},
		{"no images in test", with(trainOnly(), "test/red/notes.txt", nil), []string{filepath.Join("test", "red") + " has no images"}},
		{"one class", map[string][]byte{"train/red/1.png": picture, "test/red/1.png": picture}, []string{"train has one class, red"}},
		{"nothing for validation", trainOnly(), []string{"no class has two different images"}},
		{"no train", map[string][]byte{"test/red/1.png": picture}, []string{"train does not exist: it must have a folder of images for each class"}},
		{"unknown class", with(imageFiles(t), "test/green/1.png", picture), []string{filepath.Join("test", "green"), "no such class"}},
		{"text", with(imageFiles(t), "train/red/7.png", []byte("hello")), []string{filepath.Join("red", "7.png"), "not an image"}},
		{"empty file", with(imageFiles(t), "test/red/7.jpg", nil), []string{filepath.Join("red", "7.jpg"), "not an image"}},
		{"cut off", with(imageFiles(t), "train/red/7.png", picture[:len(picture)-20]), []string{filepath.Join("red", "7.png"), "does not decode"}},
		{"JPEG cut off", with(imageFiles(t), "train/red/7.jpg", photo[:len(photo)-20]), []string{filepath.Join("red", "7.jpg"), "does not decode"}},
		{"very large", with(imageFiles(t), "train/red/7.png", picturetest.Bomb(t, 50_000, 50_000)), []string{filepath.Join("red", "7.png"), "50000x50000"}},
		{"JPEG of many scans", with(imageFiles(t), "train/red/7.jpg", scans), []string{filepath.Join("red", "7.jpg"), "scans"}},
		{"a folder", with(imageFiles(t), "train/red/7.png/x", nil), []string{filepath.Join("red", "7.png") + " is not a file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := writeFolder(t, test.files)
			d, err := Open(context.Background(), dir, Options{})
			checkError(t, d, err, append(test.want, dir)...)
		})
	}
	t.Run("empty folders", func(t *testing.T) {
		dir := t.TempDir()
		os.MkdirAll(filepath.Join(dir, "train", "red"), 0o755)
		os.MkdirAll(filepath.Join(dir, "train", "green"), 0o755)
		os.MkdirAll(filepath.Join(dir, "test", "red"), 0o755)
		d, err := Open(context.Background(), dir, Options{})
		checkError(t, d, err, "has no images")
	})
}
