//go:build !noasm

package ops

import (
	"math"
	"unsafe"
)

// tileRows is the number of rows of a register tile.
const tileRows = 6

// prefetchRows is how many rows the prefetch of the next panel is ahead of its copy: some 800 ns,
// since the rows may come from memory.
const prefetchRows = 16

// panelArgs are the arguments of the panel microkernels, in one struct so that they share their
// control flow. The kernels change them on their frame. panelAVX512BF16 has a and b of BF16 and
// reads nothing from cs, ldb, bias, and from next on.
type panelArgs struct {
	c                    *float32 // with row stride ldc
	ldc                  int
	a                    unsafe.Pointer // element (i, p) of a segment at i*rs + p*cs
	rs, cs               int
	b                    unsafe.Pointer // element (p, j) of a segment at p*ldb + j
	ldb                  int
	segs                 *segment
	n, k                 int // segments, and steps of each
	tiles, large, height int // see tiles
	bias                 *float32
	flags                int

	next                *float32 // next address to prefetch
	stride              int      // of the four quarters of the next panel, or of its rows if it is copied
	lag                 int      // from next to the row to copy, in bytes
	to                  *float32
	copies              int // rows left to copy
	countdown, interval int // steps until the next prefetch, and between two
}

//go:noescape
func panelAVX2(p panelArgs)

//go:noescape
func panelAVX512(p panelArgs)

func (l Level) panelTiles(c []float32, ldc, rows int, a []float32, rs, cs int, b []float32, ldb int,
	segs []segment, k int, bias []float32, flags int, next prefetch) {
	width := l.panelWidth()
	p := panelArgs{
		c: &c[0], ldc: ldc,
		a: unsafe.Pointer(&a[0]), rs: rs, cs: cs,
		b: unsafe.Pointer(&b[0]), ldb: ldb,
		segs: &segs[0], n: len(segs), k: k, flags: flags,
	}
	p.tiles, p.large, p.height = tiles(rows)
	if bias != nil {
		p.bias = &bias[0]
	}
	switch {
	case len(next.to) > 0:
		_, _ = next.from[(k-1)*next.stride+width-1], next.to[k*width-1]
		lead := min(k-1, prefetchRows)
		p.next, p.stride = &next.from[lead*next.stride], next.stride
		p.lag = -4 * (lead + 1) * next.stride // the kernel adds stride before it copies
		p.to, p.copies = &next.to[0], k
		p.interval = math.MaxInt // no prefetch after the copies
	case len(next.from) > 0:
		p.next, p.stride = &next.from[0], k*width/4
		p.interval = p.tiles * 256 / width // 256 floats at a time, k·width of them in tiles·k steps
	default:
		p.countdown = math.MaxInt
	}
	if l == AVX2 {
		panelAVX2(p)
		return
	}
	panelAVX512(p)
}

// packsNext reports whether the kernel can pack the next panel while it multiplies rows rows by one
// of depth k: it copies a row every 16 steps.
func (l Level) packsNext(rows, k int) bool {
	n, _, _ := tiles(rows)
	return l >= AVX512 && n*(k/4) >= 4*k
}

// tiles divides rows rows into n tiles of nearly equal height, so that none is mostly empty: the
// first large ones have height rows, the others one less.
func tiles(rows int) (n, large, height int) {
	n = (rows + tileRows - 1) / tileRows
	height = rows / n
	large = rows % n
	if large > 0 {
		height++
	} else {
		large = n
	}
	return n, large, height
}
