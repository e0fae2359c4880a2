//go:build !noasm

package ops

import "github.com/klauspost/cpuid/v2"

var (
	hasAVX2       = cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3)
	hasAVX512     = hasAVX2 && cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL)
	hasAVX512BF16 = hasAVX512 && cpuid.CPU.Supports(cpuid.AVX512BF16)

	cacheL2 = cpuid.CPU.Cache.L2 // bytes of the second-level cache, -1 if not known

	hasAMX, amxRefused = askAMX(hasAVX512BF16 && cpuid.CPU.Supports(cpuid.AMXTILE, cpuid.AMXBF16))
)

// askAMX tells whether this process may use AMX, given whether the processor has it, and if it
// has, why not.
func askAMX(processor bool) (bool, error) {
	if !processor {
		return false, nil
	}
	err := requestAMX()
	return err == nil, err
}
