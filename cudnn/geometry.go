//go:build cudnn && cgo && linux

package cudnn

// geometry is how many threads a kernel runs on.
type geometry struct{ grid, block [3]uint32 }

// blockThreads is the number of threads of most blocks.
const blockThreads = 256

// elements is geometry E of kernels/common.cu for n elements, vector at a time, on a card of so
// many multiprocessors.
func elements(n int64, vector, multiprocessors int) geometry {
	blocks := ceilDiv(n, int64(blockThreads*vector))
	blocks = max(1, min(blocks, int64(16*multiprocessors)))
	return geometry{[3]uint32{uint32(blocks), 1, 1}, [3]uint32{blockThreads, 1, 1}}
}

// columns is geometry C of kernels/common.cu for rows of channels; vector is VEC. Sums take few
// blocks, for the last adds what all have summed.
func columns(rows int64, channels, vector, multiprocessors int, sums bool) geometry {
	wide, high := 32, 8
	width := wide
	if channels%vector == 0 {
		wide, high = 4, 64
		width = wide * vector
	}
	blocks := 8 * multiprocessors
	if sums {
		blocks = 2 * multiprocessors
	}
	gridX := ceilDiv(int64(channels), int64(width))
	chunks := ceilDiv(int64(blocks), gridX)
	chunks = min(chunks, ceilDiv(rows, int64(high)))
	chunks = max(chunks, ceilDiv(rows, int64(high)*rowsPerThread), 1)
	return geometry{[3]uint32{uint32(gridX), uint32(min(chunks, maxGridY)), 1}, [3]uint32{uint32(wide), uint32(high), 1}}
}

const (
	rowsPerThread = 256   // in sums, so that float suffices
	maxGridY      = 65535 // of every card
)

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
