package serve

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

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/picture"
)

// handler returns the handler of all paths.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(predictPath, s.endpoint(s.shared(http.MethodPost, s.predict)))
	mux.Handle("/healthz", s.endpoint(s.shared(http.MethodGet, s.health)))
	mux.Handle("/metrics", s.endpoint(s.shared(http.MethodGet, s.writeMetrics)))
	mux.Handle("/", s.endpoint(s.page.write))
	return mux
}

// answerer answers a request. It returns an error before it writes anything.
type answerer func(http.ResponseWriter, *http.Request) error

// only restricts f to one method. GET includes HEAD.
func only(method string, f answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != method && (method != http.MethodGet || r.Method != http.MethodHead) {
			w.Header().Set("Allow", method)
			return problemf(http.StatusMethodNotAllowed, "%s supports %s, not %s", r.URL.Path, method, r.Method)
		}
		return f(w, r)
	}
}

// shared is only, for pages of allowed sites too.
func (f *front) shared(method string, answer answerer) answerer {
	return func(w http.ResponseWriter, r *http.Request) error {
		if f.preflight(w, r, method) {
			return nil
		}
		return only(method, answer)(w, r)
	}
}

// endpoint returns a handler that writes an error as JSON, and counts requests.
func (s *Server) endpoint(f answerer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, counted := time.Now(), &statusWriter{ResponseWriter: w}
		err := s.check(counted, r, contentPolicy)
		if err == nil {
			err = guard(counted, r, f)
		}
		if err != nil {
			writeError(counted, err)
		}
		s.observeRequest(r.Pattern, counted.status, time.Since(began))
	})
}

// guard turns a panic of f, which an unforeseen image may cause, into an error.
func guard(w http.ResponseWriter, r *http.Request, f answerer) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			log.Printf("%s %s: %v\n%s", r.Method, r.URL.Path, fault, debug.Stack())
			err = problemf(http.StatusInternalServerError, "internal error: please report it with the server's log")
		}
	}()
	return f(w, r)
}

// statusWriter records the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader records the status.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// health answers /healthz: whether images can be classified.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	if err := s.failed.Load(); err != nil {
		return *err
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

// writeBody answers with a whole body. A client that has gone is no error of the server.
func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
	return nil
}

// writeError answers with a sentence that says what is wrong.
func writeError(w http.ResponseWriter, err error) {
	code := statusOf(err)
	switch code {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusRequestTimeout, http.StatusRequestEntityTooLarge: // the rest of the body is not read
		w.Header().Set("Connection", "close")
	}
	text, _ := json.Marshal(map[string]string{"error": sentence(err)}) // strings cannot fail
	writeBody(w, code, "application/json", append(text, '\n'))
}

// problem is an error with its status.
type problem struct {
	status int
	error
}

// Unwrap returns the error.
func (p problem) Unwrap() error { return p.error }

func problemf(status int, format string, values ...any) error {
	return problem{status, fmt.Errorf(format, values...)}
}

// statusOf returns the status of an error.
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
	case errors.Is(err, classify.ErrNotFinite):
		return http.StatusInternalServerError
	case errors.Is(err, context.Canceled):
		return 499 // nginx's code for a client that has gone
	case errors.Is(err, errQueueFull), errors.Is(err, errTooSlow):
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest // an image that does not decode
}

// sentence says what is wrong.
func sentence(err error) string {
	switch {
	case isTooLong(err):
		return fmt.Sprintf("the body is too large: the limit is %d MB", maxBody>>20)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "the body arrived too slowly"
	}
	return err.Error()
}

func isTooLong(err error) bool {
	tooLong := (*http.MaxBytesError)(nil)
	return errors.As(err, &tooLong)
}
