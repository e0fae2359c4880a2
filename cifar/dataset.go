// Package cifar has the images that networks are trained on: it reads CIFAR-10 in
// the forms in which people have it (and downloads it), folders of pictures, and data
// drawn from a seed; and it gives batches of them, shuffled and augmented.
package cifar

// The extents of every image.
const (
	Size       = 32                     // height and width in pixels
	Channels   = 3                      // red, green, blue
	imageBytes = Size * Size * Channels // of an image
)

// Images are labelled images.
type Images struct {
	Pixels []byte  // (N, 32, 32, 3), row-major
	Labels []int32 // (N,), class numbers from 0
}

// Len returns the number of images.
func (s Images) Len() int { return len(s.Labels) }

// First returns the first n images, or all of them if there are no more than n.
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

// Dataset is what a network is trained on and what it is validated with.
type Dataset struct {
	Name        string   // where the images are from, for a person
	Classes     []string // names by class number
	Train, Test Images
	Notes       []string // what a person might not expect of them
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
