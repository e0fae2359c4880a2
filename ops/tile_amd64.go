//go:build !noasm

package ops

import (
	"math"
	"unsafe"
)

// prefetchRows is how many rows the prefetch of the next panel is ahead of its copy: some 800 ns,
// since the rows may come from memory.
const prefetchRows = 16

// argCopy are the rows of the next panel to pack.
type argCopy struct {
	to   *float32
	lag  int // from argNext.at to the row to copy, in bytes
	rows int
}

//go:noescape
func panelAVX2(c argC, a argA, b argB, sum argSum, tiles argTiles, end argEpilogue,
	next argNext, copy argCopy)

//go:noescape
func panelAVX512(c argC, a argA, b argB, sum argSum, tiles argTiles, end argEpilogue,
	next argNext, copy argCopy)

func (l Level) panelTiles(c []float32, ldc, rows int, a []float32, rs, cs int, b []float32, ldb int,
	segs []segment, k int, bias []float32, flags int, next prefetch) {
	tc, ta, tb := argC{&c[0], ldc}, argA{unsafe.Pointer(&a[0]), rs, cs}, argB{unsafe.Pointer(&b[0]), ldb}
	sum, tiles, end := argSum{&segs[0], len(segs), k}, tiles(rows), argEpilogue{flags: flags}
	if bias != nil {
		end.bias = &bias[0]
	}
	var to argCopy
	from, width := argNext{countdown: math.MaxInt}, l.panelWidth()
	switch {
	case len(next.to) > 0:
		_, _ = next.from[(k-1)*next.stride+width-1], next.to[k*width-1]
		lead := min(k-1, prefetchRows)
		// Prefetch and copy alternate, so nothing is left to prefetch after the copies.
		from = argNext{&next.from[lead*next.stride], next.stride, 0, math.MaxInt}
		to = argCopy{&next.to[0], -4 * (lead + 1) * next.stride, k} // at moves by a row before the copy
	case len(next.from) > 0:
		// 256 floats at a time, of k·width in tiles·k steps.
		from = argNext{&next.from[0], k * width / 4, 0, tiles.n * 256 / width}
	}
	if l == AVX2 {
		panelAVX2(tc, ta, tb, sum, tiles, end, from, to)
		return
	}
	panelAVX512(tc, ta, tb, sum, tiles, end, from, to)
}

// packsNext reports whether the kernel can pack the next panel while it multiplies rows rows by one
// of depth k: it copies a row every 16 steps.
func (l Level) packsNext(rows, k int) bool {
	return l >= AVX512 && tiles(rows).n*(k/4) >= 4*k
}
