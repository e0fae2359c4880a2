//go:build !noasm

package ops

//go:generate go tool asm2plan9s sum_bf16_amd64.s

//go:noescape
func sumBF16AVX512(y, a, b *BF16, n int, floor float32)

//go:noescape
func sumReLUGradBF16AVX512(d, dy, a, b *BF16, n int)

// wholeBF16 returns how many of n elements fill whole vectors of 16, none below AVX512BF16.
func (l Level) wholeBF16(n int) int {
	if l < AVX512BF16 {
		return 0
	}
	return n &^ 15
}

func (l Level) sumBF16Wide(y, a, b []BF16, floor float32) int {
	n := l.wholeBF16(len(y))
	for i := 0; i < n; i += chunkSize {
		sumBF16AVX512(&y[i], &a[i], &b[i], min(chunkSize, n-i), floor)
	}
	return n
}

func (l Level) sumReLUGradBF16Wide(d, dy, a, b []BF16) int {
	n := l.wholeBF16(len(d))
	for i := 0; i < n; i += chunkSize {
		sumReLUGradBF16AVX512(&d[i], &dy[i], &a[i], &b[i], min(chunkSize, n-i))
	}
	return n
}
