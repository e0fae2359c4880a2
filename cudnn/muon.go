//go:build cudnn && cgo && linux

package cudnn

import (
	"errors"

	"github.com/lamina-go/lamina/backend"
)

// Muon returns an error.
func (*Backend) Muon(backend.MuonSpec) (backend.Optimizer, error) {
	return nil, errors.New("cudnn: the optimizer Muon is not supported on cards: train on the CPU, or with SGD")
}
