//go:build cudnn && cgo && linux

package cudnn

import (
	"errors"
	"fmt"

	"github.com/lamina-go/lamina/backend"
)

// Muon returns an error, which is errors.ErrUnsupported.
func (*Backend) Muon(backend.MuonSpec) (backend.Optimizer, error) {
	return nil, fmt.Errorf("cudnn: Muon on a card: train on the CPU, or with SGD: %w", errors.ErrUnsupported)
}
