//go:build cudnn && cgo && linux

package cudnn

// #include "launch.h"
import "C"

import (
	"fmt"
	"math"
)

// argument is a kernel argument: 8 bytes that begin with its value.
type argument = C.uint64_t

func pointer(p C.CUdeviceptr) argument { return argument(p) }
func count(n int) argument             { return argument(n) }
func integer(n int) argument           { return argument(uint32(n)) }
func number(x float32) argument        { return argument(math.Float32bits(x)) }

func flag(set bool) argument {
	if set {
		return 1
	}
	return 0
}

// launch enqueues a kernel.
func (b *Backend) launch(name string, grid, block [3]uint32, arguments ...argument) {
	if b.err != nil {
		return
	}
	f := b.kernels.functions[name]
	b.fail(cuda(b, "kernel "+name, C.lamina_launch(b.api, f,
		C.uint(grid[0]), C.uint(grid[1]), C.uint(grid[2]), C.uint(block[0]), C.uint(block[1]), C.uint(block[2]),
		b.stream, &arguments[0], C.int(len(arguments)))))
}

// vector returns the number of activations that a thread takes at once, 16 bytes.
func (b *Backend) vector() int {
	if b.bf16 {
		return 8
	}
	return 4
}

// on launches a kernel on a geometry.
func (b *Backend) on(g geometry, name string, arguments ...argument) {
	b.launch(name, g.grid, g.block, arguments...)
}

// elementwise launches a kernel of geometry E on n elements.
func (b *Backend) elementwise(name string, n int, arguments ...argument) {
	if n > 0 {
		b.on(elements(int64(n), b.vector(), b.card.multiprocessors), name, arguments...)
	}
}

// transpose launches a kernel that transposes matrices tile by tile.
func (b *Backend) transpose(name string, batch, rows, cols int, arguments ...argument) {
	b.launch(name, [3]uint32{uint32(cols+31) / 32, uint32(rows+31) / 32, uint32(min(batch, maxGridY))}, [3]uint32{32, 8, 1}, arguments...)
}

// rows launches a kernel of geometry C over rows of channels.
func (b *Backend) rows(name string, rows, channels int, arguments ...argument) {
	b.on(columns(int64(rows), channels, b.vector(), b.card.multiprocessors, false), name, arguments...)
}

// eachRow launches a kernel with one block of 32 threads for each row.
func (b *Backend) eachRow(name string, rows int, arguments ...argument) {
	b.launch(name, [3]uint32{uint32(rows), 1, 1}, [3]uint32{32, 1, 1}, arguments...)
}

// sumRows launches a kernel that sums over the rows, for which reserveSums has reserved memory.
func (b *Backend) sumRows(name string, rows, channels int, arguments ...argument) {
	b.on(columns(int64(rows), channels, b.vector(), b.card.multiprocessors, true), name, arguments...)
}

// reserveSums reserves memory for the partial sums of all blocks, up to two each.
func (b *Backend) reserveSums(rows, channels int) error {
	grid := columns(int64(rows), channels, b.vector(), b.card.multiprocessors, true).grid
	if grid[0] > counters {
		return fmt.Errorf("cudnn: a layer of %d channels has more than this backend can sum: use the cpu backend", channels)
	}
	return b.reserve(&b.memory.sums, 4*2*int64(channels)*int64(grid[1]))
}
