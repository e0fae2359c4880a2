//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

const (
	errInference = "cudnn: plan was made for inference"
	errPooled    = "cudnn: a pool follows no other function than max(0, x)"
)

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
	if err := s.Function.Check(); err != nil {
		return nil, err
	}
	if s.Pool && !isFloor(s.Function) {
		panic(errPooled)
	}
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

// Forward normalizes by the statistics of x, or, if frozen, by the running ones.
func (p *batchNorm) Forward(y, x, gamma, beta, mean, variance tensor.Tensor) {
	if p.spec.Inference {
		panic(errInference)
	}
	if p.spec.Frozen {
		p.running(p.saved, y, x, gamma, beta, mean, variance)
		return
	}
	yAt, xAt := address(y, p.y), address(x, p.spec.Shape)
	p.b.sumRows("bn_statistics", p.rows, p.c[0], pointer(p.saved), pointer(address(mean, p.c)), pointer(address(variance, p.c)),
		pointer(addressOrNil(gamma, p.c)), pointer(addressOrNil(beta, p.c)), pointer(xAt), pointer(p.b.memory.sums.at), pointer(p.b.kernels.counters),
		count(p.rows), integer(p.c[0]), number(p.spec.Epsilon), number(p.spec.Momentum), flag(p.spec.Unbiased),
		pointer(addressOrNil(p.spec.Fresh, tensor.Shape{1})), pointer(p.b.takeBias(xAt)), pointer(p.b.state.card))
	p.apply(yAt, xAt, p.saved)
}

// Infer normalizes by the running statistics.
func (p *batchNorm) Infer(y, x, gamma, beta, mean, variance tensor.Tensor) {
	p.running(p.inferred, y, x, gamma, beta, mean, variance)
}

// running normalizes by the running statistics, which it keeps at saved.
func (p *batchNorm) running(saved C.CUdeviceptr, y, x, gamma, beta, mean, variance tensor.Tensor) {
	p.b.addPostponed()
	p.b.elementwise("bn_running", p.c[0], pointer(saved), pointer(addressOrNil(gamma, p.c)), pointer(addressOrNil(beta, p.c)),
		pointer(address(mean, p.c)), pointer(address(variance, p.c)), integer(p.c[0]), number(p.spec.Epsilon))
	p.apply(address(y, p.y), address(x, p.spec.Shape), saved)
}

func (p *batchNorm) apply(y, x, saved C.CUdeviceptr) {
	p.launch(p.b.rows, "bn_apply", p.pooled, nil, pointer(y), pointer(x), pointer(saved))
}

// launch starts a kernel over so many rows: that for a pool, or for any function, where these
// follow. Behind the pointers come the shape and the flags.
func (p *batchNorm) launch(start func(name string, rows, channels int, arguments ...argument), name string, rows int, flags []argument, pointers ...argument) {
	shape := []argument{count(p.rows), integer(p.c[0])}
	name, function := floorOr(name, p.spec.Function)
	if p.spec.Pool {
		name += "_pool"
		shape = extents(p.spec.Shape)
	}
	start(name, rows, p.c[0], slices.Concat(pointers, shape, flags, function)...)
}

// Backward computes the gradients of the last Forward.
func (p *batchNorm) Backward(dx, dgamma, dbeta, dy, x, gamma, beta tensor.Tensor) {
	if p.spec.Inference {
		panic(errInference)
	}
	dxAt, dyAt, xAt := pointer(address(dx, p.spec.Shape)), pointer(address(dy, p.y)), pointer(address(x, p.spec.Shape))
	addressOrNil(gamma, p.c) // only checked: Forward has kept what is needed of them
	addressOrNil(beta, p.c)
	if !p.spec.Frozen || dgamma != nil || dbeta != nil {
		p.launch(p.b.sumRows, "bn_grad_sums", p.pooled, []argument{flag(p.spec.Frozen)},
			pointer(addressOrNil(dgamma, p.c)), pointer(addressOrNil(dbeta, p.c)), pointer(p.saved),
			dyAt, xAt, pointer(p.b.memory.sums.at), pointer(p.b.kernels.counters))
	}
	rows := p.rows
	if p.spec.Pool {
		_, rows = windows(p.spec.Shape)
	}
	p.launch(p.b.rows, "bn_grad", rows, nil, dxAt, dyAt, xAt, pointer(p.saved))
}
