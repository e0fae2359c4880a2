//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

const errPixels = "cudnn: pixels or values that are not those of the shape"

// dataset is a set of images in the card's memory.
type dataset struct {
	b              *Backend
	shape          tensor.Shape
	pixels, values C.CUdeviceptr
}

// Dataset copies a set of images to the card.
func (b *Backend) Dataset(s backend.DatasetSpec) (backend.Dataset, error) {
	n, _, _, c := s.Shape.NHWC()
	if len(s.Pixels) != s.Shape.Size() || len(s.Values) != 256*c || n > backend.MaxDataset {
		panic(errPixels)
	}
	leave := b.enter()
	defer leave()
	d := &dataset{b: b, shape: slices.Clone(s.Shape)}
	var err error
	if d.values, err = b.alloc(4 * int64(len(s.Values))); err != nil {
		return nil, err
	}
	if d.pixels, err = b.alloc(int64(len(s.Pixels))); err != nil {
		return nil, err
	}
	b.upload(d.values, bytesOf(s.Values))
	b.upload(d.pixels, s.Pixels)
	return d, b.err
}

// Generate makes a batch.
func (d *dataset) Generate(images, samples tensor.Tensor) {
	n := samples.Shape()[0]
	_, h, w, c := d.shape.NHWC()
	d.b.launch("augment", [3]uint32{uint32(n), 1, 1}, [3]uint32{blockThreads, 1, 1},
		pointer(address(images, tensor.Shape{n, h, w, c})), pointer(d.pixels), pointer(d.values),
		pointer(address(samples, tensor.Shape{n, backend.SampleSize})), integer(h), integer(w), integer(c))
}
