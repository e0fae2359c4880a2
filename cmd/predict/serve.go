package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// times are those that the server gives its clients.
type times struct {
	head   time.Duration // to send the head of a request
	body   time.Duration // to send all of it
	answer time.Duration // for its pictures to be classified
	idle   time.Duration // between requests
}

func defaultTimes() times {
	return times{head: 10 * time.Second, body: 30 * time.Second, answer: 30 * time.Second, idle: 2 * time.Minute}
}

// request returns how long a request can take from the end of its head on.
func (t times) request() time.Duration { return t.body + t.answer }

// serve answers HTTP until ctx is done, then finishes what has come in.
func serve(ctx context.Context, c *command, m *classifier) error {
	s, err := newServer(m, c.top)
	if err != nil {
		return err
	}
	defer s.close()
	listener, err := net.Listen("tcp", c.serve)
	if err != nil {
		return fmt.Errorf("--serve %s: %w: name another port or host", c.serve, systemError(err))
	}
	fmt.Printf("%s answers at http://%s\n", m.name, listener.Addr())
	return s.run(ctx, listener)
}

// systemError returns what the system said of an address.
func systemError(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err
	}
	return err
}

// run answers the connections of a listener until ctx is done; then it takes no more and answers
// those it has.
func (s *server) run(ctx context.Context, listener net.Listener) error {
	h := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: s.times.head, ReadTimeout: s.times.body, IdleTimeout: s.times.idle,
		WriteTimeout: 2 * s.times.request(), // so that an answer that tells of a limit still goes out
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.times.head+s.times.request())
	defer cancel()
	if err := h.Shutdown(grace); err != nil {
		h.Close()
		return fmt.Errorf("stopped with requests unanswered: %w", err)
	}
	return nil
}
