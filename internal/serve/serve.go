// Package serve answers HTTP requests with a model's predictions: JSON for programs, a page for
// people, and metrics.
package serve

import (
	"context"
	"net"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/sample"
)

// The limits of a request. The bodies and the decoded images of all clients together have limits
// too, so that many requests do not fill the memory.
const (
	maxBody   = 16 << 20 // bytes
	maxBodies = 16 * maxBody
	maxPixels = 32 << 20 // of an image, and of all that are decoded at a time
	maxImages = 256
	maxHead   = 16 << 10 // bytes
	// maxWaiting are the images that wait or are classified.
	maxWaiting = 1024
	// maxConnections counts those whose request has not begun, too.
	maxConnections = 1024
)

// Options say how a server answers.
type Options struct {
	Top int // classes of an image unless a request says otherwise
	// Hosts are names that the server answers to, beside those of [Server.Serve].
	Hosts []string
	// Origins are sites whose pages may use the server, as https://example.com; "*" stands for all.
	Origins []string
	Samples []sample.Sample // of the page
}

// Server answers HTTP with a model.
type Server struct {
	*metrics
	front
	model      *classify.Model
	top        int
	maxWaiting int64
	waiting    atomic.Int64          // images
	failed     atomic.Pointer[error] // why the model no longer computes
	pixels     *semaphore.Weighted
	page       page
}

// New returns a server.
func New(m *classify.Model, o Options) (*Server, error) {
	s := &Server{model: m, top: o.Top, maxWaiting: maxWaiting, pixels: semaphore.NewWeighted(maxPixels),
		front: newFront(o.Hosts)}
	err := s.allowOrigins(o.Origins)
	if err != nil {
		return nil, err
	}
	if s.page, err = newPage(m, o.Samples); err != nil {
		return nil, err
	}
	s.metrics = newMetrics(s)
	m.OnBatch(s.observeBatch)
	return s, nil
}

// Serve answers the connections of a listener until ctx is done. Then it accepts no more and
// answers the requests that it has. At a loopback address it answers only requests whose host is a
// loopback name or address, or one of the server's hosts.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	return s.serve(ctx, listener, s.handler)
}
