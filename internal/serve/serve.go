// Package serve answers HTTP requests with a model's predictions: JSON for programs, a page for
// people, and metrics.
package serve

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/lamina-go/lamina/internal/classify"
)

// The limits of a request. The bodies and the decoded images of all clients together have limits
// too, so that many requests do not fill the memory.
const (
	maxBody   = 16 << 20 // bytes
	maxBodies = 16 * maxBody
	maxPixels = 32 << 20 // of an image, and of all that are decoded at a time
	maxImages = 256
)

// Server answers HTTP with a model.
type Server struct {
	*metrics
	model    *classify.Model
	top      int
	timeouts timeouts
	batcher  *batcher
	bodies   *semaphore.Weighted // bytes
	pixels   *semaphore.Weighted
	origin   http.CrossOriginProtection
	page     page
}

// timeouts limit how long a client may take.
type timeouts struct {
	head   time.Duration // to send the head of a request
	body   time.Duration // to send all of it
	answer time.Duration // until its images are classified
	idle   time.Duration // between requests
}

// request returns how long a request can take from the end of its head.
func (t timeouts) request() time.Duration { return t.body + t.answer }

// New returns a server that reports the top classes of an image unless a request says otherwise.
func New(m *classify.Model, top int) (*Server, error) {
	s := &Server{model: m, top: top, bodies: semaphore.NewWeighted(maxBodies), pixels: semaphore.NewWeighted(maxPixels),
		timeouts: timeouts{head: 10 * time.Second, body: 30 * time.Second, answer: 30 * time.Second,
			idle: 2 * time.Minute}}
	var err error
	if s.page, err = newPage(m); err != nil {
		return nil, err
	}
	s.metrics = newMetrics(s)
	s.batcher = newBatcher(m, s.observeBatch)
	return s, nil
}

// Close ends the server, which must have no requests.
func (s *Server) Close() { s.batcher.close() }

// Serve answers the connections of a listener until ctx is done. Then it accepts no more and
// answers the requests that it has.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	h := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: s.timeouts.head, ReadTimeout: s.timeouts.body, IdleTimeout: s.timeouts.idle,
		WriteTimeout: 2 * s.timeouts.request(), // so that the answer to a timeout still goes out
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeouts.head+s.timeouts.request())
	defer cancel()
	if err := h.Shutdown(grace); err != nil {
		h.Close()
		return fmt.Errorf("stopped with unanswered requests: %w", err)
	}
	return nil
}
