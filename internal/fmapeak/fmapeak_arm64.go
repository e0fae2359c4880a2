//go:build !noasm

package fmapeak

// Floating-point operations of one iteration.
const neonFlop = 2 * 24 * 4

// neon does iterations of 24 independent FMAs of 4 floats each.
//
//go:noescape
func neon(iterations int)

func kernelOf(level string) (kernel func(int), flop int) {
	switch level {
	case "generic":
		return generic, genericFlop
	case "neon":
		return neon, neonFlop
	}
	panic(errLevel)
}
