package cpu

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/ops"
)

// ConvAlgorithms returns the names that Options.Conv takes: "auto" takes what is fastest for a
// shape, "im2col" is the direct way, and "f4" and "f2" are Winograd's (see ops.Winograd)
// wherever they can be used.
func ConvAlgorithms() []string { return []string{"auto", "im2col", "f4", "f2"} }

func checkConvAlgorithm(name string) error {
	if name == "" || slices.Contains(ConvAlgorithms(), name) {
		return nil
	}
	return fmt.Errorf("cpu: convolution algorithm %q: want one of %s", name, strings.Join(ConvAlgorithms(), ", "))
}

// winograd returns which of Winograd's algorithms computes a convolution and the gradient of
// its kernel, and false if it is computed directly.
func (b *Backend) winograd(s ops.ConvShape) (ops.Winograd, bool) {
	w := ops.F4
	switch {
	case s.H == 2 && s.W == 2:
		w = ops.Map2
	case b.conv == "f2":
		w = ops.F2
	}
	ok := w.Fits(s) && b.conv != "im2col"
	if b.conv == "auto" {
		// Measured on Intel Sapphire Rapids, layer by layer with AVX-512 and on whole networks
		// with AVX2: from 64 channels on F4 and Map2 are 1.2 to 2.6 times as fast in every pass
		// of VGG, and F2 is always slower than F4. Of few rows the transform of the kernel takes
		// too long. The generic level has no fast transforms. AMD is still to be measured.
		ok = ok && b.level > ops.Generic && s.In >= 64 && s.Out >= 64 && w.Rows(s) >= 32
	}
	return w, ok
}
