package nn

import (
	"fmt"

	"github.com/lamina-go/lamina/backend"
)

// scope is a scope of a backend, with all that a Model, a Predictor or a Trainer has there.
type scope struct {
	backend.Backend
	owner  string // "model", for the error after Close
	closed bool   // guarded by the backend's lock
}

func newScope(b backend.Backend, owner string) *scope {
	b.Lock()
	defer b.Unlock()
	return &scope{Backend: b.Scope(), owner: owner}
}

// do calls f with the backend's lock.
func (s *scope) do(f func() error) error {
	s.Lock()
	defer s.Unlock()
	if s.closed {
		return fmt.Errorf("nn: the %s is closed", s.owner)
	}
	return f()
}

// Close frees the scope.
func (s *scope) Close() error {
	s.Lock()
	s.closed = true
	s.Unlock()
	return s.Backend.Close()
}
