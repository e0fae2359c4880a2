package backend

import "github.com/lamina-go/lamina/tensor"

// Augmenter is a Backend that can store a set of images and generate batches from it, shifted and
// mirrored. Then a step needs no pixels from the host, only which images it shows and how.
type Augmenter interface {
	Backend
	Dataset(DatasetSpec) (Dataset, error)
}

// DatasetSpec describes a set of images in bytes.
type DatasetSpec struct {
	Shape  tensor.Shape // (N, H, W, C); N is at most MaxDataset
	Pixels []byte       // row-major
	Values []float32    // (C, 256): what each byte stands for in each channel
}

// MaxDataset is the largest number of images in a Dataset, since their indices are float32.
const MaxDataset = 1 << 24

// SampleSize is the number of values that describe one image of a batch: its index; tx and ty, the
// shift of the image to the left and up in pixels; and 1 if it is then mirrored left to right, else
// 0.
const SampleSize = 4

// Dataset is a plan made from a DatasetSpec.
type Dataset interface {
	// Generate sets each of images (n, H, W, C), activations, to one of the set, as samples
	// (n, SampleSize), parameters, describe:
	//
	//	y[h, w, c] = x[h+ty, w+tx, c]
	//
	// interpolated linearly between the four neighbors. Where h+ty is outside [0, H−1] or w+tx
	// outside [0, W−1], y is 0: pixels at the border are not blended with 0.
	Generate(images, samples tensor.Tensor)
}
