package nn

import (
	"errors"
	"iter"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// ByteData is a Data in bytes, of which a backend.Augmenter can make the batches itself.
type ByteData interface {
	Data
	// Stored returns the images, (N, H, W, C), and what each byte stands for in each channel, (C, 256).
	Stored() (pixels []byte, values []float32)
	// Samples are Batches with (n, backend.SampleSize) numbers in place of the images, which say how each is
	// made of those stored.
	Samples(epoch, first, size int) iter.Seq2[[]float32, []float32]
}

// source is a set of images as a backend gets its batches: image by image or, where it keeps the set, as samples of it.
type source struct {
	backend backend.Backend
	batches func(epoch, first, size int) iter.Seq2[[]float32, []float32]
	set     backend.Dataset // nil: image by image
	samples tensor.Tensor   // of the largest batch
}

// newSource lets the backend keep a set of images if both can do that and there is memory for it.
func newSource(b *device, data Data, batch int) (*source, error) {
	augmenter, can := b.Backend.(backend.Augmenter)
	images, could := data.(ByteData)
	if !can || !could || data.Len() > backend.MaxDataset {
		return fromHost(b, data), nil
	}
	h, w, c := data.Shape()
	spec := backend.DatasetSpec{Shape: tensor.Shape{data.Len(), h, w, c}}
	spec.Pixels, spec.Values = images.Stored()
	set, err := augmenter.Dataset(spec)
	if errors.Is(err, backend.ErrMemory) {
		return fromHost(b, data), nil
	}
	if err != nil {
		return nil, err
	}
	samples, err := b.Parameters(tensor.Shape{batch, backend.SampleSize})
	return &source{b, images.Samples, set, samples}, err
}

// fromHost is a source that gives image by image.
func fromHost(b backend.Backend, data Data) *source { return &source{backend: b, batches: data.Batches} }

// write brings a batch to the backend; draw, a part of the step, then makes the images if that did not.
func (s *source) write(images tensor.Tensor, batch []float32) error {
	if s.set == nil {
		return s.backend.Write(images, batch)
	}
	return s.backend.Write(s.of(images), batch)
}

func (s *source) generate(images tensor.Tensor) {
	if s.set != nil {
		s.set.Generate(images, s.of(images))
	}
}

// of returns the samples of images.
func (s *source) of(images tensor.Tensor) tensor.Tensor {
	return s.backend.View(s.samples, 0, tensor.Shape{images.Shape()[0], backend.SampleSize})
}
