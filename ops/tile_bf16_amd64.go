//go:build !noasm

package ops

import "unsafe"

// Instructions that Go's assembler lacks are written as bytes, which asm2plan9s gets from GNU as.
//
//go:generate go tool asm2plan9s tile_bf16_avx512_amd64.s
//go:generate go tool asm2plan9s tile_bf16_amx_amd64.s

//go:noescape
func panelAVX512BF16(p panelArgs)

// amxArgs are the arguments of panelAMX, which changes some on its frame.
type amxArgs struct {
	c              *float32 // with row stride ldc
	ldc            int
	a              *BF16 // with row stride rs
	rs             int
	b              *BF16
	segs           *segment
	n, k           int // segments, and steps of each
	blocks, height int // blocks of rows, and rows of each
	config         *tileConfig
	flags          int
	bias           *float32
	y              *BF16 // with row stride ldy; nil for sums that stay in c
	ldy            int
	run            int   // segments summed at a time
	next           *BF16 // as prefetchBF16
	stride         int
}

//go:noescape
func panelAMX(p amxArgs)

// panelTilesBF16 is panelBF16 at the levels that have a kernel for it. It reports whether l has
// one.
func (l Level) panelTilesBF16(c []float32, ldc, rows int, a []BF16, rs int, b []BF16,
	segs []segment, k, flags int, next prefetchBF16) bool {
	switch l {
	case AVX512BF16:
		p := panelArgs{
			c: &c[0], ldc: ldc,
			a: unsafe.Pointer(&a[0]), rs: rs,
			b:    unsafe.Pointer(&b[0]),
			segs: &segs[0], n: len(segs), k: k, flags: flags,
		}
		p.tiles, p.large, p.height = tiles(rows)
		panelAVX512BF16(p)
		return true
	case AMX:
		p := amxArgs{
			c: &c[0], ldc: ldc, a: &a[0], rs: rs, b: &b[0],
			segs: &segs[0], n: len(segs), k: k, flags: flags, run: runAMX(len(segs), k),
		}
		if len(next.from) > 0 {
			p.next, p.stride = &next.from[0], next.stride
		}
		eachBlockAMX(rows, func(at, blocks, height int) {
			p.c, p.a = &c[at*ldc], &a[at*rs]
			p.blocks, p.height, p.config = blocks, height, newTileConfig(height)
			panelAMX(p)
			p.next, p.stride = nil, 0 // few rows are left
		})
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
	sums := scratch[:min(rows, blockAMX)*panelBF16]
	args := amxArgs{
		c: &sums[0], ldc: panelBF16, rs: rs, b: &b[0],
		segs: &segs[0], n: len(segs), k: k, ldy: ldy, run: runAMX(len(segs), k),
	}
	if p.Bias != nil {
		args.bias = &p.Bias[:panelBF16][0]
	}
	if p.ReLU {
		args.flags = tileReLU
	}
	eachBlockAMX(rows, func(at, blocks, height int) {
		args.a, args.y = &a[at*rs], &y[at*ldy]
		args.blocks, args.height, args.config = blocks, height, newTileConfig(height)
		panelAMX(args)
	})
	return true
}

// runAMX returns how many of n segments of depth k are summed at a time: 32 rows of them stay in
// L1.
func runAMX(n, k int) int {
	const depth = 576
	runs := (n + max(1, depth/k) - 1) / max(1, depth/k)
	return (n + runs - 1) / runs
}

// eachBlockAMX calls f for the blocks of full height, and for the rows that are left.
func eachBlockAMX(rows int, f func(at, blocks, height int)) {
	if blocks := rows / blockAMX; blocks > 0 {
		f(0, blocks, blockAMX)
	}
	if rest := rows % blockAMX; rest > 0 {
		f(rows-rest, 1, rest)
	}
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
