package ops

// storeRows copies rows of n numbers: row i is src[i*lds:], and goes to dst[i*ldd:]. It passes by the caches, for what is not read
// again while they hold it: else each line of dst would first be read from memory. Make rows 1 KiB long or longer: memory takes
// shorter ones a third slower.
func (l Level) storeRows(dst []float32, ldd int, src []float32, lds, rows, n int) {
	if l.storeRowsWide(dst, ldd, src, lds, rows, n) {
		return
	}
	for i := range rows {
		copy(dst[i*ldd:][:n], src[i*lds:])
	}
}
