package nn

import (
	"errors"
	"iter"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// ByteData is a Data whose pixels are bytes, from which a backend.Augmenter can generate the
// batches.
type ByteData interface {
	Data
	// Stored returns the images, (N, H, W, C), and the value of each byte in each channel, (C,
	// 256). Without images the backend cannot generate the batches.
	Stored() (pixels []byte, values []float32)
	// Samples is Batches with (n, backend.SampleSize) values in place of the images. They say how
	// the backend generates each from those stored.
	Samples(epoch, first, size int) iter.Seq2[[]float32, []float32]
}

// source feeds batches of a Data to a backend: as pixels or, if the backend stores the set, as
// samples.
type source struct {
	backend backend.Backend
	data    Data
	batches func(epoch, first, size int) iter.Seq2[[]float32, []float32]
	set     backend.Dataset // nil if batches are pixels
	samples tensor.Tensor   // of the largest batch
}

// newSource stores the set on the backend if both support it and the memory suffices.
func newSource(b *scope, data Data, batch int) (*source, error) {
	augmenter, can := b.Backend.(backend.Augmenter)
	images, could := data.(ByteData)
	if !can || !could || data.Len() > backend.MaxDataset {
		return fromHost(b, data), nil
	}
	h, w, c := data.Shape()
	spec := backend.DatasetSpec{Shape: tensor.Shape{data.Len(), h, w, c}}
	spec.Pixels, spec.Values = images.Stored()
	if spec.Pixels == nil {
		return fromHost(b, data), nil
	}
	set, err := augmenter.Dataset(spec)
	if errors.Is(err, backend.ErrMemory) {
		return fromHost(b, data), nil
	}
	if err != nil {
		return nil, err
	}
	samples, err := b.Parameters(tensor.Shape{batch, backend.SampleSize})
	return &source{b, data, images.Samples, set, samples}, err
}

// fromHost returns a source of pixels.
func fromHost(b backend.Backend, data Data) *source {
	return &source{backend: b, data: data, batches: data.Batches}
}

// write copies a batch to the backend: pixels to images, or samples. generate, which is part of the
// step, then makes the images from the samples.
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
