package cifar

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func pngOf(t testing.TB, m image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// plain returns a picture of one colour.
func plain(w, h int, c color.Color) image.Image {
	m := image.NewNRGBA64(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, c)
		}
	}
	return m
}

func red() color.NRGBA  { return color.NRGBA{200, 10, 20, 255} }
func blue() color.NRGBA { return color.NRGBA{0, 20, 240, 255} }

// pictureFiles returns a folder of pictures of two classes.
func pictureFiles(t testing.TB) map[string][]byte {
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, plain(40, 50, blue()), nil); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"train/red/1.png":          pngOf(t, plain(32, 32, red())),
		"train/red/2.PNG":          pngOf(t, plain(100, 7, red())),
		"train/blue things/a.jpg":  photo.Bytes(),
		"train/blue things/b.jpeg": photo.Bytes(),
		"train/blue things/c.JPG":  photo.Bytes(),
		"test/red/1.png":           pngOf(t, plain(1, 1, red())),
		"train/red/notes.txt":      []byte("red"),
		"train/.cache/x.png":       nil,
		"train/list.csv":           nil,
		"train/red/._1.png":        []byte("what macOS leaves"),
	}
}

func TestOpenPictures(t *testing.T) {
	d, err := Open(context.Background(), writeFolder(t, pictureFiles(t)), nil)
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
	for _, want := range []string{"test has no pictures of blue things: validation is without",
		"2 passed over, the first ", filepath.Join("train", "list.csv")} {
		if len(d.Notes) != 2 || !strings.Contains(notes, want) {
			t.Errorf("%q is not in the two notes %q", want, d.Notes)
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

func TestResize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	small := image.NewNRGBA(image.Rect(5, 7, 5+Size, 7+Size))
	for i := range small.Pix {
		small.Pix[i] = byte(r.Uint32())
		if i%4 == 3 {
			small.Pix[i] = 255
		}
	}
	got := make([]byte, imageBytes)
	resize(got, small, Size, Size)
	for i, v := range got {
		if want := small.Pix[i/3*4+i%3]; v != want {
			t.Fatalf("32x32: byte %d is %d, want %d", i, v, want)
		}
	}

	// Left white, right black, much larger; the middle alone is between them.
	large := image.NewGray(image.Rect(0, 0, 320, 200))
	for i := range large.Pix {
		if i%320 < 160 {
			large.Pix[i] = 255
		}
	}
	resize(got, large, Size, Size)
	for i, v := range got {
		want := byte(0)
		if i/3%Size < Size/2 {
			want = 255
		}
		if x := i / 3 % Size; (x < 14 || x > 17) && v != want {
			t.Fatalf("320x200: pixel %d of a row is %d, want %d", x, v, want)
		}
	}

	// What is transparent is black.
	resize(got, plain(64, 64, color.NRGBA{255, 100, 50, 51}), Size, Size)
	if got[0] != 51 || got[1] != 20 || got[2] != 10 {
		t.Errorf("a fifth of (255, 100, 50) is %v", got[:3])
	}
}

// bombOf returns a PNG of one pixel that says it has a size.
func bombOf(t testing.TB, width, height uint32) []byte {
	b := pngOf(t, plain(1, 1, red()))
	header := b[12:29] // type and data of the first chunk
	binary.BigEndian.PutUint32(header[4:], width)
	binary.BigEndian.PutUint32(header[8:], height)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(header))
	return b
}

func TestOpenBadPictures(t *testing.T) {
	picture := pngOf(t, plain(32, 32, red()))
	photo := pictureFiles(t)["train/blue things/a.jpg"]
	trainOnly := func() map[string][]byte {
		return map[string][]byte{"train/red/1.png": picture, "train/green/1.png": picture}
	}
	tests := []struct {
		name  string
		files map[string][]byte
		want  []string
	}{
		{"no classes", map[string][]byte{"train/1.png": picture, "test/red/1.png": picture}, []string{"train has no folders of pictures"}},
		{"no pictures in train", with(pictureFiles(t), "train/green/notes.txt", nil), []string{filepath.Join("train", "green") + " has no pictures"}},
		{"no pictures in test", with(trainOnly(), "test/red/notes.txt", nil), []string{filepath.Join("test", "red") + " has no pictures"}},
		{"one class", map[string][]byte{"train/red/1.png": picture, "test/red/1.png": picture}, []string{"train has one class, red"}},
		{"no test", trainOnly(), []string{"there is no ", "test: it must have a folder of pictures for each class"}},
		{"no train", map[string][]byte{"test/red/1.png": picture}, []string{"there is no ", "train: it must have a folder of pictures for each class"}},
		{"unknown class", with(pictureFiles(t), "test/green/1.png", picture), []string{filepath.Join("test", "green"), "no such class"}},
		{"text", with(pictureFiles(t), "train/red/7.png", []byte("hello")), []string{filepath.Join("red", "7.png"), "not a picture"}},
		{"empty file", with(pictureFiles(t), "test/red/7.jpg", nil), []string{filepath.Join("red", "7.jpg"), "not a picture"}},
		{"cut off", with(pictureFiles(t), "train/red/7.png", picture[:len(picture)-20]), []string{filepath.Join("red", "7.png"), "does not decode"}},
		{"JPEG cut off", with(pictureFiles(t), "train/red/7.jpg", photo[:len(photo)-20]), []string{filepath.Join("red", "7.jpg"), "does not decode"}},
		{"very large", with(pictureFiles(t), "train/red/7.png", bombOf(t, 50_000, 50_000)), []string{filepath.Join("red", "7.png"), "50000x50000"}},
		{"a folder", with(pictureFiles(t), "train/red/7.png/x", nil), []string{filepath.Join("red", "7.png") + " is not a file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := writeFolder(t, test.files)
			d, err := Open(context.Background(), dir, nil)
			checkError(t, d, err, append(test.want, dir)...)
		})
	}
	t.Run("empty folders", func(t *testing.T) {
		dir := t.TempDir()
		os.MkdirAll(filepath.Join(dir, "train", "red"), 0o755)
		os.MkdirAll(filepath.Join(dir, "train", "green"), 0o755)
		d, err := Open(context.Background(), dir, nil)
		checkError(t, d, err, "has no pictures")
	})
}
