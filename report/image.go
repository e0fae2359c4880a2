package report

import (
	"bytes"
	"encoding/base64"
	"html/template"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
)

// Image is an image of a [Gallery].
type Image struct {
	Data  []byte // what Encode returns
	Type  string // the same
	Tiny  bool   // show its pixels
	Label string // what it shows
	Wrong string // what it was taken for, "" for nothing
}

// URL returns the image as a link that has it inside.
func (i Image) URL() template.URL {
	return template.URL("data:" + i.Type + ";base64," + base64.StdEncoding.EncodeToString(i.Data))
}

// exactSide is the longer side up to which an image is encoded without loss.
const exactSide = 48

// thumbnailSide is the longer side of an image in a page.
const thumbnailSide = 96

// NewImage returns an image for a page, with a label. Large ones shrink.
func NewImage(m image.Image, label string) (Image, error) {
	if size := m.Bounds().Size(); max(size.X, size.Y) > thumbnailSide {
		small := image.NewRGBA(image.Rect(0, 0, shrunk(size.X, size), shrunk(size.Y, size)))
		draw.CatmullRom.Scale(small, small.Bounds(), m, m.Bounds(), draw.Src, nil)
		m = small
	}
	size := m.Bounds().Size()
	data, kind, err := Encode(m)
	return Image{Data: data, Type: kind, Tiny: max(size.X, size.Y) <= exactSide, Label: label}, err
}

// shrunk returns the side of the thumbnail of an image of that size.
func shrunk(side int, size image.Point) int {
	return max(1, side*thumbnailSide/max(size.X, size.Y))
}

// Encode returns an image as a file, and its content type: PNG if it is small, else JPEG.
func Encode(m image.Image) (data []byte, contentType string, err error) {
	var b bytes.Buffer
	if size := m.Bounds().Size(); max(size.X, size.Y) <= exactSide {
		err = png.Encode(&b, m)
		return b.Bytes(), "image/png", err
	}
	const quality = 90
	err = jpeg.Encode(&b, m, &jpeg.Options{Quality: quality})
	return b.Bytes(), "image/jpeg", err
}
