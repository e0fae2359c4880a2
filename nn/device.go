package nn

import (
	"fmt"

	"github.com/lamina-go/lamina/backend"
)

// device is a scope of a backend, with all that a Model, a Predictor or a Trainer has there.
type device struct {
	backend.Backend
	owner  string // "model", for the error after Close
	closed bool   // guarded by the backend's lock
}

func newDevice(b backend.Backend, owner string) *device {
	b.Lock()
	defer b.Unlock()
	return &device{Backend: b.Scope(), owner: owner}
}

// do calls f with the backend's lock.
func (d *device) do(f func() error) error {
	d.Lock()
	defer d.Unlock()
	if d.closed {
		return fmt.Errorf("nn: the %s is closed", d.owner)
	}
	return f()
}

// Close frees the scope.
func (d *device) Close() error {
	d.Lock()
	d.closed = true
	d.Unlock()
	return d.Backend.Close()
}
