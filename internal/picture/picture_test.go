package picture

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

// pixels decodes an image and resizes it.
func pixels(data []byte, height, width int) ([]byte, error) {
	p, err := Open(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	m, err := p.Decode(context.Background())
	if err != nil {
		return nil, err
	}
	dst := make([]byte, height*width*3)
	Resize(dst, m, height, width, Squash)
	return dst, nil
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

// TestFormats decodes images of one colour, made by testdata/pictures.py and by Go.
func TestFormats(t *testing.T) {
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
		{"16 bits", picturetest.PNG(t, picturetest.Plain(32, 32, color.NRGBA64{0xc8ff, 0x0aff, 0x14ff, 0xffff})), red(), 0},
		{"grey of 16 bits", picturetest.PNG(t, image.NewGray16(image.Rect(0, 0, 9, 9))), color.NRGBA{}, 0},
		{"one pixel", picturetest.PNG(t, picturetest.Plain(1, 1, red())), red(), 0},
		{"wide", picturetest.PNG(t, picturetest.Plain(2000, 3, red())), red(), 0},
		{"transparent", picturetest.PNG(t, picturetest.Plain(50, 50, color.NRGBA{255, 255, 255, 0})), color.NRGBA{}, 0},
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
	t.Run("frame smaller than the canvas", func(t *testing.T) {
		got, err := pixels(gifOf(t), 32, 32)
		if err != nil {
			t.Fatal(err)
		}
		checkColour(t, got[:len(got)/2], red(), 0)
		checkColour(t, got[len(got)/2:], color.NRGBA{}, 0)
	})
}

func TestRejected(t *testing.T) {
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
		{"nothing", nil, ErrFormat},
		{"text", []byte("hello"), ErrFormat},
		{"bomb", picturetest.Bomb(t, 50_000, 50_000), ErrTooLarge},
		{"tower", picturetest.Bomb(t, 1, 1<<15+1), ErrTooLarge},
		{"beam", picturetest.Bomb(t, 1<<31-1, 1), ErrTooLarge},
		{"half a PNG", picturetest.PNG(t, picturetest.Plain(32, 32, red()))[:60], nil},
		{"half a JPEG", photo[:len(photo)/2], nil},
		{"half a GIF", gifOf(t)[:40], nil},
		{"a head alone", photo[:3], nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := pixels(test.data, 32, 32)
			if err == nil || test.want != nil && !errors.Is(err, test.want) ||
				test.want == nil && (errors.Is(err, ErrFormat) || errors.Is(err, ErrTooLarge)) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestIsName(t *testing.T) {
	for name, want := range map[string]bool{
		"a.png": true, "a.JPEG": true, "../photos/a.gif": true, "./a.b.webp": true,
		"a.txt": false, "png": false, "a.png/b": false, "._a.png": false, "photos/.a.png": false, ".png": false,
	} {
		if got := IsName(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestResize(t *testing.T) {
	const size = 32
	r := rand.New(rand.NewPCG(1, 1))
	small := image.NewNRGBA(image.Rect(5, 7, 5+size, 7+size))
	for i := range small.Pix {
		small.Pix[i] = byte(r.Uint32())
		if i%4 == 3 {
			small.Pix[i] = 255
		}
	}
	got := make([]byte, size*size*3)
	Resize(got, small, size, size, Squash)
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
	Resize(got, large, size, size, Squash)
	for i, v := range got {
		want := byte(0)
		if i/3%size < size/2 {
			want = 255
		}
		if x := i / 3 % size; (x < 14 || x > 17) && v != want {
			t.Fatalf("320x200: pixel %d of a row is %d, want %d", x, v, want)
		}
	}

	// What is transparent is black.
	Resize(got, picturetest.Plain(64, 64, color.NRGBA{255, 100, 50, 51}), size, size, Squash)
	if got[0] != 51 || got[1] != 20 || got[2] != 10 {
		t.Errorf("a fifth of (255, 100, 50) is %v", got[:3])
	}
}

func red() color.NRGBA  { return color.NRGBA{200, 10, 20, 255} }
func blue() color.NRGBA { return color.NRGBA{0, 20, 240, 255} }
