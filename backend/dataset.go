package backend

import "github.com/lamina-go/lamina/tensor"

// Augmenter is a Backend that can keep a set of images and make batches of it, shifted and mirrored. So a step
// needs no pixels from the host, only which images it shows and how.
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

// MaxDataset is how many images a Dataset can have, since their numbers are float32.
const MaxDataset = 1 << 24

// SampleSize is how many numbers tell how an image of a Dataset is shown: its index; tx and ty, by how many pixels
// the picture moves to the left and up; and 1 if it is then mirrored left to right, else 0.
const SampleSize = 4

// Dataset is a plan made from a DatasetSpec.
type Dataset interface {
	// Draw sets each of images (n, H, W, C), activations, to one of the set as samples (n, SampleSize),
	// parameters, tell:
	//
	//	y[h, w, c] = x[h+ty, w+tx, c]
	//
	// interpolated linearly between the four neighbours. What lies outside the rows [0, H−1] or the columns
	// [0, W−1] of x is 0 as a whole: nothing is blended with 0 at the border.
	Generate(images, samples tensor.Tensor)
}
