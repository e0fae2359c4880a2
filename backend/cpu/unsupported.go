package cpu

import (
	"errors"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

var errUnsupported = errors.New("cpu: this kind of plan is not supported")

func (*Backend) Softmax(tensor.Shape) (backend.Activation, error) { return nil, errUnsupported }

func (*Backend) Add(backend.AddSpec) (backend.Merge, error) { return nil, errUnsupported }

func (*Backend) Concat(backend.ConcatSpec) (backend.Merge, error) { return nil, errUnsupported }

func (*Backend) AdamW(backend.AdamWSpec) (backend.Optimizer, error) { return nil, errUnsupported }
