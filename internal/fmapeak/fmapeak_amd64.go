//go:build !noasm

package fmapeak

// Floating-point operations of one iteration.
const (
	avx2Flop   = 2 * 12 * 8
	avx512Flop = 2 * 24 * 16
)

// avx2 does iterations of 12 independent multiply-adds of eight numbers each.
//
//go:noescape
func avx2(iterations int)

// avx512 does iterations of 24 independent multiply-adds of sixteen numbers each.
//
//go:noescape
func avx512(iterations int)

func kernelOf(level string) (kernel func(int), flop int) {
	switch level {
	case "generic":
		return generic, genericFlop
	case "avx2":
		return avx2, avx2Flop
	case "avx512":
		return avx512, avx512Flop
	}
	panic(errLevel)
}
