package classify

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxBatch    = 32  // images that are computed together at most
	queueLength = 128 // images that wait; the callers of more wait to add them
)

// batcher computes the images of many goroutines, together where they arrive together. While one
// batch is computed, the next gathers in the queue.
type batcher struct {
	most    int // images in a batch
	compute func(images []float32) (probabilities []float32, err error)
	queue   chan *request
	quit    chan struct{}
	ended   chan struct{}
	images  []float32     // of the current batch
	linger  time.Duration // how long an image waits for others
	observe atomic.Pointer[func(images int)]
}

// request is an image to classify.
type request struct {
	ctx           context.Context
	image         []float32
	more          bool          // the caller is about to add another image
	done          chan struct{} // closed when the following are set
	probabilities []float32
	err           error
}

func newBatcher(most int, compute func([]float32) ([]float32, error)) *batcher {
	b := &batcher{most: most, compute: compute, linger: 2 * time.Millisecond,
		queue: make(chan *request, queueLength), quit: make(chan struct{}), ended: make(chan struct{})}
	go b.run()
	return b
}

// close ends the batcher after its current batch. It must be called once.
func (b *batcher) close() {
	close(b.quit)
	<-b.ended
}

// add queues an image, which belongs to the batcher from then on. It waits while the queue is full.
// More says that the caller is about to add another.
func (b *batcher) add(ctx context.Context, image []float32, more bool) (*request, error) {
	r := &request{ctx: ctx, image: image, more: more, done: make(chan struct{})}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	select {
	case b.queue <- r:
		return r, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-b.quit:
		return nil, ErrClosed
	}
}

// wait returns the probabilities of an image.
func (b *batcher) wait(r *request) ([]float32, error) {
	select {
	case <-r.done:
		return r.probabilities, r.err
	case <-r.ctx.Done():
		return nil, context.Cause(r.ctx)
	case <-b.ended:
	}
	select {
	case <-r.done: // in the last batch
		return r.probabilities, r.err
	default:
		return nil, ErrClosed
	}
}

func (b *batcher) run() {
	defer close(b.ended)
	batch := make([]*request, 0, b.most)
	for {
		select {
		case <-b.quit: // even if images wait
			return
		default:
		}
		select {
		case first := <-b.queue:
			company := len(batch) > 1 // the last batch had several images: more are likely to come
			batch = b.gather(append(batch[:0], first), company)
			b.classify(batch)
			clear(batch)
		case <-b.quit:
			return
		}
	}
}

// gather adds the images of the queue to a batch. With company, or while the caller of the last
// image adds more, it adds those that arrive within a moment.
func (b *batcher) gather(batch []*request, company bool) []*request {
	for range min(len(b.queue), b.most-len(batch)) {
		batch = append(batch, <-b.queue)
	}
	late := time.After(b.linger)
	for len(batch) < b.most && (company || batch[len(batch)-1].more) {
		select {
		case r := <-b.queue:
			batch = append(batch, r)
		case <-late:
			return batch
		case <-b.quit:
			return batch
		}
	}
	return batch
}

// classify computes the images of a batch for which callers still wait.
func (b *batcher) classify(batch []*request) {
	wanted := batch[:0]
	b.images = b.images[:0]
	for _, r := range batch {
		if r.ctx.Err() == nil {
			b.images = append(b.images, r.image...)
			wanted = append(wanted, r)
		}
		r.image = nil
	}
	if len(wanted) == 0 {
		return
	}
	probabilities, err := b.guarded(len(wanted))
	each := len(probabilities) / len(wanted)
	for i, r := range wanted {
		if r.err = err; err == nil {
			r.probabilities = probabilities[i*each : (i+1)*each]
		}
		close(r.done)
	}
}

// guarded computes the current batch of n images. It turns a panic, which would end the process,
// into an error.
func (b *batcher) guarded(n int) (probabilities []float32, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &PanicError{fault, debug.Stack()}
		}
	}()
	if observe := b.observe.Load(); observe != nil && *observe != nil {
		(*observe)(n)
	}
	return b.compute(b.images)
}

// PanicError is a panic while a batch was computed. All calls that wait for the batch return it.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the first line of the value.
func (e *PanicError) Error() string {
	line, _, _ := strings.Cut(fmt.Sprint(e.Value), "\n")
	return "classify: internal error: " + line
}
