//go:build !noasm

package fmapeak

// Instructions that Go's assembler lacks are written as bytes, which asm2plan9s gets from GNU as.
//
//go:generate go tool asm2plan9s fmapeak_bf16_amd64.s

// Floating-point operations of one iteration.
const (
	avx2Flop       = 2 * 12 * 8
	avx512Flop     = 2 * 24 * 16
	avx512BF16Flop = 2 * 24 * 16 * 2
	amxFlop        = 2 * 6 * 16 * 16 * 32
)

// avx2 does iterations of 12 independent FMAs of 8 floats each.
//
//go:noescape
func avx2(iterations int)

// avx512 does iterations of 24 independent FMAs of 16 floats each.
//
//go:noescape
func avx512(iterations int)

// avx512BF16 does iterations of 24 independent VDPBF16PS of 16 pairs each.
//
//go:noescape
func avx512BF16(iterations int)

// amx does iterations of 6 independent products of 16 by 32 and 32 by 16 elements each.
//
//go:noescape
func amx(iterations int)

func kernelOf(level string) (kernel func(int), flop int) {
	switch level {
	case "generic":
		return generic, genericFlop
	case "avx2":
		return avx2, avx2Flop
	case "avx512":
		return avx512, avx512Flop
	case "avx512bf16":
		return avx512BF16, avx512BF16Flop
	case "amx":
		return amx, amxFlop
	}
	panic(errLevel)
}
