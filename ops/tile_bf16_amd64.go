//go:build !noasm

package ops

// What Go's assembler does not know is written as bytes beside it, with the assembler of GNU.
//
//go:generate go tool asm2plan9s tile_bf16_avx512_amd64.s
//go:generate go tool asm2plan9s tile_bf16_amx_amd64.s

//go:noescape
func tileBF16AVX512(c *float32, ldc int, a *BF16, rs int, b *BF16, segs *segment, n, k, rows, flags int)

//go:noescape
func tileAMX(c *float32, ldc int, a *BF16, rs int, b *BF16, segs *segment, n, k, blocks, height int, config *tileConfig, flags int, bias *float32, y *BF16, ldy int, run int, next *BF16, apart int)

// panelTilesBF16 does what panelBF16 describes, if the level has a kernel for it.
func (l Level) panelTilesBF16(c []float32, ldc, rows int, a []BF16, rs int, b []BF16, segs []segment, k, flags int, next aheadBF16) bool {
	switch l {
	case AVX512BF16:
		n, large, height := tiles(rows)
		at := 0
		for i := range n {
			if i == large {
				height--
			}
			tileBF16AVX512(&c[at*ldc], ldc, &a[at*rs], rs, &b[0], &segs[0], len(segs), k, height, flags)
			at += height
		}
		return true
	case AMX:
		var from *BF16
		if len(next.from) > 0 {
			from = &next.from[0]
		} else {
			next.apart = 0
		}
		tilesAMX(rows, func(at, blocks, height int) {
			tileAMX(&c[at*ldc], ldc, &a[at*rs], rs, &b[0], &segs[0], len(segs), k, blocks, height, newTileConfig(height), flags, nil, nil, 0, runAMX(len(segs), k), from, next.apart)
			from, next.apart = nil, 0 // few rows are left
		})
		return true
	}
	return false
}

// panelTilesRounded does what panelRounded describes for a whole panel, if the level has a kernel for it.
func (l Level) panelTilesRounded(y []BF16, ldy, rows int, a []BF16, rs int, b []BF16, segs []segment, k int, p Epilogue, scratch []float32) bool {
	if l < AMX {
		return false
	}
	_ = y[(rows-1)*ldy+panelBF16-1]
	checkPanelBF16(rows, a, rs, b, segs, k)
	var bias *float32
	if p.Bias != nil {
		bias = &p.Bias[:panelBF16][0]
	}
	flags := 0
	if p.ReLU {
		flags = tileReLU
	}
	sums := scratch[:min(rows, blockAMX)*panelBF16]
	tilesAMX(rows, func(at, blocks, height int) {
		tileAMX(&sums[0], panelBF16, &a[at*rs], rs, &b[0], &segs[0], len(segs), k, blocks, height, newTileConfig(height), flags, bias, &y[at*ldy], ldy, runAMX(len(segs), k), nil, 0)
	})
	return true
}

// runAMX returns how many of n segments of depth k are summed at a time: 32 rows of them stay in the first-level cache.
func runAMX(n, k int) int {
	const depth = 576
	runs := (n + max(1, depth/k) - 1) / max(1, depth/k)
	return (n + runs - 1) / runs
}

// tilesAMX calls f for blocks of whole height, and for the rows that are left.
func tilesAMX(rows int, f func(at, blocks, height int)) {
	if blocks := rows / blockAMX; blocks > 0 {
		f(0, blocks, blockAMX)
	}
	if rest := rows % blockAMX; rest > 0 {
		f(rows-rest, 1, rest)
	}
}

// blockAMX is the number of rows of C in the tiles of AMX.
const blockAMX = 32

// tileConfig is the operand of LDTILECFG: of each tile, its rows and their length in bytes.
type tileConfig struct {
	palette, startRow uint8
	_                 [14]uint8
	rowBytes          [16]uint16
	rows              [16]uint8
}

// newTileConfig returns the configuration for blocks of height rows, see tileAMX.
func newTileConfig(height int) *tileConfig {
	c := &tileConfig{palette: 1}
	for i := range 8 {
		c.rowBytes[i] = 64
		c.rows[i] = uint8((height + 1) / 2)
	}
	c.rows[6], c.rows[7] = 16, 16 // of b
	return c
}
