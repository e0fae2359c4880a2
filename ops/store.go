package ops

// storeRows copies rows of n elements, row i from src[i*lds:] to dst[i*ldd:], with non-temporal
// stores that bypass the caches. Use it for data that is not read again soon: ordinary stores would
// first read each line of dst from memory. Rows should be 1 KiB or longer: shorter ones take a
// third longer.
func (l Level) storeRows(dst []float32, ldd int, src []float32, lds, rows, n int) {
	if l.storeRowsWide(dst, ldd, src, lds, rows, n) {
		return
	}
	for i := range rows {
		copy(dst[i*ldd:][:n], src[i*lds:])
	}
}
