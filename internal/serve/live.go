package serve

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Live serves a page that changes, such as the report of a run. Browsers show each version as soon
// as it is there. It is safe for use by multiple goroutines.
type Live struct {
	front
	mu      sync.Mutex
	page    []byte
	version int           // from 1; 0 is no page
	changed chan struct{} // closed by the next version
}

// NewLive returns a server without a page.
func NewLive() *Live { return &Live{front: newFront(nil), changed: make(chan struct{})} }

// Set replaces the page.
func (l *Live) Set(page []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.page = page
	l.version++
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Live) current() (page []byte, version int, changed chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.page, l.version, l.changed
}

// livePolicy restricts the page to what it has inside, and the script that refreshes it.
const livePolicy = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed page/live.js
var liveScript []byte

// Serve answers the connections of a listener until ctx is done, and protects itself as
// [Server.Serve] does.
func (l *Live) Serve(ctx context.Context, listener net.Listener) error {
	return l.serve(ctx, listener, func() http.Handler { return l.handler(ctx) })
}

// handler returns the handler of all paths. Requests do not wait once ctx is done.
func (l *Live) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	endpoint := func(f answerer) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := l.check(w, r, livePolicy)
			if err == nil {
				err = guard(w, r, only(http.MethodGet, f))
			}
			if err != nil {
				writeError(w, err)
			}
		})
	}
	mux.Handle("/{$}", endpoint(l.whole))
	mux.Handle("/next", endpoint(func(w http.ResponseWriter, r *http.Request) error {
		return l.next(ctx, w, r)
	}))
	mux.Handle("/live.js", endpoint(pageFile{"text/javascript; charset=utf-8", liveScript}.write))
	mux.Handle("/", endpoint(func(_ http.ResponseWriter, r *http.Request) error {
		return problemf(http.StatusNotFound, "no such path %s: the page is /", r.URL.Path)
	}))
	return mux
}

// whole answers with the page, and the script that keeps it up to date.
func (l *Live) whole(w http.ResponseWriter, _ *http.Request) error {
	page, version, _ := l.current()
	if version == 0 {
		page = []byte("<!DOCTYPE html><title>Lamina</title><body>The run has not begun yet.</body>")
	}
	script := fmt.Appendf(nil, `<script src="/live.js" data-version="%d"></script></body>`, version)
	page = bytes.Replace(page, []byte("</body>"), script, 1)
	return writeBody(w, http.StatusOK, "text/html; charset=utf-8", page)
}

// longPoll is how long a request waits for a newer page.
const longPoll = 20 * time.Second

// next answers with the page once it is newer than the version after=N, or with no content.
func (l *Live) next(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	text := r.URL.Query().Get("after")
	after, err := strconv.Atoi(text)
	if err != nil {
		return problemf(http.StatusBadRequest, "after=%.20s: must be the number of a version", text)
	}
	page, version, changed := l.current()
	if version == after {
		select {
		case <-changed:
		case <-ctx.Done():
		case <-r.Context().Done():
		case <-time.After(longPoll):
		}
		page, version, _ = l.current()
	}
	w.Header().Set("Lamina-Version", strconv.Itoa(version))
	if version == after {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return writeBody(w, http.StatusOK, "text/html; charset=utf-8", page)
}
