// Package cifar provides training and test images, in shuffled and augmented batches. It reads
// CIFAR-10 and CIFAR-100 in their official forms, downloads CIFAR-10, reads folders of image files,
// and generates images of shapes from a seed.
package cifar

import "cmp"

// The shape of images, unless they are resized from files to another size.
const (
	Size       = 32 // height and width in pixels
	Channels   = 3  // red, green, blue
	imageBytes = Size * Size * Channels
)

// Images are labelled images.
type Images struct {
	Pixels        []byte  // (N, Height, Width, 3), row-major; nil if they exceed the memory: see Open
	Labels        []int32 // (N,), class numbers from 0
	Height, Width int     // 0 means Size

	file    *cacheFile // has the pixels, unless it is nil
	records []int32    // (N,), of the file
}

// Len returns the number of images.
func (s Images) Len() int { return len(s.Labels) }

// First returns the first n images, or all if there are fewer.
func (s Images) First(n int) Images {
	n = min(n, s.Len())
	s.Labels = s.Labels[:n]
	if s.file != nil {
		s.records = s.records[:n]
	} else {
		s.Pixels = s.Pixels[:n*s.bytes()]
	}
	return s
}

// size returns the height and the width of an image.
func (s Images) size() (h, w int) { return cmp.Or(s.Height, Size), cmp.Or(s.Width, Size) }

// bytes returns the number of bytes of an image.
func (s Images) bytes() int {
	h, w := s.size()
	return h * w * Channels
}

// read returns the pixels of image i. Those of a file are read into record, of the bytes of an
// image.
func (s Images) read(i int, record []byte) ([]byte, error) {
	if s.file == nil {
		return s.image(i), nil
	}
	return record, s.file.read(record, int(s.records[i]))
}

// image returns the pixels of image i, which is in memory.
func (s Images) image(i int) []byte { return s.Pixels[i*s.bytes() : (i+1)*s.bytes()] }

// makeImages returns n black images of class 0.
func makeImages(n int) Images {
	return Images{Pixels: make([]byte, n*imageBytes), Labels: make([]int32, n)}
}

// Dataset is a training set and a test set.
type Dataset struct {
	Name        string   // the source of the images, for display
	Classes     []string // names by class number
	Train, Test Images
	Notes       []string // what a user might not expect
}

// Training returns a loader of the training images.
func (d *Dataset) Training(n Normalization, a Augmentation, seed uint64) *Loader {
	return &Loader{Images: d.Train, NumClasses: len(d.Classes), Normalization: n, Augmentation: a, Seed: seed}
}

// Validation returns a loader of the test images.
func (d *Dataset) Validation(n Normalization) *Loader {
	return &Loader{Images: d.Test, NumClasses: len(d.Classes), Normalization: n}
}

// Classes returns the names of CIFAR-10's classes.
func Classes() []string {
	return []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
}
