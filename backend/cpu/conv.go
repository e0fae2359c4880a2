package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// Conv2D makes a plan of a convolution.
func (b *Backend) Conv2D(s backend.Conv2DSpec) (backend.Conv2D, error) {
	s.Window.Check(s.H, s.W)
	shape := convShape(s)
	h, w := shape.OutputSize()
	spec := linearSpec{
		x: tensor.Shape{s.N, s.H, s.W, s.In}, y: tensor.Shape{s.N, h, w, s.Out},
		w: tensor.Shape{s.Window.Height, s.Window.Width, s.In, s.Out}, bias: tensor.Shape{s.Out},
		rows:      s.Window.Taps() * s.In,
		batchNorm: s.BatchNorm, function: s.Function,
		inference: s.Inference, constant: s.Constant, noInputGrad: s.NoInputGrad,
	}
	if b.bf16 {
		return newLinear(b, spec, shape, func(string) ops.Algorithm[ops.ConvShape, ops.BF16] { return ops.DirectBF16 })
	}
	return newLinear(b, spec, shape, func(pass string) ops.Algorithm[ops.ConvShape, float32] {
		return b.planned(pass, shape)
	})
}
