//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

const errInference = "cudnn: plan was made for inference"

// batchNorm is a batch normalization with what follows it.
type batchNorm struct {
	b               *Backend
	spec            backend.BatchNormSpec
	y, c            tensor.Shape
	rows, pooled    int           // of x, and of y
	saved, inferred C.CUdeviceptr // by Forward for Backward, and by Infer: see kernels/batchnorm.cu
}

// BatchNorm makes a plan of a batch normalization.
func (b *Backend) BatchNorm(s backend.BatchNormSpec) (backend.BatchNorm, error) {
	leave := b.enter()
	defer leave()
	s.Shape = slices.Clone(s.Shape)
	n, h, w, c := s.Shape.NHWC()
	p := &batchNorm{b: b, spec: s, y: s.Shape, c: tensor.Shape{c}, rows: n * h * w}
	if p.pooled = p.rows; s.Pool {
		p.y = pooled(s.Shape)
		p.pooled, _ = windows(s.Shape)
	}
	const arrays = 6
	var err error
	if p.inferred, err = b.alloc(arrays * 4 * int64(c)); err != nil || s.Inference {
		return p, err
	}
	if p.saved, err = b.alloc(arrays * 4 * int64(c)); err != nil {
		return nil, err
	}
	if err := b.reserveSums(p.pooled, c); err != nil {
		return nil, err
	}
	return p, b.reserveSums(p.rows, c)
}

// Forward normalizes by the statistics of x.
func (p *batchNorm) Forward(y, x, gamma, beta, mean, variance tensor.Tensor) {
	if p.spec.Inference {
		panic(errInference)
	}
	yAt, xAt := address(y, p.y), address(x, p.spec.Shape)
	var fresh C.CUdeviceptr
	if p.spec.Fresh != nil {
		fresh = address(p.spec.Fresh, tensor.Shape{1})
	}
	p.b.sumRows("bn_statistics", p.rows, p.c[0], pointer(p.saved), pointer(address(mean, p.c)), pointer(address(variance, p.c)),
		pointer(address(gamma, p.c)), pointer(address(beta, p.c)), pointer(xAt), pointer(p.b.memory.sums.at), pointer(p.b.kernels.counters),
		count(p.rows), integer(p.c[0]), number(p.spec.Epsilon), number(p.spec.Momentum), flag(p.spec.Unbiased),
		pointer(fresh), pointer(p.b.state.card))
	p.apply(yAt, xAt, p.saved)
}

// Infer normalizes by the running statistics.
func (p *batchNorm) Infer(y, x, gamma, beta, mean, variance tensor.Tensor) {
	yAt, xAt := address(y, p.y), address(x, p.spec.Shape)
	p.b.elementwise("bn_running", p.c[0], pointer(p.inferred), pointer(address(gamma, p.c)), pointer(address(beta, p.c)),
		pointer(address(mean, p.c)), pointer(address(variance, p.c)), integer(p.c[0]), number(p.spec.Epsilon))
	p.apply(yAt, xAt, p.inferred)
}

func (p *batchNorm) apply(y, x, saved C.CUdeviceptr) {
	name := "bn_apply"
	if p.spec.Pool {
		name = "bn_apply_pool"
	}
	p.b.rows(name, p.pooled, p.c[0], p.arguments(p.rows, pointer(y), pointer(x), pointer(saved))...)
}

// arguments adds what all kernels end with to pointers.
func (p *batchNorm) arguments(rows int, pointers ...argument) []argument {
	if p.spec.Pool {
		pointers = append(pointers, extents(p.spec.Shape)...)
	} else {
		pointers = append(pointers, count(rows), integer(p.c[0]))
	}
	return append(pointers, flag(p.spec.Function.IsRectifier()))
}

// Backward computes the gradients of the last Forward.
func (p *batchNorm) Backward(dx, dgamma, dbeta, dy, x, gamma, beta tensor.Tensor) {
	if p.spec.Inference {
		panic(errInference)
	}
	dxAt, dyAt, xAt := pointer(address(dx, p.spec.Shape)), pointer(address(dy, p.y)), pointer(address(x, p.spec.Shape))
	tensor.Check(gamma, p.c)
	tensor.Check(beta, p.c)
	sums, grad, rows := "bn_grad_sums", "bn_grad", p.rows
	if p.spec.Pool {
		sums, grad = "bn_grad_sums_pool", "bn_grad_pool"
		_, rows = windows(p.spec.Shape)
	}
	p.b.sumRows(sums, p.pooled, p.c[0], p.arguments(p.rows, pointer(address(dgamma, p.c)), pointer(address(dbeta, p.c)), pointer(p.saved),
		dyAt, xAt, pointer(p.b.memory.sums.at), pointer(p.b.kernels.counters))...)
	p.b.rows(grad, rows, p.c[0], p.arguments(p.rows, dxAt, dyAt, xAt, pointer(p.saved))...)
}
