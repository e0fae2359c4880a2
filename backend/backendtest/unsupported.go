package backendtest

import (
	"errors"

	"github.com/lamina-go/lamina/backend"
)

var errUnsupported = errors.New("backendtest: this kind of plan is not supported")

func (*reference) DepthwiseConv2D(backend.DepthwiseSpec) (backend.Conv2D, error) {
	return nil, errUnsupported
}

func (*reference) Pad(backend.PadSpec) (backend.Activation, error) { return nil, errUnsupported }
