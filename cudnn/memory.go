//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"fmt"
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

const (
	errForeign = "cudnn: tensor of another backend"
	errLength  = "cudnn: slice of wrong length"
	errView    = "cudnn: view does not fit into its tensor"
)

// MemoryError is the error of an allocation for which the card has not enough memory.
type MemoryError struct {
	Wanted, Free, Total int64 // bytes
}

// Error states how much is needed and how much is free.
func (e *MemoryError) Error() string {
	return fmt.Sprintf("cudnn: %v on the card: %d MiB more are needed, %d of its %d MiB are free",
		backend.ErrMemory, mebibytes(e.Wanted), e.Free>>20, e.Total>>20)
}

// Unwrap returns backend.ErrMemory.
func (e *MemoryError) Unwrap() error { return backend.ErrMemory }

// memory is scratch memory that plans of all scopes share, one call after the other.
type memory struct {
	shared scratch // of convolutions: their workspace
	packed scratch // of convolutions and dense layers: kernels and activations in other types and layouts
	sums   scratch // of sums over rows: their partial sums
}

// scratch is memory that every plan may use within one call. It is as large as the largest that was
// reserved.
type scratch struct {
	at    C.CUdeviceptr
	bytes int64
}

// packed are weights in the form in which products take them: a kernel of a convolution in the
// order of cuDNN, or weights of a dense layer in the type of activations.
type packed struct {
	from, to C.CUdeviceptr // the parameters, and the memory of a plan
	n        int           // elements
	kernel   bool
}

// keepWeights notes that weights are packed in the memory of a plan. That holds until the function
// of the step ends: a backward pass takes the weights of its forward pass, which change only after
// it. Without memory of its own, or outside of steps, nothing is kept.
func (b *Backend) keepWeights(from C.CUdeviceptr, n int, kernel bool, to C.CUdeviceptr) {
	if !b.inStep || to == 0 {
		return
	}
	b.weights = slices.DeleteFunc(b.weights, func(p packed) bool { return p.from == from }) // of an earlier Forward
	b.weights = append(b.weights, packed{from, to, n, kernel})
}

// packedWeights returns where weights are packed, if a Forward of this step has done so. Those of a
// dense layer may be some of its rows.
func (b *Backend) packedWeights(from C.CUdeviceptr, n int, kernel bool) (at C.CUdeviceptr, ok bool) {
	for _, p := range b.weights {
		inside := from >= p.from && from+C.CUdeviceptr(4*n) <= p.from+C.CUdeviceptr(4*p.n)
		if p.kernel == kernel && inside && (n == p.n || !kernel) {
			return p.to + C.CUdeviceptr(b.bytes(int(from-p.from)/4)), true
		}
	}
	return 0, false
}

// alloc returns memory that stays until Close, aligned to 256 bytes. Its contents are undefined.
func (b *Backend) alloc(bytes int64) (C.CUdeviceptr, error) {
	if b.closed {
		return 0, errClosed
	}
	at, err := b.take(bytes)
	if err == nil {
		b.blocks = append(b.blocks, at)
	}
	return at, err
}

// take returns memory that the caller frees with giveBack.
func (b *Backend) take(bytes int64) (at C.CUdeviceptr, err error) {
	status := C.lamina_cuMemAlloc_v2(b.api, &at, C.size_t(max(bytes, 16)))
	if status == C.LAMINA_CUDA_ERROR_OUT_OF_MEMORY {
		e := &MemoryError{Wanted: bytes}
		e.Free, e.Total = b.memoryInfo()
		return 0, e
	}
	return at, cuda(b, "cuMemAlloc", status)
}

// memoryInfo returns the bytes that are free on the card, and that it has.
func (b *Backend) memoryInfo() (free, total int64) {
	var f, t C.size_t
	C.lamina_cuMemGetInfo_v2(b.api, &f, &t)
	return int64(f), int64(t)
}

func (b *Backend) giveBack(at C.CUdeviceptr) {
	if at != 0 {
		C.lamina_cuMemFree_v2(b.api, at)
	}
}

// reserve makes a scratch at least that large. Steps recorded with the old address are recorded
// again. If the card has not enough memory, the scratch keeps its size, which plans of other scopes
// need.
func (b *Backend) reserve(s *scratch, bytes int64) error {
	if b.closed {
		return errClosed
	}
	if bytes <= s.bytes {
		return nil
	}
	if err := b.synchronize(); err != nil { // the card may still be using the old one
		return err
	}
	for scope := range b.scopes {
		scope.forgetGraphs()
	}
	before := s.bytes
	b.giveBack(s.at) // the old and the new need not fit beside each other
	*s = scratch{}
	at, err := b.take(bytes)
	if err == nil {
		*s = scratch{at, bytes}
		return nil
	}
	if before > 0 {
		at, lost := b.take(before)
		b.fail(lost)
		*s = scratch{at, before}
	}
	return err
}

func (m *memory) close(b *Backend) {
	for _, s := range []*scratch{&m.shared, &m.packed, &m.sums} {
		b.giveBack(s.at)
	}
	*m = memory{}
}

// synchronize waits for the card.
func (b *Backend) synchronize() error {
	return cuda(b, "a step on the card", C.lamina_cuStreamSynchronize(b.api, b.stream))
}

// buffer is a tensor of this backend, row-major.
type buffer struct {
	shape       tensor.Shape
	at          C.CUdeviceptr
	size        int // elements
	activations bool
}

// Shape returns the shape, which is not to be changed.
func (t *buffer) Shape() tensor.Shape { return t.shape }

// bytes returns the size of n activations.
func (b *Backend) bytes(n int) int64 {
	if b.bf16 {
		return 2 * int64(n)
	}
	return 4 * int64(n)
}

// Parameters makes a zeroed tensor of float32.
func (b *Backend) Parameters(shape tensor.Shape) (tensor.Tensor, error) {
	leave := b.enter()
	defer leave()
	n := shape.Size()
	at, err := b.alloc(4 * int64(n))
	if err != nil {
		return nil, err
	}
	if n > 0 {
		err = cuda(b, "cuMemsetD8Async", C.lamina_cuMemsetD8Async(b.api, at, 0, C.size_t(4*n), b.stream))
	}
	return &buffer{slices.Clone(shape), at, n, false}, err
}

// Activations makes a tensor of the backend's precision.
func (b *Backend) Activations(shape tensor.Shape) (tensor.Tensor, error) {
	shape.NHWC() // checks the rank
	leave := b.enter()
	defer leave()
	n := shape.Size()
	at, err := b.alloc(b.bytes(n))
	if err != nil {
		return nil, err
	}
	return &buffer{slices.Clone(shape), at, n, true}, nil
}

// View returns a range of the memory of t.
func (b *Backend) View(t tensor.Tensor, offset int, shape tensor.Shape) tensor.Tensor {
	whole := own(t)
	n := shape.Size()
	if offset < 0 || offset > whole.size || n > whole.size-offset || whole.activations && offset != 0 {
		panic(errView)
	}
	if whole.activations {
		shape.NHWC()
	}
	return &buffer{slices.Clone(shape), whole.at + C.CUdeviceptr(4*offset), n, whole.activations}
}

// Kernel is View: weights have no other form here.
func (b *Backend) Kernel(parameters tensor.Tensor, offset int, shape tensor.Shape) (tensor.Tensor, error) {
	return b.View(parameters, offset, shape), nil
}

// own returns t as a tensor of this package.
func own(t tensor.Tensor) *buffer {
	v, ok := t.(*buffer)
	if !ok {
		panic(errForeign)
	}
	return v
}

// addressOrNil returns the address of t, after checking its shape, or 0 for nil.
func addressOrNil(t tensor.Tensor, shape tensor.Shape) C.CUdeviceptr {
	if t == nil {
		return 0
	}
	return address(t, shape)
}

// address returns the address of t, after checking its shape.
func address(t tensor.Tensor, shape tensor.Shape) C.CUdeviceptr {
	tensor.Check(t, shape)
	return own(t).at
}
