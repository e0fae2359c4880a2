package nn

import (
	"iter"
	"math/rand/v2"
)

// InOrder is the epoch for which Data gives its images in their own order, as they are.
const InOrder = -1

// Data is a set of labelled images, of at least one.
type Data interface {
	// Shape returns the size of the images: height, width, channels.
	Shape() (h, w, c int)
	// Classes returns the number of classes.
	Classes() int
	// Len returns the number of images.
	Len() int
	// Batches gives the images of an epoch (counted from 0), each once, in batches of
	// size images, the last with what is left over, from batch first (counted from 0) on:
	// float32 pixels in the order (N, H, W, C), and class numbers. What it gives depends only
	// on its arguments and on how the set was made (files, seed), so that a resumed run
	// sees the same batches. Epochs differ by shuffling and augmentation; InOrder has neither.
	// The slices hold until the next batch is asked for. When the loop ends, early or not,
	// whatever was working ahead has stopped.
	Batches(epoch, first, size int) iter.Seq2[[]float32, []float32]
}

// Images is a Data in memory, shuffled in each epoch and not augmented.
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

// Batches gives the images of an epoch.
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
