package backendtest

import (
	"errors"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

var errUnsupported = errors.New("backendtest: this kind of plan is not supported")

func (*reference) Softmax(tensor.Shape) (backend.Activation, error) { return nil, errUnsupported }

func (*reference) Add(backend.AddSpec) (backend.Merge, error) { return nil, errUnsupported }

func (*reference) Concat(backend.ConcatSpec) (backend.Merge, error) { return nil, errUnsupported }

func (*reference) AdamW(backend.AdamWSpec) (backend.Optimizer, error) { return nil, errUnsupported }
