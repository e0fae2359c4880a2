package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/lamina-go/lamina/internal/picture"
)

// What a client can ask for. Bodies and decoded pictures of all clients together have limits
// too, so that their number does not fill the memory.
const (
	maxBody     = 16 << 20 // bytes
	maxBodies   = 16 * maxBody
	maxPixels   = 32 << 20 // of a picture, and of all that are decoded at a time
	maxPictures = 256      // in a request
)

// server answers HTTP with a classifier.
type server struct {
	*classifier
	*metrics
	top     int
	times   times
	batcher *batcher
	bodies  *semaphore.Weighted // bytes
	pixels  *semaphore.Weighted
	origin  http.CrossOriginProtection
	page    page
}

// newServer returns a server that tells of top classes if nothing else is asked for.
func newServer(m *classifier, top int) (*server, error) {
	s := &server{classifier: m, top: top, times: defaultTimes(), bodies: semaphore.NewWeighted(maxBodies), pixels: semaphore.NewWeighted(maxPixels)}
	var err error
	if s.page, err = newPage(m); err != nil {
		return nil, err
	}
	s.metrics = newMetrics(s)
	s.batcher, err = newBatcher(m, s.observeBatch)
	return s, err
}

// close ends the server, which has no more requests.
func (s *server) close() { s.batcher.close() }

// handler returns the handler of all paths.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(predictPath, s.endpoint(only(http.MethodPost, s.predict)))
	mux.Handle("/healthz", s.endpoint(only(http.MethodGet, s.health)))
	mux.Handle("/metrics", s.endpoint(only(http.MethodGet, s.writeMetrics)))
	mux.Handle("/", s.endpoint(s.page.write))
	return mux
}

// answerer answers a request. An error is one that tells the client what is wrong, before anything is written.
type answerer func(http.ResponseWriter, *http.Request) error

// only lets f have requests of one method, GET including HEAD.
func only(method string, f answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != method && (method != http.MethodGet || r.Method != http.MethodHead) {
			w.Header().Set("Allow", method)
			return problemf(http.StatusMethodNotAllowed, "%s takes %s, not %s", r.URL.Path, method, r.Method)
		}
		return f(w, r)
	}
}

// endpoint returns a handler that answers an error as JSON, and counts.
func (s *server) endpoint(f answerer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, counted := time.Now(), &statusWriter{ResponseWriter: w}
		h := counted.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if err := guard(counted, r, f); err != nil {
			writeError(counted, err)
		}
		s.observeRequest(r.Pattern, counted.status, time.Since(began))
	})
}

// guard makes of a fault in f, which a picture that nobody has thought of may show, an error.
func guard(w http.ResponseWriter, r *http.Request, f answerer) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			log.Printf("%s %s: %v\n%s", r.Method, r.URL.Path, fault, debug.Stack())
			err = problemf(http.StatusInternalServerError, "a fault of this program: please report it with what the server has logged")
		}
	}()
	return f(w, r)
}

// statusWriter keeps the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader keeps the status.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets package http find the writer beneath.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// health answers /healthz: whether pictures can be classified.
func (s *server) health(w http.ResponseWriter, _ *http.Request) error {
	if err := s.batcher.failure(); err != nil {
		return err
	}
	return writeJSON(w, map[string]string{"status": "ok"})
}

// writeJSON answers with a value.
func writeJSON(w http.ResponseWriter, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return writeBody(w, http.StatusOK, "application/json", append(text, '\n'))
}

// writeBody answers with a whole body. That a client is gone is no error of the server.
func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
	return nil
}

// writeError answers with one sentence that tells what is wrong.
func writeError(w http.ResponseWriter, err error) {
	code := statusOf(err)
	switch code {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusRequestTimeout, http.StatusRequestEntityTooLarge: // what is left of the body is not read
		w.Header().Set("Connection", "close")
	}
	text, _ := json.Marshal(map[string]string{"error": sentence(err)}) // a string
	writeBody(w, code, "application/json", append(text, '\n'))
}

// problem is an error with the status that tells of it.
type problem struct {
	status int
	error
}

// Unwrap returns what is wrong.
func (p problem) Unwrap() error { return p.error }

func problemf(status int, format string, values ...any) error {
	return problem{status, fmt.Errorf(format, values...)}
}

// statusOf returns the status that tells of an error.
func statusOf(err error) int {
	var p problem
	switch {
	case errors.As(err, &p):
		return p.status
	case isTooLong(err), errors.Is(err, picture.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, picture.ErrFormat), errors.Is(err, picture.ErrAnimatedWebP):
		return http.StatusUnsupportedMediaType
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	case errors.Is(err, errNotFinite):
		return http.StatusInternalServerError
	case errors.Is(err, context.Canceled):
		return 499 // nginx's number for a client that is gone
	case errors.Is(err, errQueueFull), errors.Is(err, errTooSlow):
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest // of a picture that does not decode
}

// sentence tells what is wrong.
func sentence(err error) string {
	switch {
	case isTooLong(err):
		return fmt.Sprintf("the body is too large: at most %d MB are taken", maxBody>>20)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "the body came too slowly"
	}
	return err.Error()
}

func isTooLong(err error) bool {
	tooLong := (*http.MaxBytesError)(nil)
	return errors.As(err, &tooLong)
}
