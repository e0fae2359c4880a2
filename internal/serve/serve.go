// Package serve answers HTTP requests with a model's predictions: JSON for programs, a page for
// people, and metrics.
package serve

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/lamina-go/lamina/classify"
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

// Server answers HTTP with a model.
type Server struct {
	*metrics
	model       *classify.Model
	top         int
	timeouts    timeouts
	connections int // at most
	maxWaiting  int64
	waiting     atomic.Int64          // images
	failed      atomic.Pointer[error] // why the model no longer computes
	bodies      *intake
	pixels      *semaphore.Weighted
	hosts       []string // names that it answers to, beside those of hostCheck
	host        func(*http.Request) error
	origin      http.CrossOriginProtection
	page        page
}

// timeouts limit how long a client may take.
type timeouts struct {
	head   time.Duration // to send the head of a request
	body   time.Duration // to send all of it
	answer time.Duration // until its images are classified
	idle   time.Duration // between requests
	stop   time.Duration // to send the rest of a body when the server stops
}

// request returns how long a request can take from the end of its head.
func (t timeouts) request() time.Duration { return t.body + t.answer }

// New returns a server that reports the top classes of an image unless a request says otherwise. It
// answers to hosts, too: see [Server.Serve].
func New(m *classify.Model, top int, hosts ...string) (*Server, error) {
	s := &Server{model: m, top: top, hosts: hosts, host: func(*http.Request) error { return nil },
		connections: maxConnections, maxWaiting: maxWaiting, bodies: newIntake(), pixels: semaphore.NewWeighted(maxPixels),
		timeouts: timeouts{head: 10 * time.Second, body: 30 * time.Second, answer: 30 * time.Second,
			idle: 2 * time.Minute, stop: 2 * time.Second}}
	var err error
	if s.page, err = newPage(m); err != nil {
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
	s.host = hostCheck(listener.Addr(), s.hosts)
	waiting := &connections{most: s.connections, waiting: map[net.Conn]time.Time{}, intake: s.bodies}
	h := &http.Server{
		ConnState: waiting.observe, MaxHeaderBytes: maxHead,
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
	defer time.AfterFunc(s.timeouts.stop, s.bodies.rejectAll).Stop()
	if err := h.Shutdown(grace); err != nil {
		h.Close()
		return fmt.Errorf("stopped with unanswered requests: %w", err)
	}
	return nil
}
