package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/boundtest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

// TestManyScans has JPEGs whose scans of a few bytes pass over the whole image.
func TestManyScans(t *testing.T) {
	data, err := os.ReadFile("testdata/hostile/refine200.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for i, data := range append(picturetest.ManyScans(t, 200), data) {
		boundtest.Within(t, len(data), func() {
			_, err := pixels(data, 32, 32)
			if !errors.Is(err, ErrTooLarge) || strings.Contains(err.Error(), "\n") {
				t.Errorf("file %d of %d bytes: %v", i, len(data), err)
			}
		})
	}
}

// TestMemory has images of one colour that are far larger than their files.
func TestMemory(t *testing.T) {
	for name, m := range map[string]image.Image{
		"16 bits": image.NewRGBA64(image.Rect(0, 0, 4000, 4000)),
		"8 bits":  image.NewRGBA(image.Rect(0, 0, 8000, 4000)),
	} {
		data := picturetest.PNG(t, m)
		boundtest.Within(t, len(data), func() {
			if _, err := Open(bytes.NewReader(data)); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s, %d bytes: %v", name, len(data), err)
			}
		})
	}
	plain := picturetest.PNG(t, image.NewGray(image.Rect(0, 0, 6000, 5000)))
	if _, err := Open(bytes.NewReader(plain)); err != nil {
		t.Errorf("a plain page of %d bytes: %v", len(plain), err)
	}
}

// TestCanceled ends decoding while the file is read.
func TestCanceled(t *testing.T) {
	data := picturetest.PNG(t, picturetest.Noise(500, 500))
	ctx, cancel := context.WithCancelCause(context.Background())
	file := &canceling{bytes.NewReader(data), 3 * 4096, func() { cancel(io.ErrClosedPipe) }}
	p, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Decode(ctx); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v, want the cause", err)
	}
	if at, _ := file.Seek(0, io.SeekCurrent); at > 5*4096 {
		t.Errorf("read on to byte %d of %d", at, len(data))
	}
}

// canceling calls cancel once more than left bytes are read.
type canceling struct {
	*bytes.Reader
	left   int
	cancel func()
}

func (c *canceling) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	if c.left -= n; c.left < 0 {
		c.cancel()
	}
	return n, err
}

// TestOrientation decodes one scene that was stored in four orientations.
func TestOrientation(t *testing.T) {
	read := func(name string) []byte {
		data, err := os.ReadFile("testdata/orientation/exif_orientation_" + name + ".jpg")
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	want, err := pixels(read("1"), 32, 48)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"3", "6", "8"} {
		got, err := pixels(read(name), 32, 48)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for i := range got {
			sum += int(max(got[i], want[i]) - min(got[i], want[i]))
		}
		if mean := float64(sum) / float64(len(got)); mean > 3 { // JPEG loses a little in each
			t.Errorf("orientation %s differs by %.1f on average", name, mean)
		}
	}
}

// TestOrientations compares all orientations of six pixels with where EXIF 2.32, section 4.6.4,
// puts the first row and the first column.
func TestOrientations(t *testing.T) {
	stored := image.NewGray(image.Rect(0, 0, 3, 2))
	copy(stored.Pix, []byte{1, 2, 3, 4, 5, 6})
	for o, want := range map[orientation][]byte{
		1: {1, 2, 3, 4, 5, 6}, // top, left
		2: {3, 2, 1, 6, 5, 4}, // top, right
		3: {6, 5, 4, 3, 2, 1}, // bottom, right
		4: {4, 5, 6, 1, 2, 3}, // bottom, left
		5: {1, 4, 2, 5, 3, 6}, // left, top
		6: {4, 1, 5, 2, 6, 3}, // right, top
		7: {6, 3, 5, 2, 4, 1}, // right, bottom
		8: {3, 6, 2, 5, 1, 4}, // left, bottom
	} {
		m := turned{stored, o}
		size := m.Bounds().Size()
		got := make([]byte, 6*3)
		Resize(got, m, size.Y, size.X, Squash)
		for i, v := range want {
			x, y := i%size.X, i/size.X
			if at := m.At(x, y); got[3*i] != v || at != (color.Gray{v}) {
				t.Errorf("orientation %d, pixel (%d, %d): %d and %v, want %d", o, x, y, got[3*i], at, v)
			}
		}
	}
}

// TestChunks decodes a PNG and a WebP whose EXIF data say that they lie on their side.
func TestChunks(t *testing.T) {
	exif := []byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	stored := image.NewGray(image.Rect(0, 0, 3, 2))
	copy(stored.Pix, []byte{10, 20, 30, 40, 50, 60})
	plain := picturetest.PNG(t, stored)
	chunk := append(binary.BigEndian.AppendUint32(nil, uint32(len(exif))), "eXIf"...)
	chunk = append(chunk, exif...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	const first, last = 8 + 25, 12 // the header at the start, and the end of a PNG
	webp, err := os.ReadFile("testdata/pictures/lossless.webp")
	if err != nil {
		t.Fatal(err)
	}
	for name, prefix := range map[string]string{"plain": "", "prefix": exifStart} {
		data := append(append(bytes.Clone(webp), "EXIF"...), binary.LittleEndian.AppendUint32(nil, uint32(len(prefix)+len(exif)))...)
		data = append(append(data, prefix...), exif...)
		binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-8))
		if p, err := Open(bytes.NewReader(data)); err != nil || p.orientation != 6 {
			t.Errorf("WebP, %s: %+v, %v", name, p, err)
		}
	}
	for _, at := range []int{first, len(plain) - last} {
		got, err := pixels(slices.Concat(plain[:at], chunk, plain[at:]), 3, 2)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []byte{40, 10, 50, 20, 60, 30} {
			if got[3*i] != want {
				t.Fatalf("EXIF at byte %d: pixel %d is %d, want %d", at, i, got[3*i], want)
			}
		}
	}
	for n := range chunk {
		got, err := pixels(slices.Concat(plain[:first], chunk[:n]), 3, 2)
		if err == nil {
			t.Errorf("cut off after %d bytes of EXIF: %v", n, got)
		}
	}
}

func TestReadOrientation(t *testing.T) {
	big := []byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	little := []byte("II*\x00\x08\x00\x00\x00\x02\x00\x0f\x01\x02\x00\x01\x00\x00\x00A\x00\x00\x00\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00")
	change := func(at int, v byte) []byte {
		b := bytes.Clone(big)
		b[at] = v
		return b
	}
	for _, test := range []struct {
		name string
		tiff []byte
		want orientation
	}{
		{"big-endian", big, 6}, {"little-endian", little, 8},
		{"nothing", nil, upright}, {"another order", change(0, 'X'), upright},
		{"another tag", change(11, 0x13), upright}, {"another type", change(13, 4), upright},
		{"no such orientation", change(19, 9), upright}, {"zero", change(19, 0), upright},
		{"a directory past the end", change(4, 0xff), upright},
		{"more entries than there are", append(change(9, 9)[:10], make([]byte, 20)...), upright},
	} {
		if got := readOrientation(test.tiff); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	for n := range big[:20] {
		if got := readOrientation(big[:n]); got != upright {
			t.Errorf("cut off after %d bytes: %d", n, got)
		}
	}
}
