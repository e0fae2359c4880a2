package cpu

import (
	"errors"

	"github.com/lamina-go/lamina/backend"
)

var errUnsupported = errors.New("cpu: this kind of plan is not supported")

func (*Backend) DepthwiseConv2D(backend.DepthwiseSpec) (backend.Conv2D, error) {
	return nil, errUnsupported
}

func (*Backend) Pad(backend.PadSpec) (backend.Activation, error) { return nil, errUnsupported }
