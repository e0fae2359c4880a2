package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"io"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/lamina-go/lamina/internal/boundtest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

func encoded(t testing.TB, encode func(w io.Writer, m image.Image) error, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func plainTIFF(w io.Writer, m image.Image) error { return tiff.Encode(w, m, nil) }

func deflatedTIFF(w io.Writer, m image.Image) error {
	return tiff.Encode(w, m, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
}

// TestBitmaps compares BMP and TIFF files with a PNG of the same pixels.
func TestBitmaps(t *testing.T) {
	m := picturetest.Noise(70, 50)
	for name, encode := range map[string]func(io.Writer, image.Image) error{
		"BMP": bmp.Encode, "TIFF": plainTIFF, "deflated TIFF": deflatedTIFF,
	} {
		data := encoded(t, encode, m)
		got, err := pixels(data, 32, 32)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := pixels(picturetest.PNG(t, m), 32, 32)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: other pixels than of the PNG", name)
		}
		for n := range len(data) - 1 {
			if n > 200 && n < len(data)-200 && n%97 > 0 {
				continue
			}
			if _, err := pixels(data[:n], 32, 32); err == nil && n < len(data)-16 { // the resolution
				t.Errorf("%s: no error of a file cut off after %d of %d bytes", name, n, len(data))
			}
		}
		if _, err := pixels(data, 1, 1); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		p, err := Open(bytes.NewReader(data))
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Decode(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v after the context ended", name, err)
		}
	}
	for name := range map[string]bool{"a.bmp": true, "B.TIF": true, "c.tiff": true} {
		if !IsName(name) {
			t.Errorf("%s is not the name of an image", name)
		}
	}
}

// directory returns a little-endian TIFF: data from byte 8 on, then a directory of tag, type, count
// and value of each entry.
func directory(data []byte, entries ...[4]uint32) []byte {
	b := append([]byte("II*\x00"), binary.LittleEndian.AppendUint32(nil, uint32(8+len(data)))...)
	b = append(b, data...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(entries)))
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
		b = binary.LittleEndian.AppendUint32(b, e[3])
	}
	return append(b, 0, 0, 0, 0)
}

// grey returns a TIFF of grey pixels in strips of some rows.
func grey(width, height, rows, compression uint32, data []byte, strips, offsets, counts uint32, more ...[4]uint32) []byte {
	const short, long = 3, 4
	entries := [][4]uint32{{tagWidth, long, 1, width}, {tagHeight, long, 1, height}, {258, short, 1, 8},
		{tagCompression, short, 1, compression}, {262, short, 1, 1}, {273, long, strips, offsets}}
	entries = append(entries, more...)
	return directory(data, append(entries, [4]uint32{tagRowsPerStrip, long, 1, rows}, [4]uint32{tagStripByteCounts, long, strips, counts})...)
}

// A TIFF is upright by its own tag.
func TestTIFFOrientation(t *testing.T) {
	data := grey(3, 2, 2, 1, []byte{10, 20, 30, 40, 50, 60}, 1, 8, 6, [4]uint32{tagOrientation, 3, 1, 6})
	got, err := pixels(data, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []byte{40, 10, 50, 20, 60, 30} {
		if got[3*i] != want {
			t.Errorf("pixel %d is %d, want %d", i, got[3*i], want)
		}
	}
}

// TestHostileTIFF has small files that would take much memory or work.
func TestHostileTIFF(t *testing.T) {
	const strips, deflate = 30_000, 8
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(i * i)
	}
	var table []byte // all strips are the same data
	for range strips {
		table = binary.LittleEndian.AppendUint32(table, 8)
	}
	for range strips {
		table = binary.LittleEndian.AppendUint32(table, uint32(len(noise)))
	}
	at := uint32(8 + len(noise))
	for name, data := range map[string][]byte{
		"overlapping strips":   grey(1000, strips, 1, deflate, append(noise, table...), strips, at, at+4*strips),
		"one strip, deflated":  grey(8000, 8000, 8000, deflate, make([]byte, 100), 1, 8, 100),
		"a large size":         grey(1<<15, 1<<15, 1, 1, nil, 1, 8, 1),
		"a directory far away": append([]byte("II*\x00"), 0xff, 0xff, 0xff, 0xff),
		"16 bits":              encoded(t, deflatedTIFF, image.NewRGBA64(image.Rect(0, 0, 4000, 4000))),
	} {
		boundtest.Within(t, len(data), func() {
			_, err := pixels(data, 32, 32)
			if err == nil || name != "a directory far away" && !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s, %d bytes: %v", name, len(data), err)
			}
		})
	}
	large := encoded(t, bmp.Encode, image.NewGray(image.Rect(0, 0, 8, 8)))
	binary.LittleEndian.PutUint32(large[18:], 30_000)
	binary.LittleEndian.PutUint32(large[22:], 30_000)
	if _, err := Open(bytes.NewReader(large)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large BMP: %v", err)
	}
}
