// Package cifar provides training and test images, in shuffled and augmented batches. It reads
// CIFAR-10 and CIFAR-100 in their official forms, downloads CIFAR-10, reads folders of image files, and
// generates images of shapes from a seed.
package cifar

// The shape of every image.
const (
	Size       = 32 // height and width in pixels
	Channels   = 3  // red, green, blue
	imageBytes = Size * Size * Channels
)

// Images are labelled images.
type Images struct {
	Pixels []byte  // (N, 32, 32, 3), row-major
	Labels []int32 // (N,), class numbers from 0
}

// Len returns the number of images.
func (s Images) Len() int { return len(s.Labels) }

// First returns the first n images, or all if there are fewer.
func (s Images) First(n int) Images {
	n = min(n, s.Len())
	return Images{s.Pixels[:n*imageBytes], s.Labels[:n]}
}

// image returns the pixels of image i.
func (s Images) image(i int) []byte { return s.Pixels[i*imageBytes : (i+1)*imageBytes] }

// makeImages returns n black images of class 0.
func makeImages(n int) Images {
	return Images{make([]byte, n*imageBytes), make([]int32, n)}
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
