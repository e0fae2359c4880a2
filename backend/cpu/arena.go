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

// chunk is memory got from the system at once: whole huge pages, which save most of the
// misses of the address cache. Pages that are never touched cost nothing.
type chunk struct {
	mapped []byte    // as the system gave it
	floats []float32 // from the first boundary of a huge page on
}

// newChunk returns zeroed memory for at least n numbers.
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

// free gives the memory back.
func (c *chunk) free() {
	if c.mapped != nil {
		unmapMemory(c.mapped)
	}
	*c = chunk{}
}

// arena hands out memory piece by piece from large chunks and frees it as a whole.
type arena struct {
	chunks []chunk
	rest   []float32 // what is left of one of them
	used   int       // numbers that were handed out, with the gaps between pieces
}

// alloc returns n zeros, aligned to a cache line and sharing none with others.
func (a *arena) alloc(n int) ([]float32, error) {
	const line = lineSize / 4
	size := (n + line - 1) &^ (line - 1)
	a.used += size
	if size <= len(a.rest) {
		piece := a.rest[:n:n]
		a.rest = a.rest[size:]
		return piece, nil
	}
	c, err := newChunk(max(size, chunkSize/4))
	if err != nil {
		return nil, err
	}
	a.chunks = append(a.chunks, c)
	if rest := c.floats[size:]; len(rest) > len(a.rest) {
		a.rest = rest
	}
	return c.floats[:n:n], nil
}

// bytes returns the size of what was handed out.
func (a *arena) bytes() int { return 4 * a.used }

func (a *arena) free() {
	for i := range a.chunks {
		a.chunks[i].free()
	}
	*a = arena{}
}

// scratch is working memory for each of the workers.
type scratch struct {
	memory chunk
	size   int // of one worker's part
	stride int // from one part to the next: 128 bytes apart, since lines are fetched in pairs
}

// reserve makes each worker's part n numbers long; contents are lost.
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
