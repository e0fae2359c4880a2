package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const errKernel = "cpu: kernel of a convolution is neither 1x1 nor 3x3"

// Conv2D makes a plan of a convolution.
func (b *Backend) Conv2D(s backend.Conv2DSpec) (backend.Conv2D, error) {
	if s.Kernel != 1 && s.Kernel != 3 {
		panic(errKernel)
	}
	shape := ops.ConvShape{N: s.N, H: s.H, W: s.W, In: s.In, Out: s.Out, Kernel: s.Kernel}
	h, w := shape.OutputSize()
	spec := linearSpec{
		x: tensor.Shape{s.N, s.H, s.W, s.In}, y: tensor.Shape{s.N, h, w, s.Out},
		w: tensor.Shape{s.Kernel, s.Kernel, s.In, s.Out}, bias: tensor.Shape{s.Out},
		rows:      s.Kernel * s.Kernel * s.In,
		batchNorm: s.BatchNorm, relu: s.ReLU,
		inference: s.Inference, constant: s.Constant, noInputGrad: s.NoInputGrad,
	}
	if b.bf16 {
		return newLinear(b, spec, shape, func(string) ops.Algorithm[ops.ConvShape, ops.BF16] { return ops.DirectBF16 })
	}
	return newLinear(b, spec, shape, func(pass string) ops.Algorithm[ops.ConvShape, float32] {
		return b.convAlgorithm(pass, shape)
	})
}
