//go:build !noasm

package ops

import "unsafe"

//go:noescape
func storeRowsAVX(dst *float32, ldd int, src *float32, lds, rows, cols int)

// storeRowsWide is storeRows for rows of whole cache lines. It returns false for others.
func (l Level) storeRowsWide(dst []float32, ldd int, src []float32, lds, rows, n int) bool {
	const line = 16
	if l == Generic || rows == 0 || n == 0 || n%line != 0 || ldd%line != 0 || uintptr(unsafe.Pointer(&dst[0]))%64 != 0 {
		return false
	}
	_, _ = dst[(rows-1)*ldd+n-1], src[(rows-1)*lds+n-1]
	storeRowsAVX(&dst[0], ldd, &src[0], lds, rows, n)
	return true
}
