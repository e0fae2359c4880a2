//go:build !noasm

package ops

import "unsafe"

// Instructions that Go's assembler lacks are written as bytes, which asm2plan9s gets from GNU as.
//
//go:generate go tool asm2plan9s tile_bf16_avx512_amd64.s
//go:generate go tool asm2plan9s tile_bf16_amx_amd64.s

//go:noescape
func panelAVX512BF16(c argC, a argA, b argB, sum argSum, tiles argTiles, end argEpilogue)

// Arguments of panelAMX; see argC.
type (
	argBlocks struct {
		n, height int // blocks of rows, and rows of each
		config    *tileConfig
		run       int // segments summed at a time
	}
	argY struct { // of the rounded result; nil for sums that stay in c
		data *BF16
		ld   int
	}
	argStreams struct { // see prefetchBF16
		at     *BF16
		stride int
	}
)

//go:noescape
func panelAMX(c argC, a argA, b argB, sum argSum, blocks argBlocks, end argEpilogue,
	y argY, next argStreams)

// panelTilesBF16 is panelBF16 at the levels that have a kernel for it. It reports whether l has
// one.
func (l Level) panelTilesBF16(c []float32, ldc, rows int, a []BF16, rs int, b []BF16,
	segs []segment, k, flags int, next prefetchBF16) bool {
	tb, sum, end := argB{data: unsafe.Pointer(&b[0])}, argSum{&segs[0], len(segs), k}, argEpilogue{flags: flags}
	switch l {
	case AVX512BF16:
		panelAVX512BF16(argC{&c[0], ldc}, argA{unsafe.Pointer(&a[0]), rs, 1}, tb, sum, tiles(rows), end)
		return true
	case AMX:
		var streams argStreams
		if len(next.from) > 0 {
			streams = argStreams{&next.from[0], next.stride}
		}
		run := runAMX(len(segs), k)
		for at := 0; at < rows; {
			blocks := blocksAMX(rows-at, run)
			blocks.config = newTileConfig(blocks.height)
			panelAMX(argC{&c[at*ldc], ldc}, argA{unsafe.Pointer(&a[at*rs]), rs, 1}, tb, sum, blocks, end,
				argY{}, streams)
			streams = argStreams{} // few rows are left
			at += blocks.n * blocks.height
		}
		return true
	}
	return false
}

// panelTilesRounded is panelRounded for a whole panel, at the levels that have a kernel for it. It
// reports whether l has one.
func (l Level) panelTilesRounded(y []BF16, ldy, rows int, a []BF16, rs int, b []BF16,
	segs []segment, k int, p Epilogue, scratch []float32) bool {
	if l < AMX {
		return false
	}
	_ = y[(rows-1)*ldy+panelBF16-1]
	checkPanelBF16(rows, a, rs, b, segs, k)
	var end argEpilogue
	if p.Bias != nil {
		end.bias = &p.Bias[:panelBF16][0]
	}
	if p.ReLU {
		end.flags = tileReLU
	}
	sums := scratch[:min(rows, blockAMX)*panelBF16]
	tc, tb, sum := argC{&sums[0], panelBF16}, argB{data: unsafe.Pointer(&b[0])}, argSum{&segs[0], len(segs), k}
	run := runAMX(len(segs), k)
	for at := 0; at < rows; {
		blocks := blocksAMX(rows-at, run)
		blocks.config = newTileConfig(blocks.height)
		panelAMX(tc, argA{unsafe.Pointer(&a[at*rs]), rs, 1}, tb, sum, blocks, end,
			argY{&y[at*ldy], ldy}, argStreams{})
		at += blocks.n * blocks.height
	}
	return true
}

// runAMX returns how many of n segments of depth k are summed at a time: 32 rows of them stay in
// L1.
func runAMX(n, k int) int {
	const depth = 576
	runs := (n + max(1, depth/k) - 1) / max(1, depth/k)
	return (n + runs - 1) / runs
}

// blocksAMX returns the blocks of full height that rows rows begin with, or one of them all if they
// are fewer.
func blocksAMX(rows, run int) argBlocks {
	if rows < blockAMX {
		return argBlocks{n: 1, height: rows, run: run}
	}
	return argBlocks{n: rows / blockAMX, height: blockAMX, run: run}
}

// blockAMX is the number of rows of C in a block of AMX tiles.
const blockAMX = 32

// tileConfig is the operand of LDTILECFG: the number of rows of each tile and their length in
// bytes.
type tileConfig struct {
	palette, startRow uint8
	_                 [14]uint8
	rowBytes          [16]uint16
	rows              [16]uint8
}

// newTileConfig returns the configuration for blocks of height rows, see panelAMX.
func newTileConfig(height int) *tileConfig {
	c := &tileConfig{palette: 1}
	for i := range 8 {
		c.rowBytes[i] = 64
		c.rows[i] = uint8((height + 1) / 2)
	}
	c.rows[6], c.rows[7] = 16, 16 // of b
	return c
}
