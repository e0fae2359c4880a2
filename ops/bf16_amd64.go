//go:build !noasm

package ops

// bf16_amd64.s has the loop of each kernel in Go.

//go:noescape
func widenAVX2(dst *float32, src *BF16, n int)

//go:noescape
func roundAVX2(dst *BF16, src *float32, n int)

//go:noescape
func interleaveAVX2(dst *BF16, ldd int, src *BF16, lds, pairs, n int)

//go:noescape
func separateAVX2(dst *BF16, ldd int, src *BF16, pairs, n int)

//go:noescape
func splitAVX2(dst *float32, s, w int, src *BF16, pairs int)

func (l Level) widenWide(dst []float32, src []BF16) int {
	n := l.whole(len(src))
	for i := 0; i < n; i += chunkSize {
		widenAVX2(&dst[i], &src[i], min(chunkSize, n-i))
	}
	return n
}

func (l Level) roundWide(dst []BF16, src []float32) int {
	n := l.whole(len(src))
	for i := 0; i < n; i += chunkSize {
		roundAVX2(&dst[i], &src[i], min(chunkSize, n-i))
	}
	return n
}

// interleaveWide computes whole vectors of 16 columns and returns the number of columns.
func (l Level) interleaveWide(dst []BF16, ldd int, src []BF16, lds, pairs, n int) int {
	n &^= 15
	if l < AVX2 || n == 0 || pairs == 0 {
		return 0
	}
	_, _ = dst[2*((pairs-1)*ldd+n)-1], src[(2*pairs-1)*lds+n-1]
	interleaveAVX2(&dst[0], ldd, &src[0], lds, pairs, n)
	return n
}

// separateWide computes whole pairs of rows and returns the number of rows.
func (l Level) separateWide(dst []BF16, ldd int, panel []BF16, pairs, n int) int {
	if l < AVX2 || pairs == 0 {
		return 0
	}
	_, _ = dst[(2*pairs-1)*ldd+n-1], panel[(pairs-1)*2*panelBF16+2*n-1]
	separateAVX2(&dst[0], ldd, &panel[0], pairs, n)
	return 2 * pairs
}

// splitWide is splitPanel at the levels that have a kernel for it. It reports whether l has one.
func (l Level) splitWide(dst []float32, src []BF16, depth int) bool {
	if l < AVX2 {
		return false
	}
	_, _ = dst[panelBF16*depth-1], src[panelBF16*depth-1]
	step, width := 16, l.panelWidth()
	if width == 16 {
		step *= depth
	}
	splitAVX2(&dst[0], step, width, &src[0], depth/2)
	return true
}
