package classify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"

	"github.com/lamina-go/lamina/internal/picture"
	"github.com/lamina-go/lamina/tensor"
)

// Class is a class with its probability.
type Class struct {
	Label       string  `json:"class"`
	Index       int     `json:"-"` // in Labels
	Probability float64 `json:"probability"`
}

// Result is what a model says of an image.
type Result struct {
	Classes []Class `json:"classes"` // all, the most probable first
}

// Label returns the name of the most probable class.
func (r Result) Label() string { return r.Classes[0].Label }

// Probability returns that of the most probable class.
func (r Result) Probability() float64 { return r.Classes[0].Probability }

// Top returns the n most probable classes, or all if they are fewer, the most probable first. It
// returns none if n is negative.
func (r Result) Top(n int) []Class { return r.Classes[:max(0, min(n, len(r.Classes)))] }

// Classify classifies images and returns a result for each, in their order. Images of several
// calls, from any goroutines, are computed together. It stops waiting as soon as ctx is done, and
// then returns its cause.
//
// An image is resized to the model's input as [Model.Resize] says. Transparent pixels are laid on
// black. Resizing happens in the goroutine of the caller.
func (m *Model) Classify(ctx context.Context, images ...image.Image) ([]Result, error) {
	return m.classify(ctx, len(images), func(i int) ([]float32, error) { return m.Prepare(images[i]) })
}

// ClassifyPrepared is [Model.Classify] for pixels (H, W, C) that [Model.Prepare] returned, or that
// were prepared in another way.
func (m *Model) ClassifyPrepared(ctx context.Context, images ...[]float32) ([]Result, error) {
	return m.classify(ctx, len(images), func(i int) ([]float32, error) {
		if n := m.network.Input.Size(); len(images[i]) != n {
			return nil, fmt.Errorf("an image of %d values, but %s takes %v", len(images[i]), m.name, m.network.Input)
		}
		return slices.Clone(images[i]), nil // which may be in a batch after ctx is done
	})
}

// classify classifies n images. While it prepares one, others are computed.
func (m *Model) classify(ctx context.Context, n int, prepared func(i int) ([]float32, error)) ([]Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // after an error the other images are not computed
	of := func(i int, err error) error {
		if err == nil || n == 1 {
			return err
		}
		return fmt.Errorf("image %d of %d: %w", i+1, n, err)
	}
	requests := make([]*request, n)
	for i := range requests {
		x, err := prepared(i)
		if err != nil {
			return nil, of(i, err)
		}
		if requests[i], err = m.batcher.add(ctx, x, i < n-1); err != nil {
			return nil, err
		}
	}
	results := make([]Result, n)
	for i, r := range requests {
		probabilities, err := m.batcher.wait(r)
		if err != nil {
			return nil, err
		}
		if results[i], err = m.result(probabilities); err != nil {
			return nil, of(i, err)
		}
	}
	return results, nil
}

// result sorts the classes of an image.
func (m *Model) result(probabilities []float32) (Result, error) {
	classes := make([]Class, len(probabilities))
	for i, v := range probabilities {
		if !tensor.Finite(v) {
			return Result{}, ErrNotFinite
		}
		classes[i] = Class{m.labels[i], i, float64(v)}
	}
	slices.SortStableFunc(classes, func(a, b Class) int { return cmp.Compare(b.Probability, a.Probability) })
	return Result{classes}, nil
}

// Decode decodes a PNG, JPEG, WebP, GIF, BMP or TIFF image as the commands do: upright by its EXIF
// orientation, and the first frame of an animation. It rejects files that take far more memory or
// work than their size justifies, and ends soon after ctx. The file must be at its start.
func Decode(ctx context.Context, file io.ReadSeeker) (image.Image, error) {
	p, err := picture.Open(file)
	if err != nil {
		return nil, err
	}
	return p.Decode(ctx)
}

// The channels of an image.
const (
	grey   = 1
	colour = 3 // red, green and blue
)

// Prepare returns the pixels (H, W, C) that the network takes for an image. Grey is the luma of
// ITU-R BT.601, as in Keras and in package image/color.
func (m *Model) Prepare(img image.Image) ([]float32, error) {
	if img == nil || img.Bounds().Empty() {
		return nil, errors.New("the image has no pixels")
	}
	height, width, channels := m.network.Input[0], m.network.Input[1], m.network.Input[2]
	pixels := make([]byte, height*width*colour)
	picture.Resize(pixels, img, height, width, picture.Fit(m.network.Resize))
	if channels == grey {
		for i := range height * width {
			r, g, b := uint32(pixels[3*i]), uint32(pixels[3*i+1]), uint32(pixels[3*i+2])
			pixels[i] = byte((19595*r + 38470*g + 7471*b + 1<<15) >> 16)
		}
		pixels = pixels[:height*width]
	}
	x := make([]float32, len(pixels))
	for i, v := range pixels {
		x[i] = (float32(v) - m.mean[i%channels]) / m.std[i%channels]
	}
	return x, nil
}
