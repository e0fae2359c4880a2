//go:build cudnn && cgo && linux

package device

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/cudnn"
	"github.com/lamina-go/lamina/internal/cli"
)

// openCuDNN opens the NVIDIA card.
func openCuDNN(o *Options, convolutions map[string]string) (backend.Backend, error) {
	note := func(line string) { cli.Stderr.Printf("note: %s\n", line) }
	b, err := cudnn.Open(cudnn.Options{Precision: o.Precision, Deterministic: o.Deterministic,
		Table: convolutions, Note: note})
	if err != nil {
		return nil, err
	}
	return b, nil
}
