// Package picture decodes the image files that users give, within limits, and resizes them for a
// network. It reads PNG, JPEG, WebP, GIF, BMP and TIFF.
package picture

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // the formats that image.Decode knows
	_ "image/jpeg"
	_ "image/png"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	_ "golang.org/x/image/bmp"
	"golang.org/x/image/draw"
	"golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"

	"github.com/lamina-go/lamina/internal/infile"
)

// Larger images are not decoded: a small file can expand to one that fills the memory.
const (
	maxPixels = 64 << 20
	maxExtent = 1 << 15 // resizing makes an intermediate row for each row of the image
)

// The memory that decoding may take. A large image is worth more if its file is large.
const (
	maxMemory     = 64 << 20
	memoryPerByte = 256
)

// The reasons to reject a file.
var (
	ErrFormat       = errors.New("not an image (PNG, JPEG, WebP, GIF, BMP or TIFF)")
	ErrTooLarge     = errors.New("too large")
	ErrAnimatedWebP = errors.New("an animated WebP: only still images are supported, save a frame as PNG")
)

// Extensions returns the extensions of the files that [IsName] accepts.
func Extensions() []string {
	return []string{".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
}

// formats returns package image's names of the formats. A program that links other decoders can
// decode more.
func formats() []string { return []string{"png", "jpeg", "webp", "gif", "bmp", "tiff"} }

// IsName reports whether a file in a folder counts as an image by its name. Hidden files do not,
// such as the "._" file that macOS leaves beside each file that it copies.
func IsName(name string) bool {
	return !IsHidden(name) && slices.Contains(Extensions(), strings.ToLower(filepath.Ext(name)))
}

// IsHidden reports whether the last element of a path begins with a dot.
func IsHidden(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") }

// Picture is an image file of which only the headers have been read.
type Picture struct {
	Width, Height int // as stored
	file          io.ReadSeeker
	format        string
	orientation   orientation
}

// Open reads the size of an image and how it is stored. An error is [ErrFormat], [ErrTooLarge],
// [ErrAnimatedWebP], or says how the file is damaged. An image is too large by its size, or by the
// work or memory that it takes. The file must be at its start and stay open for [Picture.Decode].
func Open(file io.ReadSeeker) (*Picture, error) {
	config, format, err := decodeConfig(file)
	switch {
	case errors.Is(err, image.ErrFormat), !slices.Contains(formats(), format):
		return nil, ErrFormat
	case err != nil:
		return nil, undecodable(err)
	case config.Width < 1 || config.Height < 1:
		return nil, errors.New("the image has no pixels")
	case config.Width > maxExtent || config.Height > maxExtent || config.Width*config.Height > maxPixels:
		return nil, fmt.Errorf("an image of %dx%d pixels is %w: the limit is %d in a row or column and %d million in all",
			config.Width, config.Height, ErrTooLarge, maxExtent, maxPixels>>20)
	}
	p := &Picture{config.Width, config.Height, file, format, upright}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	pixels := int64(p.Width) * int64(p.Height)
	memory := pixels * pixelBytes(config.ColorModel)
	switch format {
	case "gif":
		memory += 4 * pixels // of the canvas
	case "png":
		p.orientation = chunkOrientation(file, format)
	case "webp":
		if err := checkStill(file); err != nil {
			return nil, err
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		p.orientation = chunkOrientation(file, format)
	case "jpeg":
		j, err := readJPEG(file, size)
		if err != nil {
			return nil, err
		}
		p.orientation, memory = j.orientation, j.memory(pixels)
	case "tiff":
		t := readTIFF(&readerAt{context.Background(), file}, size)
		blocks, err := t.cost(size)
		if err != nil {
			return nil, err
		}
		memory += blocks
		if o := orientation(t.first[tagOrientation]); o >= upright && o <= lastOrientation {
			p.orientation = o
		}
	}
	if memory > maxMemory+memoryPerByte*size {
		return nil, fmt.Errorf("an image of %dx%d pixels in %d bytes is %w: it takes %d MB to decode",
			p.Width, p.Height, size, ErrTooLarge, memory>>20)
	}
	return p, nil
}

// decodeConfig is image.DecodeConfig. The directory of a TIFF may be anywhere, and is not read
// through a buffer of all that is before it.
func decodeConfig(file io.ReadSeeker) (image.Config, string, error) {
	var head [4]byte
	_, err := io.ReadFull(file, head[:])
	if err == nil && isTIFF(head[:]) {
		config, err := tiff.DecodeConfig(&readerAt{context.Background(), file})
		return config, "tiff", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return image.Config{}, "", err
	}
	return image.DecodeConfig(file)
}

// pixelBytes returns how much memory decoding takes for a pixel at most, but of JPEG.
func pixelBytes(m color.Model) int64 {
	switch m {
	case color.GrayModel:
		return 1
	case color.Gray16Model:
		return 2
	case color.YCbCrModel:
		return 3
	case color.RGBA64Model, color.NRGBA64Model, color.NYCbCrAModel: // the alpha of the last is decoded as RGBA
		return 8
	}
	if _, ok := m.(color.Palette); ok {
		return 1
	}
	return 4
}

// Decode returns the upright image, of an animation the first frame. It ends soon after ctx.
func (p *Picture) Decode(ctx context.Context) (image.Image, error) {
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var m image.Image
	var err error
	if p.format == "tiff" {
		m, err = tiff.Decode(&readerAt{ctx, p.file})
	} else {
		m, _, err = image.Decode(&cancelReader{ctx, p.file})
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, undecodable(err)
	}
	if p.format == "webp" {
		fullRange(m)
	}
	if canvas := image.Rect(0, 0, p.Width, p.Height); m.Bounds() != canvas { // a GIF frame can be smaller
		whole := image.NewRGBA(canvas)
		draw.Draw(whole, m.Bounds(), m, m.Bounds().Min, draw.Src)
		m = whole
	}
	if p.orientation != upright {
		m = turned{m, p.orientation}
	}
	return m, nil
}

// cancelReader reads little at a time until its context ends.
type cancelReader struct {
	ctx  context.Context
	file io.Reader
}

func (r *cancelReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.file.Read(b[:min(len(b), 4096)])
}

// checkStill returns [ErrAnimatedWebP] for a WebP whose extended header sets the animation flag.
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

// fullRange stretches the luma of a lossy WebP from 16–235 and its chroma from 16–240 to 0–255.
// Package image takes YCbCr to have the full range, as in JPEG.
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

func undecodable(err error) error {
	return fmt.Errorf("the image does not decode: %w", infile.Cut(err))
}

// Fit says how an image of other proportions is brought to a size.
type Fit string

// The ways to fit.
const (
	Squash Fit = ""     // each side by itself
	Crop   Fit = "crop" // fill the size, and cut the longer side off at both ends
	Pad    Fit = "pad"  // show all of the image, on black
)

// apply returns the part of an image of a size that is scaled to a part of the result, whose size
// is given.
func (f Fit) apply(from, to image.Point) (src, dst image.Rectangle) {
	src, dst = image.Rectangle{Max: from}, image.Rectangle{Max: to}
	wide := from.X*to.Y > from.Y*to.X
	round := func(a, b, c int) int { return max(1, (2*a*b+c)/(2*c)) } // a·b/c
	switch {
	case f == Crop && wide:
		src = middle(src, round(from.Y, to.X, to.Y), from.Y)
	case f == Crop:
		src = middle(src, from.X, round(from.X, to.Y, to.X))
	case f == Pad && wide:
		dst = middle(dst, to.X, round(to.X, from.Y, from.X))
	case f == Pad:
		dst = middle(dst, round(to.Y, from.X, from.Y), to.Y)
	}
	return src, dst
}

// middle returns the part of a rectangle of that size in its middle.
func middle(r image.Rectangle, width, height int) image.Rectangle {
	at := image.Pt((r.Dx()-width)/2, (r.Dy()-height)/2)
	return image.Rectangle{at, at.Add(image.Pt(width, height))}
}

// Resize sets dst, (height, width, 3) of red, green and blue, to the image scaled to that size
// (Catmull-Rom). Transparent pixels are laid on black.
func Resize(dst []byte, m image.Image, height, width int, fit Fit) {
	o := upright
	if t, ok := m.(turned); ok {
		m, o = t.Image, t.orientation
	}
	storedWidth, storedHeight := o.size(width, height)
	small := image.NewRGBA(image.Rect(0, 0, storedWidth, storedHeight))
	draw.Draw(small, small.Bounds(), image.Black, image.Point{}, draw.Src)
	from, to := fit.apply(m.Bounds().Size(), small.Bounds().Size())
	from = from.Add(m.Bounds().Min)
	if from.Size() == to.Size() {
		draw.Draw(small, to, m, from.Min, draw.Over)
	} else {
		draw.CatmullRom.Scale(small, to, m, from, draw.Over, nil)
	}
	for i := range height * width {
		x, y := o.stored(i%width, i/width, storedWidth, storedHeight)
		copy(dst[3*i:3*i+3], small.Pix[small.PixOffset(x, y):])
	}
}
