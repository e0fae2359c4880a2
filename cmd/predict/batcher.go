package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-go/lamina/nn"
)

const (
	serverBatch = 32   // images that are classified together at most
	smallBatch  = 8    // few of them
	queueLength = 1024 // images that wait at most
)

// errQueueFull says that there are too many images already.
var errQueueFull = errors.New("the server is busy: its queue is full, try again in a moment")

// batcher classifies images that come from many goroutines, those together that come together. While
// a batch is computed the next one gathers in the queue.
type batcher struct {
	predictor *nn.Predictor
	image     int // numbers of an image
	classes   int
	queue     chan *request
	quit      chan struct{}
	images    []float32 // of the batch that is computed
	ended     sync.WaitGroup
	linger    time.Duration    // that an image waits for others
	observe   func(images int) // each batch
	failed    atomic.Pointer[error]
}

// request is an image that is to be classified.
type request struct {
	ctx           context.Context // of the one who wants to know
	image         []float32
	done          chan struct{} // closed when the following are set
	probabilities []float32
	err           error
}

// newBatcher starts a batcher, whose work observe hears of.
func newBatcher(m *classifier, observe func(images int)) (*batcher, error) {
	p, err := m.NewPredictor(serverBatch, smallBatch, 1)
	if err != nil {
		return nil, err
	}
	b := &batcher{predictor: p, image: m.Input.Size(), classes: m.Classes, linger: 2 * time.Millisecond, observe: observe,
		queue: make(chan *request, queueLength), quit: make(chan struct{}), images: make([]float32, serverBatch*m.Input.Size())}
	b.ended.Go(b.run)
	return b, nil
}

// close ends the batcher. Requests that are still in its queue are not done.
func (b *batcher) close() {
	close(b.quit)
	b.ended.Wait()
}

// failure returns what keeps batches from being computed.
func (b *batcher) failure() error {
	if err := b.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// add puts an image into the queue. Its request is done when the image is classified; one whose context
// ends before may never be.
func (b *batcher) add(ctx context.Context, image []float32) (*request, error) {
	r := &request{ctx: ctx, image: image, done: make(chan struct{})}
	select {
	case b.queue <- r:
		return r, nil
	default:
		return nil, errQueueFull
	}
}

// wait returns the probability of each class.
func (r *request) wait() ([]float32, error) {
	select {
	case <-r.done:
		return r.probabilities, r.err
	case <-r.ctx.Done():
		return nil, context.Cause(r.ctx)
	}
}

func (b *batcher) run() {
	batch := make([]*request, 0, serverBatch)
	for {
		select {
		case first := <-b.queue:
			company := len(batch) > 1 // in the last batch
			batch = b.gather(append(batch[:0], first), company)
			b.classify(batch)
			clear(batch)
		case <-b.quit:
			return
		}
	}
}

// gather adds to a batch what is in the queue and, if company is likely, what comes within a moment.
func (b *batcher) gather(batch []*request, company bool) []*request {
	for range min(len(b.queue), serverBatch-len(batch)) {
		batch = append(batch, <-b.queue)
	}
	if !company {
		return batch
	}
	late := time.After(b.linger)
	for len(batch) < serverBatch {
		select {
		case r := <-b.queue:
			batch = append(batch, r)
		case <-late:
			return batch
		}
	}
	return batch
}

// classify classifies a batch, without those whom nobody waits for.
func (b *batcher) classify(batch []*request) {
	wanted := batch[:0]
	for _, r := range batch {
		if r.ctx.Err() == nil {
			copy(b.images[len(wanted)*b.image:], r.image)
			wanted = append(wanted, r)
		}
	}
	if len(wanted) == 0 {
		return
	}
	b.observe(len(wanted))
	probabilities, err := b.predictor.Probabilities(b.images[:padded(len(wanted))*b.image])
	if err != nil {
		err = problemf(http.StatusInternalServerError, "the model no longer computes: %w", err)
		b.failed.Store(&err)
	}
	for i, r := range wanted {
		if r.err = err; err == nil {
			r.probabilities = probabilities[i*b.classes : (i+1)*b.classes]
		}
		close(r.done)
	}
}

// padded returns how many images to compute for n of them: a number for which the predictor keeps the
// weights, for to lay them out anew costs more than the images that nobody wants.
func padded(n int) int {
	switch {
	case n > smallBatch:
		return serverBatch
	case n > 1:
		return smallBatch
	}
	return n
}
