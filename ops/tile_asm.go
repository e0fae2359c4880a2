//go:build (amd64 || arm64) && !noasm

package ops

import "unsafe"

// tileRows is the number of rows of a register tile.
const tileRows = 6

// The arguments of the microkernels are grouped in structs of at most four words, which Go stores
// directly into the frame. It would build a larger struct elsewhere and copy it, which waits for
// the stores and costs 10 ns a call. The kernels change some on their frame.
type (
	argC struct {
		data *float32
		ld   int
	}
	argA struct { // element (i, p) of a segment at i*rs + p*cs
		data   unsafe.Pointer // float32 or BF16, by kernel; so in argB
		rs, cs int
	}
	argB struct { // element (p, j) of a segment at p*ld + j
		data unsafe.Pointer
		ld   int
	}
	argSum struct { // n segments of k steps
		segs *segment
		n, k int
	}
	argTiles    struct{ n, large, height int } // see tiles
	argEpilogue struct {
		bias  *float32
		flags int
	}
	argNext struct { // prefetch of the next panel
		at                  *float32 // next address
		stride              int      // of the quarters of a packed panel, or of the rows to copy
		countdown, interval int      // steps until the next prefetch, and between two
	}
)

// tiles divides rows rows into n tiles of nearly equal height, so that none is mostly empty: the
// first large ones have height rows, the others one less.
func tiles(rows int) argTiles {
	n := divUp(rows, tileRows)
	missing := n*tileRows - rows
	return argTiles{n, n - missing%n, tileRows - missing/n}
}
