//go:build !noasm

package ops

import "unsafe"

//go:generate go tool asm2plan9s pack_bf16_amd64.s

//go:noescape
func packAVX512BF16(dst *BF16, stride int, src *float32, lds, pairs, panels int)

// packRoundedWide packs whole pairs of rows of whole panels, stride elements from one to the next.
// It returns the number of rows and columns that it packed.
func (l Level) packRoundedWide(packed []BF16, stride int, b []float32, ldb, k, n int) (rows, columns int) {
	rows, columns = k&^1, n/panelBF16*panelBF16
	if l < AVX512BF16 || rows == 0 || columns == 0 || uintptr(unsafe.Pointer(&packed[0]))%64 != 0 {
		return 0, 0
	}
	_, _ = packed[(columns/panelBF16-1)*stride+rows*panelBF16-1], b[(rows-1)*ldb+columns-1]
	packAVX512BF16(&packed[0], stride, &b[0], ldb, rows/2, columns/panelBF16)
	return rows, columns
}
