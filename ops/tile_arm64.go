//go:build !noasm

package ops

import (
	"math"
	"unsafe"
)

//go:noescape
func panelNEON(c argC, a argA, b argB, sum argSum, tiles argTiles, end argEpilogue, next argNext)

func (l Level) panelTiles(c []float32, ldc, rows int, a []float32, rs, cs int, b []float32, ldb int,
	segs []segment, k int, bias []float32, flags int, next prefetch) {
	tiles, end, from := tiles(rows), argEpilogue{flags: flags}, argNext{countdown: math.MaxInt}
	if bias != nil {
		end.bias = &bias[0]
	}
	if len(next.from) > 0 {
		// 256 bytes of each quarter at a time, of k·width in tiles·k steps.
		width := l.panelWidth()
		from = argNext{&next.from[0], k * width / 4, 0, tiles.n * 256 / width}
	}
	panelNEON(argC{&c[0], ldc}, argA{unsafe.Pointer(&a[0]), rs, cs}, argB{unsafe.Pointer(&b[0]), ldb},
		argSum{&segs[0], len(segs), k}, tiles, end, from)
}

func (Level) packsNext(_, _ int) bool { return false }
