package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const errKernel = "cpu: kernel of a convolution is neither 1x1 nor 3x3"

// conv2D is a convolution; each of its passes has an algorithm of its own.
type conv2D struct {
	b                  *Backend
	spec               backend.Conv2DSpec
	x, y, kernel, bias tensor.Shape
	forward, data      convPass
	gradient           convGradient
	biasGradient       biasGradient
}

// convPass is a convolution from in to out: the forward pass, or the backward pass to the
// input, which is a convolution with the kernel turned.
type convPass interface {
	run(out, in array, kernel []float32, p ops.Product)
}

// convGradient is the gradient of a convolution's kernel.
type convGradient interface {
	run(dw []float32, dy, x array)
}

// Conv2D makes a plan of a convolution.
func (b *Backend) Conv2D(s backend.Conv2DSpec) (backend.Conv2D, error) {
	if s.Kernel != 1 && s.Kernel != 3 {
		panic(errKernel)
	}
	c := &conv2D{
		b: b, spec: s,
		x: tensor.Shape{s.N, s.H, s.W, s.In}, y: tensor.Shape{s.N, s.H, s.W, s.Out},
		kernel: tensor.Shape{s.Kernel, s.Kernel, s.In, s.Out}, bias: tensor.Shape{s.Out},
	}
	shape := ops.ConvShape{N: s.N, H: s.H, W: s.W, In: s.In, Out: s.Out, Kernel: s.Kernel}
	forward := passForward
	if s.Constant {
		forward = passConstant
	}
	var err error
	if c.forward, err = b.convPass(forward, shape); err != nil || s.Inference {
		return c, err
	}
	if !s.NoInputGrad {
		if c.data, err = b.convPass(passInput, shape); err != nil {
			return nil, err
		}
	}
	if c.gradient, err = b.convGradient(shape); err != nil {
		return nil, err
	}
	return c, c.biasGradient.init(b, s.N*s.H*s.W, s.Out)
}

// convPass makes a pass of a convolution whose forward pass has the shape s.
func (b *Backend) convPass(pass string, s ops.ConvShape) (convPass, error) {
	forward, turned, constant := s, pass == passInput, pass == passConstant
	if turned {
		s.In, s.Out = s.Out, s.In
	}
	if b.bf16 {
		return newBF16Pass(b, s, turned)
	}
	if w, ok := b.winograd(pass, forward); ok {
		return newWinogradPass(b, w, s, turned, constant)
	}
	return newDirectPass(b, s, turned, constant)
}

func (b *Backend) convGradient(s ops.ConvShape) (convGradient, error) {
	if b.bf16 {
		return newBF16Gradient(b, s)
	}
	if w, ok := b.winograd(passKernel, s); ok {
		return newWinogradGradient(b, w, s)
	}
	return newDirectGradient(b, s)
}

// Forward computes y = conv(x, w) + b.
func (c *conv2D) Forward(y, x, w, b tensor.Tensor) {
	c.forward.run(c.b.output(y, c.y), numbers(x, c.x), data(w, c.kernel), ops.Product{Bias: data(b, c.bias), ReLU: c.spec.ReLU})
}

// BackwardData computes dx from dy.
func (c *conv2D) BackwardData(dx, dy, w tensor.Tensor) {
	c.data.run(c.b.output(dx, c.x), numbers(dy, c.y), data(w, c.kernel), ops.Product{})
}

// BackwardFilter computes dw and db.
func (c *conv2D) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	c.gradient.run(c.b.output(dw, c.kernel).f32, numbers(dy, c.y), numbers(x, c.x))
	c.biasGradient.run(c.b.output(db, c.bias).f32, numbers(dy, c.y), c.spec.BatchNorm)
}
