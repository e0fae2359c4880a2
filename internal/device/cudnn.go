//go:build cudnn && cgo && linux

package device

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/cudnn"
)

// openCuDNN opens the graphics processor.
func openCuDNN(o *Options) (backend.Backend, error) {
	b, err := cudnn.Open(cudnn.Options{Precision: o.Precision, Deterministic: o.Deterministic})
	if err != nil {
		return nil, err
	}
	return b, nil
}
