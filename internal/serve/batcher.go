package serve

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-go/lamina/internal/classify"
)

const (
	maxBatch    = 32   // images that are classified together at most
	queueLength = 1024 // images that wait at most
)

var errQueueFull = errors.New("the server is busy: its queue is full, try again in a moment")

// batcher classifies the images of many goroutines, together where they arrive together. While one
// batch is computed, the next gathers in the queue.
type batcher struct {
	model   *classify.Model
	queue   chan *request
	quit    chan struct{}
	images  []float32 // of the current batch
	ended   sync.WaitGroup
	linger  time.Duration    // how long an image waits for others
	observe func(images int) // called with the size of each batch
	failed  atomic.Pointer[error]
}

// request is an image to classify.
type request struct {
	ctx        context.Context
	image      []float32
	done       chan struct{} // closed when the following are set
	prediction classify.Prediction
	err        error
}

func newBatcher(m *classify.Model, observe func(images int)) *batcher {
	b := &batcher{model: m, linger: 2 * time.Millisecond, observe: observe,
		queue: make(chan *request, queueLength), quit: make(chan struct{})}
	b.ended.Go(b.run)
	return b
}

// close ends the batcher. Requests in its queue stay undone.
func (b *batcher) close() {
	close(b.quit)
	b.ended.Wait()
}

// failure returns the error that prevents batches from being computed.
func (b *batcher) failure() error {
	if err := b.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// add queues an image. Its request is done when the image is classified, or never if its context
// ends before.
func (b *batcher) add(ctx context.Context, image []float32) (*request, error) {
	r := &request{ctx: ctx, image: image, done: make(chan struct{})}
	select {
	case b.queue <- r:
		return r, nil
	default:
		return nil, errQueueFull
	}
}

// wait returns the prediction.
func (r *request) wait() (classify.Prediction, error) {
	select {
	case <-r.done:
		return r.prediction, r.err
	case <-r.ctx.Done():
		return classify.Prediction{}, context.Cause(r.ctx)
	}
}

func (b *batcher) run() {
	batch := make([]*request, 0, maxBatch)
	for {
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

// gather adds the images of the queue to a batch and, with company, those that arrive within a
// moment.
func (b *batcher) gather(batch []*request, company bool) []*request {
	for range min(len(b.queue), maxBatch-len(batch)) {
		batch = append(batch, <-b.queue)
	}
	if !company {
		return batch
	}
	late := time.After(b.linger)
	for len(batch) < maxBatch {
		select {
		case r := <-b.queue:
			batch = append(batch, r)
		case <-late:
			return batch
		}
	}
	return batch
}

// classify classifies the images of a batch whose clients still wait.
func (b *batcher) classify(batch []*request) {
	wanted := batch[:0]
	b.images = b.images[:0]
	for _, r := range batch {
		if r.ctx.Err() == nil {
			b.images = append(b.images, r.image...)
			wanted = append(wanted, r)
		}
	}
	if len(wanted) == 0 {
		return
	}
	b.observe(len(wanted))
	predictions, err := b.model.Classify(b.images)
	if err != nil {
		err = problemf(http.StatusInternalServerError, "the model cannot compute: %w", err)
		b.failed.Store(&err)
	}
	for i, r := range wanted {
		if r.err = err; err == nil {
			r.prediction = predictions[i]
		}
		close(r.done)
	}
}
