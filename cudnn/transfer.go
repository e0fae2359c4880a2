//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"slices"
	"unsafe"

	"github.com/lamina-go/lamina/tensor"
)

const (
	stagingSlots = 4
	stagingSize  = 1 << 20 // float32s in a slot: more than a batch of small images
)

// staging is pinned host memory. Write copies to the next slot and returns, so that the next batch
// is transferred while the card computes this one.
type staging struct {
	slots [stagingSlots]slot
	next  int
	card  C.CUdeviceptr // for float32s that are converted; one suffices, as all is done in order
}

type slot struct {
	memory unsafe.Pointer
	bytes  []byte    // the memory
	ended  C.CUevent // the last transfer
}

// bytesOf returns the memory of values.
func bytesOf[T any](values []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(*new(T))))
}

func (s *staging) open(b *Backend) error {
	for i := range s.slots {
		slot := &s.slots[i]
		if err := cuda(b, "cuMemHostAlloc", C.lamina_cuMemHostAlloc(b.api, &slot.memory, 4*stagingSize, 0)); err != nil {
			return err
		}
		slot.bytes = unsafe.Slice((*byte)(slot.memory), 4*stagingSize)
		if err := cuda(b, "cuEventCreate", C.lamina_cuEventCreate(b.api, &slot.ended, C.LAMINA_CU_EVENT_DISABLE_TIMING)); err != nil {
			return err
		}
	}
	var err error
	if b.bf16 {
		s.card, err = b.alloc(4 * stagingSize)
	}
	return err
}

func (s *staging) close(b *Backend) {
	for _, slot := range s.slots {
		if slot.ended != nil {
			C.lamina_cuEventDestroy_v2(b.api, slot.ended)
		}
		if slot.memory != nil {
			C.lamina_cuMemFreeHost(b.api, slot.memory)
		}
	}
	*s = staging{}
}

// take returns the next slot once the card is done with it.
func (s *staging) take(b *Backend) *slot {
	slot := &s.slots[s.next]
	s.next = (s.next + 1) % stagingSlots
	b.fail(cuda(b, "a step on the card", C.lamina_cuEventSynchronize(b.api, slot.ended)))
	return slot
}

// Write copies src, row-major in the order of the shape, to dst.
func (b *Backend) Write(dst tensor.Tensor, src []float32) error {
	if err := b.failed(); err != nil {
		return err
	}
	t := own(dst)
	if len(src) != t.size {
		panic(errLength)
	}
	leave := b.enter()
	defer leave()
	if !t.activations || !b.bf16 {
		b.upload(t.at, bytesOf(src))
		return b.err
	}
	for from := 0; from < len(src); from += stagingSize {
		chunk := src[from:min(from+stagingSize, len(src))]
		b.upload(b.staging.card, bytesOf(chunk))
		b.elementwise("from_float", len(chunk), pointer(t.at+C.CUdeviceptr(b.bytes(from))), pointer(b.staging.card), count(len(chunk)))
	}
	return b.err
}

// upload copies bytes to the card.
func (b *Backend) upload(to C.CUdeviceptr, bytes []byte) {
	for chunk := range slices.Chunk(bytes, 4*stagingSize) {
		slot := b.staging.take(b)
		if b.err != nil {
			return
		}
		copy(slot.bytes, chunk)
		b.fail(cuda(b, "cuMemcpyHtoDAsync", C.lamina_cuMemcpyHtoDAsync_v2(b.api, to, slot.memory, C.size_t(len(chunk)), b.stream)))
		b.fail(cuda(b, "cuEventRecord", C.lamina_cuEventRecord(b.api, slot.ended, b.stream)))
		to += C.CUdeviceptr(len(chunk))
	}
}

// Read copies src to dst, row-major in the order of the shape.
func (b *Backend) Read(dst []float32, src tensor.Tensor) error {
	if err := b.failed(); err != nil {
		return err
	}
	t := own(src)
	if len(dst) != t.size {
		panic(errLength)
	}
	leave := b.enter()
	defer leave()
	for from := 0; from < len(dst) && b.err == nil; from += stagingSize {
		chunk := dst[from:min(from+stagingSize, len(dst))]
		slot := b.staging.take(b)
		at := t.at + C.CUdeviceptr(4*from)
		if t.activations && b.bf16 {
			at = b.staging.card
			b.elementwise("to_float", len(chunk), pointer(at), pointer(t.at+C.CUdeviceptr(b.bytes(from))), count(len(chunk)))
		}
		b.fail(cuda(b, "cuMemcpyDtoHAsync", C.lamina_cuMemcpyDtoHAsync_v2(b.api, slot.memory, at, C.size_t(4*len(chunk)), b.stream)))
		b.fail(b.synchronize())
		copy(bytesOf(chunk), slot.bytes)
	}
	return b.err
}
