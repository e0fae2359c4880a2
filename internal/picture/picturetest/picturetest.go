// Package picturetest makes image files for tests.
package picturetest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// PNG returns an image as a PNG file.
func PNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// RGB returns an image of size x size pixels, three bytes each.
func RGB(pixels []byte, size int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, size, size))
	for i := range size * size {
		copy(m.Pix[4*i:], pixels[3*i:3*i+3])
		m.Pix[4*i+3] = 255
	}
	return m
}

// Plain returns an image of one colour.
func Plain(w, h int, c color.Color) image.Image {
	m := image.NewNRGBA64(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, c)
		}
	}
	return m
}

// Bomb returns a PNG of one pixel whose header claims another size.
func Bomb(t testing.TB, width, height uint32) []byte {
	t.Helper()
	b := PNG(t, image.NewGray(image.Rect(0, 0, 1, 1)))
	header := b[12:29] // type and data of the first chunk
	binary.BigEndian.PutUint32(header[4:], width)
	binary.BigEndian.PutUint32(header[8:], height)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(header))
	return b
}

// ManyScans returns n JPEGs with many scans, each of which passes over the whole image: of another
// size, with another number of scans, and with other segments between them.
func ManyScans(t testing.TB, n int) [][]byte {
	t.Helper()
	_, self, _, _ := runtime.Caller(0)
	data, err := os.ReadFile(filepath.Join(filepath.Dir(self), "../testdata/hostile/refine200.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	var scans []int // where each begins
	for at := range data {
		if len(scans) < 3 && bytes.HasPrefix(data[at:], []byte{0xff, 0xda}) {
			scans = append(scans, at)
		}
	}
	const frame = 71
	if !bytes.HasPrefix(data[frame:], []byte{0xff, 0xc2}) {
		t.Fatal("the frame is elsewhere")
	}
	var files [][]byte
	for i := range n {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		file := bytes.Clone(data[:scans[1]])
		count, height, width := 101+r.IntN(300), 1+r.IntN(2000), 1+r.IntN(1<<15)
		if r.IntN(2) == 0 { // fewer scans of a large image
			count, height, width = 30+r.IntN(70), 1<<11, 1<<14
		}
		binary.BigEndian.PutUint16(file[frame+5:], uint16(height))
		binary.BigEndian.PutUint16(file[frame+7:], uint16(width))
		for range count {
			switch r.IntN(6) {
			case 0: // a comment that has the marker of an end
				file = append(file, 0xff, 0xfe, 0, 6, 0xff, 0xd9, 0xff, 0xd9)
			case 1: // data that are no marker, and fill bytes
				file = append(file, 1, 2, 0xff, 0, 3, 0xff, 0xff, 0xff)
			case 2: // restarts
				file = append(file, 0xff, 0xd3, 0xff, 0xd7)
			}
			file = append(file, data[scans[1]:scans[2]]...)
		}
		files = append(files, append(file, 0xff, 0xd9))
	}
	return files
}

// Noise returns an image that does not compress.
func Noise(w, h int) image.Image {
	m, r := image.NewNRGBA(image.Rect(0, 0, w, h)), rand.New(rand.NewPCG(1, 1))
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32()) | byte(i%4/3*255)
	}
	return m
}
