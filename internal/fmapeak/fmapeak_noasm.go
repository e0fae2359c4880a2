//go:build (!amd64 && !arm64) || noasm

package fmapeak

func kernelOf(level string) (kernel func(int), flop int) {
	if level != "generic" {
		panic(errLevel)
	}
	return generic, genericFlop
}
