package cifar

import (
	"errors"
	"fmt"
	"image"
	_ "image/gif" // formats of pictures
	_ "image/jpeg"
	_ "image/png"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"
)

// Pictures beyond these limits are not decoded: a small file can hold one that fills the memory.
const (
	maxPicturePixels = 64 << 20
	maxPictureExtent = 1 << 15 // resizing makes a row of the result for each of the picture
)

// What is wrong with a picture.
var (
	ErrNoPicture       = errors.New("not a picture (PNG, JPEG, WebP or GIF)")
	ErrPictureTooLarge = errors.New("too large")
	ErrAnimatedWebP    = errors.New("an animated WebP picture: only still ones are read, save a frame of it as PNG")
)

// pictureExtensions are the ends of the names of files that are taken for pictures.
func pictureExtensions() []string { return []string{".png", ".jpg", ".jpeg", ".webp", ".gif"} }

// pictureFormats are the names that package image has for the formats. It knows others too where the program has a
// library that reads them.
func pictureFormats() []string { return []string{"png", "jpeg", "webp", "gif"} }

// IsPicture reports whether a file of that name is taken for a picture in a folder: hidden files, such
// as macOS leaves beside each picture that it copies, are not.
func IsPicture(name string) bool {
	return !hidden(name) && slices.Contains(pictureExtensions(), strings.ToLower(filepath.Ext(name)))
}

func hidden(name string) bool { return strings.HasPrefix(filepath.Base(name), ".") }

// Picture is a picture of which only the size has been read.
type Picture struct {
	Width, Height int
	file          io.ReadSeeker
}

// OpenPicture reads the size of a PNG, JPEG, WebP or GIF picture, which stands at its front. An error
// is ErrNoPicture, ErrPictureTooLarge, ErrAnimatedWebP, or tells how the file is damaged.
func OpenPicture(file io.ReadSeeker) (*Picture, error) {
	config, format, err := image.DecodeConfig(file)
	switch {
	case errors.Is(err, image.ErrFormat), !slices.Contains(pictureFormats(), format):
		return nil, ErrNoPicture
	case err != nil:
		return nil, undecodable(err)
	case config.Width < 1 || config.Height < 1:
		return nil, errors.New("the picture has no pixels")
	case config.Width > maxPictureExtent || config.Height > maxPictureExtent || config.Width*config.Height > maxPicturePixels:
		return nil, fmt.Errorf("a picture of %dx%d pixels is %w: at most %d are read in a row or column, and %d million in all",
			config.Width, config.Height, ErrPictureTooLarge, maxPictureExtent, maxPicturePixels>>20)
	case format == "webp":
		if err := checkStill(file); err != nil {
			return nil, err
		}
	}
	return &Picture{config.Width, config.Height, file}, nil
}

// Read sets dst to the pixels, (height, width, 3) of red, green and blue, of the picture resized to
// that height and width without regard to its proportions. It is on black where it is transparent;
// of an animation this is the first frame.
func (p *Picture) Read(dst []byte, height, width int) error {
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	m, format, err := image.Decode(p.file)
	if err != nil {
		return undecodable(err)
	}
	if format == "webp" {
		fullRange(m)
	}
	if all := image.Rect(0, 0, p.Width, p.Height); m.Bounds() != all { // a frame that fills a part of a GIF
		whole := image.NewRGBA(all)
		draw.Draw(whole, m.Bounds(), m, m.Bounds().Min, draw.Src)
		m = whole
	}
	resize(dst, m, height, width)
	return nil
}

// checkStill returns ErrAnimatedWebP for a WebP that says so in its header, which is one of the extended format.
func checkStill(file io.ReadSeeker) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	const flags, animation = 20, 1 << 1 // "RIFF", size, "WEBP", "VP8X", size, flags
	var head [flags + 1]byte
	if _, err := io.ReadFull(file, head[:]); err != nil {
		return undecodable(err)
	}
	if string(head[12:16]) == "VP8X" && head[flags]&animation != 0 {
		return ErrAnimatedWebP
	}
	return nil
}

// fullRange makes the luma of a lossy WebP, from 16 to 235, and its chroma, from 16 to 240, what
// package image takes them for: numbers from 0 to 255, as in JPEG.
func fullRange(m image.Image) {
	stretch := func(plane []byte, from, to, extent float64) {
		for i, v := range plane {
			plane[i] = byte(min(max(math.Round((float64(v)-from)*255/extent+to), 0), 255))
		}
	}
	var planes *image.YCbCr
	switch m := m.(type) {
	case *image.YCbCr:
		planes = m
	case *image.NYCbCrA:
		planes = &m.YCbCr
	default:
		return // lossless
	}
	stretch(planes.Y, 16, 0, 219)
	stretch(planes.Cb, 128, 128, 224)
	stretch(planes.Cr, 128, 128, 224)
}

func undecodable(err error) error { return fmt.Errorf("the picture does not decode: %w", cut(err)) }

// resize sets dst to the pixels of m at that size, on black where m is transparent.
func resize(dst []byte, m image.Image, height, width int) {
	small := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(small, small.Bounds(), image.Black, image.Point{}, draw.Src)
	if m.Bounds().Size() == small.Bounds().Size() {
		draw.Draw(small, small.Bounds(), m, m.Bounds().Min, draw.Over)
	} else {
		draw.CatmullRom.Scale(small, small.Bounds(), m, m.Bounds(), draw.Over, nil)
	}
	for i := range height * width {
		copy(dst[3*i:3*i+3], small.Pix[4*i:])
	}
}
