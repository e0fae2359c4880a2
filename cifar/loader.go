package cifar

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Loader yields the batches of a split, epoch by epoch. Its fields alone decide what an epoch
// shows, by [Loader.Plan]: neither the batch size nor the first batch has an influence.
type Loader struct {
	Images        Images
	NumClasses    int
	Normalization Normalization
	Augmentation  Augmentation
	Seed          uint64 // for the order and the augmentation
	Workers       int    // goroutines that render, without influence on batches; 0 is GOMAXPROCS

	failure atomic.Pointer[error] // the first one of reading images
}

// inOrder is the epoch of the images in their stored order, not augmented: nn.InOrder, which this
// package does not import.
const inOrder = -1

// Shape returns the height, width and channels of an image.
func (l *Loader) Shape() (h, w, c int) {
	h, w = l.Images.size()
	return h, w, Channels
}

// Classes returns the number of classes.
func (l *Loader) Classes() int { return l.NumClasses }

// Len returns the number of images.
func (l *Loader) Len() int { return l.Images.Len() }

// Plan returns the samples of an epoch (from 0, or -1: stored and not augmented) in order. Each
// image occurs once.
func (l *Loader) Plan(epoch int) []Sample {
	plan := make([]Sample, l.Len())
	for i := range plan {
		plan[i] = l.present(i, epoch)
	}
	if epoch != inOrder {
		// The streams of samples have an index, below 1<<31, in the lower half: see
		// Augmentation.sample.
		order := rand.New(rand.NewPCG(l.Seed, uint64(epoch)<<32|1<<31))
		order.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	}
	return plan
}

// present returns the sample of image i in an epoch.
func (l *Loader) present(i, epoch int) Sample {
	s := Sample{Index: int32(i), Label: l.Images.Labels[i]}
	if epoch != inOrder {
		h, w := l.Images.size()
		l.Augmentation.sample(&s, l.Seed, epoch, h, w)
	}
	return s
}

// Batches returns the batches of an epoch: images (n, h, w, 3), normalized and augmented, and
// their class numbers (n,). A batch has size images, the last one the rest. The iteration starts
// with batch first, counted from 0. Both slices are valid until the next iteration. Goroutines
// render the next batch meanwhile, and end with the loop. Their number has no influence. If an image
// cannot be read the loop ends early: see [Loader.Err].
func (l *Loader) Batches(epoch, first, size int) iter.Seq2[[]float32, []float32] {
	return func(yield func(images, labels []float32) bool) {
		plan, size := l.rest(epoch, first, size)
		if len(plan) == 0 {
			return
		}
		each := l.Images.bytes()
		slots := [2]slot{makeSlot(size, each), makeSlot(size, each)} // one fills while the other is read
		workers := min(cmp.Or(l.Workers, runtime.GOMAXPROCS(0)), size)
		tables := l.Normalization.tables()
		jobs, done := make(chan job), make(chan struct{})
		var group, rendering sync.WaitGroup
		defer group.Wait()
		defer close(done)
		for range workers {
			group.Go(func() {
				c, record := newCanvas(l, tables, epoch), make([]byte, each)
				for j := range jobs {
					for i, s := range j.samples {
						pixels, err := l.Images.read(int(s.Index), record)
						if err != nil {
							l.fail(err)
							break
						}
						c.render(j.images[i*each:(i+1)*each], pixels, s)
					}
					rendering.Done()
				}
			})
		}
		group.Go(func() {
			defer close(jobs)
			b := 0
			for samples := range slices.Chunk(plan, size) {
				s := &slots[b%2]
				select {
				case <-s.free:
				case <-done:
					return
				}
				for i, sample := range samples {
					s.labels[i] = float32(sample.Label)
				}
				for w := range workers {
					from, to := w*len(samples)/workers, (w+1)*len(samples)/workers
					rendering.Add(1)
					jobs <- job{s.images[from*each:], samples[from:to]}
				}
				rendering.Wait()
				if l.Err() != nil {
					s.ready <- 0
					return
				}
				s.ready <- len(samples)
				b++
			}
		})
		for b := range (len(plan) + size - 1) / size {
			s := &slots[b%2]
			n := <-s.ready
			if n == 0 || !yield(s.images[:n*each], s.labels[:n]) {
				return
			}
			s.free <- struct{}{}
		}
	}
}

// Err returns why batches ended early, or nil: images in a file may become unreadable. See [Open].
func (l *Loader) Err() error {
	if err := l.failure.Load(); err != nil {
		return *err
	}
	return nil
}

func (l *Loader) fail(err error) { l.failure.CompareAndSwap(nil, &err) }

// job is a part of a batch to render.
type job struct {
	images  []float32
	samples []Sample
}

// rest returns the samples of an epoch from batch first on, and the batch size, which is at most
// the number of images.
func (l *Loader) rest(epoch, first, size int) ([]Sample, int) {
	plan := l.Plan(epoch)
	size = min(size, len(plan))
	return plan[min(first*size, len(plan)):], size
}

// Samples is [Loader.Batches] for a device that holds the data of [Loader.Stored] and generates the
// images itself. In place of images it yields (n, 4) floats: the index in the split, TX, TY, and 1
// for a flipped image, else 0.
func (l *Loader) Samples(epoch, first, size int) iter.Seq2[[]float32, []float32] {
	return func(yield func(samples, labels []float32) bool) {
		plan, size := l.rest(epoch, first, size)
		var samples, labels []float32
		for len(plan) > 0 {
			samples, labels = samples[:0], labels[:0]
			for _, s := range plan[:min(size, len(plan))] {
				flip := float32(0)
				if s.Flip {
					flip = 1
				}
				samples = append(samples, float32(s.Index), s.TX, s.TY, flip)
				labels = append(labels, float32(s.Label))
			}
			if !yield(samples, labels) {
				return
			}
			plan = plan[len(labels):]
		}
	}
}

// Stored returns the images as bytes (N, h, w, 3), and a table (3, 256) of the normalized value of
// each byte in each channel. There are no images if they are in a file, or if a device cannot
// generate the batches: it flips and shifts images, with 0 from outside, and changes nothing else.
func (l *Loader) Stored() (pixels []byte, values []float32) {
	if !l.Augmentation.byDevice() {
		return nil, nil
	}
	for _, channel := range l.Normalization.tables() {
		values = append(values, channel[:]...)
	}
	return l.Images.Pixels, values
}

// slot is a batch on its way to the consumer.
type slot struct {
	images, labels []float32
	free           chan struct{}
	ready          chan int // the number of images
}

// makeSlot returns a slot for size images of so many bytes.
func makeSlot(size, each int) slot {
	s := slot{make([]float32, size*each), make([]float32, size), make(chan struct{}, 1), make(chan int, 1)}
	s.free <- struct{}{}
	return s
}
