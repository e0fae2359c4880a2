//go:build !noasm

package ops

import "github.com/klauspost/cpuid/v2"

const hasNEON = false

var (
	hasAVX2       = cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3)
	hasAVX512     = hasAVX2 && cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL)
	hasAVX512BF16 = hasAVX512 && cpuid.CPU.Supports(cpuid.AVX512BF16)

	cacheL2 = cpuid.CPU.Cache.L2 // bytes of L2, -1 if not known

	hasAMX, amxRefused = detectAMX(hasAVX512BF16 && cpuid.CPU.Supports(cpuid.AMXTILE, cpuid.AMXBF16))
)

// detectAMX reports whether this process may use AMX, given whether the processor has it. If the
// processor has it and the process may not use it, the error says why.
func detectAMX(processor bool) (bool, error) {
	if !processor {
		return false, nil
	}
	err := requestAMX()
	return err == nil, err
}
