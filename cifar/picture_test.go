package cifar

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"os"
	"path/filepath"
	"testing"
)

// pixels reads a picture at the size.
func pixels(data []byte, height, width int) ([]byte, error) {
	p, err := OpenPicture(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	dst := make([]byte, height*width*Channels)
	return dst, p.Read(dst, height, width)
}

// checkColour compares all pixels with one colour.
func checkColour(t *testing.T, pixels []byte, want color.NRGBA, tolerance byte) {
	t.Helper()
	for i, got := range pixels {
		if v := []byte{want.R, want.G, want.B}[i%3]; max(got, v)-min(got, v) > tolerance {
			t.Fatalf("byte %d is %d, want %d", i, got, v)
		}
	}
}

// gifOf returns an animation of a frame at the top left of a canvas, and another.
func gifOf(t testing.TB) []byte {
	palette := color.Palette{red(), blue()}
	first, second := image.NewPaletted(image.Rect(0, 0, 32, 16), palette), image.NewPaletted(image.Rect(0, 0, 32, 32), palette)
	for i := range second.Pix {
		second.Pix[i] = 1
	}
	var b bytes.Buffer
	err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{first, second}, Delay: []int{1, 1},
		Config: image.Config{ColorModel: palette, Width: 32, Height: 32}})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPictureFormats reads pictures of one colour, made by testdata/pictures.py and by Go.
func TestPictureFormats(t *testing.T) {
	grey := color.NRGBA{77, 77, 77, 255}
	tests := []struct {
		name      string
		data      []byte // the file of that name if nil
		want      color.NRGBA
		tolerance byte
	}{
		{"lossless.webp", nil, red(), 0},
		{"lossy.webp", nil, red(), 4},
		{"alpha.webp", nil, color.NRGBA{40, 2, 4, 255}, 0},
		{"animated.gif", nil, red(), 0},
		{"cmyk.jpg", nil, red(), 3},
		{"progressive.jpg", nil, red(), 3},
		{"grey.jpg", nil, grey, 1},
		{"16 bits", pngOf(t, plain(32, 32, color.NRGBA64{0xc8ff, 0x0aff, 0x14ff, 0xffff})), red(), 0},
		{"grey of 16 bits", pngOf(t, image.NewGray16(image.Rect(0, 0, 9, 9))), color.NRGBA{}, 0},
		{"one pixel", pngOf(t, plain(1, 1, red())), red(), 0},
		{"wide", pngOf(t, plain(2000, 3, red())), red(), 0},
		{"transparent", pngOf(t, plain(50, 50, color.NRGBA{255, 255, 255, 0})), color.NRGBA{}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.data == nil {
				var err error
				if test.data, err = os.ReadFile(filepath.Join("testdata", "pictures", test.name)); err != nil {
					t.Fatal(err)
				}
			}
			for _, size := range [][2]int{{32, 32}, {5, 70}, {1, 1}} {
				got, err := pixels(test.data, size[0], size[1])
				if err != nil {
					t.Fatal(err)
				}
				checkColour(t, got, test.want, test.tolerance)
			}
		})
	}
	t.Run("frame that fills a part", func(t *testing.T) {
		got, err := pixels(gifOf(t), 32, 32)
		if err != nil {
			t.Fatal(err)
		}
		checkColour(t, got[:len(got)/2], red(), 0)
		checkColour(t, got[len(got)/2:], color.NRGBA{}, 0)
	})
}

func TestBadPictures(t *testing.T) {
	photo, err := os.ReadFile("testdata/pictures/progressive.jpg")
	if err != nil {
		t.Fatal(err)
	}
	animation, err := os.ReadFile("testdata/pictures/animated.webp")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		data []byte
		want error // nil of what is damaged
	}{
		{"animated WebP", animation, ErrAnimatedWebP},
		{"nothing", nil, ErrNoPicture},
		{"text", []byte("hello"), ErrNoPicture},
		{"bomb", bombOf(t, 50_000, 50_000), ErrPictureTooLarge},
		{"tower", bombOf(t, 1, 1<<15+1), ErrPictureTooLarge},
		{"beam", bombOf(t, 1<<31-1, 1), ErrPictureTooLarge},
		{"half a PNG", pngOf(t, plain(32, 32, red()))[:60], nil},
		{"half a JPEG", photo[:len(photo)/2], nil},
		{"half a GIF", gifOf(t)[:40], nil},
		{"a head alone", photo[:3], nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := pixels(test.data, 32, 32)
			if err == nil || test.want != nil && !errors.Is(err, test.want) ||
				test.want == nil && (errors.Is(err, ErrNoPicture) || errors.Is(err, ErrPictureTooLarge)) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestIsPicture(t *testing.T) {
	for name, want := range map[string]bool{
		"a.png": true, "a.JPEG": true, "../photos/a.gif": true, "./a.b.webp": true,
		"a.txt": false, "png": false, "a.png/b": false, "._a.png": false, "photos/.a.png": false, ".png": false,
	} {
		if got := IsPicture(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
