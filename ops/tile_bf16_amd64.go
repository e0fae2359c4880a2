//go:build !noasm

package ops

// What Go's assembler does not know is written as bytes beside it, with the assembler of GNU.
//
//go:generate go tool asm2plan9s tile_bf16_avx512_amd64.s

//go:noescape
func tileBF16AVX512(c *float32, ldc int, a *BF16, rs int, b *BF16, segs *Segment, n, k, rows, flags int)

// panelTilesBF16 does what panelBF16 describes, if the level has a kernel for it.
func (l Level) panelTilesBF16(c []float32, ldc, rows int, a []BF16, rs int, b []BF16, segs []Segment, k, flags int) bool {
	if l < AVX512BF16 {
		return false
	}
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
}
