package cpu

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/lamina-go/lamina/backend"
)

const (
	hugePage  = 2 << 20
	chunkSize = 64 << 20
	lineSize  = 64 // bytes of a cache line, and of the widest vector
)

// chunk is one allocation from the system: whole huge pages, which save most TLB misses. Pages that
// are never touched cost nothing.
type chunk struct {
	mapped []byte    // as the system returned it
	floats []float32 // from the first huge-page boundary on
}

// newChunk returns zeroed memory for at least n floats.
func newChunk(n int) (chunk, error) {
	if n > math.MaxInt/8 {
		return chunk{}, fmt.Errorf("cpu: %w: memory for %d floats is needed", backend.ErrMemory, n)
	}
	size := (4*n + hugePage - 1) &^ (hugePage - 1)
	mapped, err := mapMemory(size + hugePage)
	if err != nil {
		return chunk{}, fmt.Errorf("cpu: %w: %d MiB more are needed (%w)", backend.ErrMemory, size>>20, err)
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(mapped)))
	skip := int(-start & (hugePage - 1))
	adviseHuge(mapped[skip : skip+size])
	first := (*float32)(unsafe.Pointer(&mapped[skip]))
	return chunk{mapped, unsafe.Slice(first, size/4)}, nil
}

// free returns the memory to the system.
func (c *chunk) free() {
	if c.mapped != nil {
		unmapMemory(c.mapped)
	}
	*c = chunk{}
}

// arena allocates from large chunks and frees everything at once.
type arena struct {
	chunks []chunk
	rest   []float32 // the free end of one of them
	used   int       // allocated floats, with alignment gaps
}

// alloc returns n zeros, aligned to a cache line and sharing none with other allocations.
func (a *arena) alloc(n int) ([]float32, error) {
	const line = lineSize / 4
	size := (n + line - 1) &^ (line - 1)
	if size <= len(a.rest) {
		piece := a.rest[:n:n]
		a.rest, a.used = a.rest[size:], a.used+size
		return piece, nil
	}
	c, err := newChunk(max(size, chunkSize/4))
	if err != nil {
		return nil, err
	}
	a.chunks, a.used = append(a.chunks, c), a.used+size
	if rest := c.floats[size:]; len(rest) > len(a.rest) {
		a.rest = rest
	}
	return c.floats[:n:n], nil
}

// bytes returns the size of all allocations.
func (a *arena) bytes() int { return 4 * a.used }

func (a *arena) free() {
	for i := range a.chunks {
		a.chunks[i].free()
	}
	*a = arena{}
}

// scratch is one buffer for each worker.
type scratch struct {
	memory chunk
	size   int // of one worker's buffer
	stride int // between buffers, with a gap of 128 bytes since the CPU fetches lines in pairs
}

// reserve resizes each worker's buffer to n floats. Contents are lost.
func (s *scratch) reserve(workers, n int) error {
	const pair = 2 * lineSize / 4
	stride := (n+pair-1)&^(pair-1) + pair
	memory, err := newChunk(workers * stride)
	if err != nil {
		return err
	}
	s.memory.free()
	*s = scratch{memory, n, stride}
	return nil
}

func (s *scratch) of(worker int) []float32 {
	return s.memory.floats[worker*s.stride:][:s.size:s.size]
}

func (s *scratch) free() {
	s.memory.free()
	*s = scratch{}
}
