//go:build !noasm

package ops

//go:noescape
func spreadRows(dst *BF16, ldd int, src *BF16, lds, n int)

// gatherWide copies a tap's rows of n elements as gather does, with zeros behind them, if n is at
// most 4. It returns how many rows it copied: not the last ones, of which 64 bits would pass the
// end of src.
func (l Level) gatherWide(dst []BF16, ldd int, src []BF16, n, rows int) int {
	done := rows + 1 - (4+n-1)/n
	if l < AVX2 || n > 4 || done <= 0 {
		return 0
	}
	_, _ = dst[(done-1)*ldd+3], src[(done-1)*n+3]
	spreadRows(&dst[0], ldd, &src[0], n, done)
	return done
}
