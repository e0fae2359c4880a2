//go:build !noasm

package ops

// What Go's assembler does not know is written as bytes beside it, with the assembler of GNU.
//
//go:generate go tool asm2plan9s tile_bf16_avx512_amd64.s
//go:generate go tool asm2plan9s tile_bf16_amx_amd64.s

//go:noescape
func tileBF16AVX512(c *float32, ldc int, a *BF16, rs int, b *BF16, segs *Segment, n, k, rows, flags int)

//go:noescape
func tileAMX(c *float32, ldc int, a *BF16, rs int, b *BF16, segs *Segment, n, k, blocks, height int, config *tileConfig, flags int)

// panelTilesBF16 does what panelBF16 describes, if the level has a kernel for it.
func (l Level) panelTilesBF16(c []float32, ldc, rows int, a []BF16, rs int, b []BF16, segs []Segment, k, flags int) bool {
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
		if blocks := rows / blockAMX; blocks > 0 {
			tileAMX(&c[0], ldc, &a[0], rs, &b[0], &segs[0], len(segs), k, blocks, blockAMX, newTileConfig(blockAMX), flags)
		}
		if rest := rows % blockAMX; rest > 0 {
			at := rows - rest
			tileAMX(&c[at*ldc], ldc, &a[at*rs], rs, &b[0], &segs[0], len(segs), k, 1, rest, newTileConfig(rest), flags)
		}
		return true
	}
	return false
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
