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

// Noise returns an image that does not compress.
func Noise(w, h int) image.Image {
	m, r := image.NewNRGBA(image.Rect(0, 0, w, h)), rand.New(rand.NewPCG(1, 1))
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32()) | byte(i%4/3*255)
	}
	return m
}
