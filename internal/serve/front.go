package serve

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// front is what stands before the handlers of a server: its limits, and whom it answers.
type front struct {
	timeouts    timeouts
	connections int // at most
	bodies      *intake
	hosts       []string // names that it answers to, beside those of hostCheck
	host        func(*http.Request) error
	crossOrigin
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

func newFront(hosts []string) front {
	return front{hosts: hosts, host: func(*http.Request) error { return nil },
		connections: maxConnections, bodies: newIntake(),
		timeouts: timeouts{head: 10 * time.Second, body: 30 * time.Second, answer: 30 * time.Second,
			idle: 2 * time.Minute, stop: 2 * time.Second}}
}

// serve answers the connections of a listener until ctx is done. Then it accepts no more and answers
// the requests that it has. It makes the handler once the check of hosts is known.
func (f *front) serve(ctx context.Context, listener net.Listener, handler func() http.Handler) error {
	f.host = hostCheck(listener.Addr(), f.hosts)
	waiting := &connections{most: f.connections, waiting: map[net.Conn]time.Time{}, intake: f.bodies}
	h := &http.Server{
		ConnState: waiting.observe, MaxHeaderBytes: maxHead,
		Handler:           handler(),
		ReadHeaderTimeout: f.timeouts.head, ReadTimeout: f.timeouts.body, IdleTimeout: f.timeouts.idle,
		WriteTimeout: 2 * f.timeouts.request(), // so that the answer to a timeout still goes out
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.timeouts.head+f.timeouts.request())
	defer cancel()
	defer time.AfterFunc(f.timeouts.stop, f.bodies.rejectAll).Stop()
	if err := h.Shutdown(grace); err != nil {
		h.Close()
		return fmt.Errorf("stopped with unanswered requests: %w", err)
	}
	return nil
}

// check sets the headers of an answer, and returns an error if the request must not have it.
func (f *front) check(w http.ResponseWriter, r *http.Request, policy string) error {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	f.allow(h, r)
	return f.host(r)
}
