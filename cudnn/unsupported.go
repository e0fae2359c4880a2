//go:build cudnn && cgo && linux

package cudnn

import (
	"errors"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

var errUnsupported = errors.New("cudnn: this kind of plan is not supported")

func (*Backend) DepthwiseConv2D(backend.DepthwiseSpec) (backend.Conv2D, error) {
	return nil, errUnsupported
}

func (*Backend) Softmax(tensor.Shape) (backend.Activation, error) { return nil, errUnsupported }

func (*Backend) Pad(backend.PadSpec) (backend.Activation, error) { return nil, errUnsupported }

func (*Backend) Add(backend.AddSpec) (backend.Merge, error) { return nil, errUnsupported }

func (*Backend) Concat(backend.ConcatSpec) (backend.Merge, error) { return nil, errUnsupported }

func (*Backend) AdamW(backend.AdamWSpec) (backend.Optimizer, error) { return nil, errUnsupported }
