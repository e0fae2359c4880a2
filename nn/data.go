package nn

import (
	"iter"
	"math/rand/v2"
)

// InOrder is the epoch in which Data yields its images in their own order, without augmentation.
const InOrder = -1

// Data is a set of one or more labeled images.
type Data interface {
	// Shape returns the size of the images: height, width, channels.
	Shape() (h, w, c int)
	// Classes returns the number of classes.
	Classes() int
	// Len returns the number of images.
	Len() int
	// Batches yields the images of an epoch (counted from 0), each once, in batches of size images
	// from batch first (counted from 0) on; the last batch has the rest. A batch is float32 pixels
	// in the order (N, H, W, C), and class numbers. It depends only on the arguments and on the set
	// (files, seed), so that a resumed run sees the same batches. Epochs differ by shuffling and
	// augmentation; InOrder has neither. The slices are valid until the next batch. When the loop
	// ends, early or not, all goroutines that prefetch have stopped. A Data that may fail to read an
	// image yields no further batches then, and has a method Err() error that returns why.
	Batches(epoch, first, size int) iter.Seq2[[]float32, []float32]
}

// dataErr returns why a Data yielded too few batches, if it did.
func dataErr(data Data) error {
	if d, ok := data.(interface{ Err() error }); ok {
		return d.Err()
	}
	return nil
}

// Images is a Data in memory, shuffled in each epoch and not augmented. Several goroutines may read
// it.
type Images struct {
	Height, Width, Channels int
	NumClasses              int
	Pixels                  []float32 // (N, H, W, C)
	Labels                  []float32 // (N,), class numbers
	Seed                    uint64    // of the shuffles
}

// Shape returns the size of the images.
func (d *Images) Shape() (h, w, c int) { return d.Height, d.Width, d.Channels }

// Classes returns the number of classes.
func (d *Images) Classes() int { return d.NumClasses }

// Len returns the number of images.
func (d *Images) Len() int { return len(d.Labels) }

// Batches yields the images of an epoch.
func (d *Images) Batches(epoch, first, size int) iter.Seq2[[]float32, []float32] {
	return func(yield func(images, labels []float32) bool) {
		order := make([]int, d.Len())
		for i := range order {
			order[i] = i
		}
		if epoch != InOrder {
			r := rand.New(rand.NewPCG(d.Seed, uint64(epoch)))
			r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		each := d.Height * d.Width * d.Channels
		images := make([]float32, 0, min(size, len(order))*each)
		labels := make([]float32, 0, min(size, len(order)))
		for at := first * size; at < len(order); at += size {
			images, labels = images[:0], labels[:0]
			for _, i := range order[at:min(at+size, len(order))] {
				images = append(images, d.Pixels[i*each:(i+1)*each]...)
				labels = append(labels, d.Labels[i])
			}
			if !yield(images, labels) {
				return
			}
		}
	}
}
