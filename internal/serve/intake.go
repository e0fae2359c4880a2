package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// patience is how long a body may arrive, or a connection wait, before it can lose to others.
const patience = time.Second

// intake limits the memory of the bodies of all requests. It counts bytes as they arrive. When
// there is no memory left, the body that has been arriving longest is rejected.
type intake struct {
	mu       sync.Mutex
	free     int64
	arriving map[*body]bool
	freed    chan struct{} // closed when a body gives memory back
}

func newIntake() *intake {
	return &intake{free: maxBodies, arriving: map[*body]bool{}, freed: make(chan struct{})}
}

// body is the body of a request.
type body struct {
	ctx    context.Context
	r      io.Reader
	intake *intake
	began  time.Time
	abort  func() // makes reading fail, from any goroutine
	held   int64
}

// open returns a reader of a body of at most maxBody bytes. Its close gives the memory back.
func (in *intake) open(ctx context.Context, w http.ResponseWriter, r *http.Request) *body {
	b := &body{ctx: ctx, r: http.MaxBytesReader(w, r.Body, maxBody), intake: in, began: time.Now(),
		abort: func() { http.NewResponseController(w).SetReadDeadline(time.Now()) }}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.arriving[b] = true
	return b
}

// Read counts the bytes that it reads.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if n > 0 {
		if err := b.intake.take(b, int64(n)); err != nil {
			return 0, err
		}
	}
	if err != nil {
		b.intake.mu.Lock()
		defer b.intake.mu.Unlock()
		delete(b.intake.arriving, b)
	}
	return n, err
}

// take counts n bytes of a body, after others are rejected if need be.
func (in *intake) take(b *body, n int64) error {
	for {
		freed, err := in.tryTake(b, n)
		if freed == nil {
			return err
		}
		select {
		case <-freed:
		case <-time.After(patience): // the rejected body is being decoded: reject another
		case <-b.ctx.Done():
			return context.Cause(b.ctx)
		}
	}
}

// tryTake counts n bytes of a body. If they are too many, it rejects another body and returns a
// channel to wait for.
func (in *intake) tryTake(b *body, n int64) (freed chan struct{}, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if n <= in.free {
		in.free -= n
		b.held += n
		return nil, nil
	}
	if !in.reject(b) {
		return nil, errQueueFull
	}
	return in.freed, nil
}

// reject rejects the body that has been arriving longest. It reports whether there is one that may
// lose to b.
func (in *intake) reject(b *body) bool {
	var oldest *body
	for other := range in.arriving {
		if oldest == nil || other.began.Before(oldest.began) {
			oldest = other
		}
	}
	if oldest == nil || oldest == b || time.Since(oldest.began) < patience {
		return false
	}
	delete(in.arriving, oldest)
	oldest.abort()
	return true
}

// close gives the memory of a body back.
func (b *body) close() {
	in := b.intake
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.arriving, b)
	in.free += b.held
	b.held = 0
	close(in.freed)
	in.freed = make(chan struct{})
}

// rejectOldest makes room for a new connection. It reports whether a body has lost to it.
func (in *intake) rejectOldest() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.reject(nil)
}

// rejectAll rejects all bodies that have not arrived yet.
func (in *intake) rejectAll() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for b := range in.arriving {
		delete(in.arriving, b)
		b.abort()
	}
}

// connections limits the connections of a server. One too many closes the connection that has been
// without the head of a request longest, or rejects a slow body, or is closed itself.
type connections struct {
	mu      sync.Mutex
	most    int
	all     int
	waiting map[net.Conn]time.Time // for a head, since when
	intake  *intake
}

// observe is called when a connection changes its state.
func (c *connections) observe(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if c.all++; c.all > c.most {
			if loser := c.longest(); loser != nil {
				delete(c.waiting, loser)
				loser.Close()
			} else if !c.intake.rejectOldest() {
				conn.Close()
			}
		}
		c.waiting[conn] = time.Now()
	case http.StateActive: // its head has arrived
		delete(c.waiting, conn)
	case http.StateIdle:
		c.waiting[conn] = time.Now()
	case http.StateClosed, http.StateHijacked:
		delete(c.waiting, conn)
		c.all--
	}
}

// longest returns the connection that has waited longest, nil if none has for a while.
func (c *connections) longest() net.Conn {
	var first net.Conn
	since := time.Now().Add(-patience)
	for conn, t := range c.waiting {
		if t.Before(since) {
			first, since = conn, t
		}
	}
	return first
}
