package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// Dense makes a plan of a fully connected layer.
func (b *Backend) Dense(s backend.DenseSpec) (backend.Dense, error) {
	rows := s.Rows()
	shape := ops.DenseShape{N: s.N, In: s.In, Out: s.Out, From: rows.From, To: rows.To}
	spec := linearSpec{
		x: tensor.Shape{s.N, s.In}, y: tensor.Shape{s.N, s.Out},
		w: tensor.Shape{rows.Len(), s.Out}, bias: tensor.Shape{s.Out},
		rows: s.In, from: rows.From,
		batchNorm: s.BatchNorm, function: s.Function,
		inference: s.Inference, constant: s.Constant, noInputGrad: s.NoInputGrad,
	}
	if b.bf16 {
		return newLinear(b, spec, shape, func(string) ops.Algorithm[ops.DenseShape, ops.BF16] { return ops.DenseBF16 })
	}
	return newLinear(b, spec, shape, func(pass string) ops.Algorithm[ops.DenseShape, float32] {
		if pass == passConstant {
			return ops.DensePacked
		}
		return ops.Dense
	})
}
