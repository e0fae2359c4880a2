package cpu

import (
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// linear is a convolution or a dense layer. Each of its passes has an algorithm of its own.
type linear struct {
	b *Backend
	linearSpec
	forward, inputGradient layerPass
	kernelGradient         layerGradient
	biasGradient           biasGradient
}

// linearSpec is what a linear layer needs to know of its backend.Conv2DSpec or backend.DenseSpec.
type linearSpec struct {
	x, y, w, bias tensor.Shape
	rows          int // of the whole kernel as a matrix
	from          int // row with which w begins
	batchNorm     bool
	function      tensor.Function
	inference     bool
	constant      bool
	noInputGrad   bool
}

// layerPass is a forward pass or an input gradient.
type layerPass interface {
	run(y, x, w array, e ops.Epilogue)
}

// layerGradient is a kernel gradient.
type layerGradient interface {
	run(dw []float32, dy, x array)
}

// newLinear makes a layer of the shape s; choose returns the algorithm of a pass.
func newLinear[S ops.ConvShape | ops.DenseShape, T ops.Element](b *Backend, spec linearSpec, s S,
	choose func(pass string) ops.Algorithm[S, T]) (*linear, error) {

	l := &linear{b: b, linearSpec: spec}
	forward := passForward
	if spec.constant {
		forward = passConstant
	}
	var err error
	if l.forward, err = newPass(b, choose(forward).Forward(b.level, s, b.pool.workers), spec.constant); err != nil {
		return nil, err
	}
	if spec.inference {
		return l, nil
	}
	if !spec.noInputGrad {
		p := choose(passInput).InputGradient(b.level, s, b.pool.workers)
		if l.inputGradient, err = newPass(b, p, false); err != nil {
			return nil, err
		}
	}
	g := choose(passKernel).KernelGradient(b.level, s, b.pool.workers)
	if l.kernelGradient, err = newGradient(b, g, spec.w.Size()); err != nil {
		return nil, err
	}
	columns := spec.bias.Size()
	return l, l.biasGradient.init(b, spec.y.Size()/columns, columns)
}

// Forward computes y = x·w + b, without b if that is nil.
func (l *linear) Forward(y, x, w, b tensor.Tensor) {
	e := ops.Epilogue{ReLU: l.function.IsRectifier()}
	if !e.ReLU {
		e.Function = l.function
	}
	if b != nil {
		e.Bias = data(b, l.bias)
	}
	l.forward.run(output(y, l.y), input(x, l.x), l.kernel(w), e)
}

// BackwardData computes dx from dy.
func (l *linear) BackwardData(dx, dy, w tensor.Tensor) {
	l.inputGradient.run(output(dx, l.x), input(dy, l.y), l.kernel(w), ops.Epilogue{})
}

// BackwardFilter computes dw, and db unless that is nil.
func (l *linear) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	l.kernelGradient.run(output(dw, l.w).f32, input(dy, l.y), input(x, l.x))
	if db != nil {
		l.biasGradient.run(output(db, l.bias).f32, input(dy, l.y), l.batchNorm)
	}
}

// kernel returns w as the passes read it.
func (l *linear) kernel(w tensor.Tensor) array {
	a := input(w, l.w)
	if l.b.bf16 {
		return array{bf16: own(w).packedBF16(l.rows, l.from)}
	}
	return a
}
