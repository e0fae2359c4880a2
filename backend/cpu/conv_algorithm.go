package cpu

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/ops"
)

// ConvAlgorithms returns the names that Options.Conv takes: "auto" takes what is fastest for a
// shape, "im2col" is the direct way, and "f4" and "f2" are Winograd's (see ops.Winograd)
// wherever they can be used.
func ConvAlgorithms() []string { return []string{"auto", direct, ops.F4.String(), ops.F2.String()} }

// direct is the algorithm that every convolution can be computed by.
const direct = "im2col"

// ConvTable tells for passes of convolutions, by ConvName, which algorithm computes them: "im2col", or
// the name of an ops.Winograd.
type ConvTable map[string]string

// ConvPasses are the passes of a convolution: Forward, BackwardData, BackwardFilter, and Forward with Conv2DSpec.Constant.
var ConvPasses = [...]string{passForward, passInput, passKernel, passConstant}

const (
	passForward  = "forward"
	passInput    = "input gradient"
	passKernel   = "kernel gradient"
	passConstant = "inference" // the kernel is transformed once
)

// ConvName is the name of a pass in a ConvTable: "forward 128x32x32 64→64", images first. s is the shape of
// the forward pass.
func ConvName(pass string, s ops.ConvShape) string {
	return fmt.Sprintf("%s %dx%dx%d %d→%d", pass, s.N, s.H, s.W, s.In, s.Out)
}

// winogradNames are the algorithms that a ConvTable can name besides direct.
var winogradNames = map[string]ops.Winograd{
	ops.F4.String(): ops.F4, ops.F2.String(): ops.F2, ops.Map2.String(): ops.Map2,
}

func checkConvAlgorithm(name string) error {
	if name == "" || slices.Contains(ConvAlgorithms(), name) {
		return nil
	}
	return fmt.Errorf("cpu: convolution algorithm %q: want one of %s", name, strings.Join(ConvAlgorithms(), ", "))
}

// Check reports an entry that no machine could have made.
func (t ConvTable) Check() error {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if _, ok := winogradNames[t[name]]; !ok && t[name] != direct {
			return fmt.Errorf("cpu: convolution algorithm %q for %s: want %s, f4, f2 or map2", t[name], name, direct)
		}
	}
	return nil
}

// ConvTable returns Options.Table with how the 3x3 convolutions planned so far are computed: as Options.Table it
// makes another Backend choose the same. It has nothing of bf16, which is always direct.
func (b *Backend) ConvTable() ConvTable { return maps.Clone(b.chosen) }

// winograd returns which of Winograd's algorithms computes a pass of a convolution, and false if
// it is computed directly. s is the shape of the forward pass.
func (b *Backend) winograd(pass string, s ops.ConvShape) (w ops.Winograd, ok bool) {
	if s.Kernel == 1 {
		return w, false
	}
	name := ConvName(pass, s)
	switch algorithm := b.table[name]; {
	case b.conv == "auto" && algorithm != "":
		w, ok = winogradNames[algorithm]
	case b.conv == "auto":
		w, ok = b.fastest(pass, s)
	case b.conv != direct && s.H == 2 && s.W == 2:
		w, ok = ops.Map2, true
	default:
		w, ok = winogradNames[b.conv]
	}
	ok = ok && w.Fits(s)
	b.chosen[name] = direct
	if ok {
		b.chosen[name] = w.String()
	}
	return w, ok
}

// fastest returns which of Winograd's algorithms is faster than the direct way, if any. Measured by
// "bench tune" and on whole networks, batch 128:
//
//	Intel Sapphire Rapids, AVX-512  F4 and Map2 from 64 channels on: 1.4 to 2.7 times as fast in every
//	                                pass of VGG; F2 always slower than F4
//	the same, AVX2                  the same by whole networks
//	AMD Zen 3, AVX2                 1.0 to 2.7 times as fast (the kernel's gradient of 2x2 maps: equal);
//	                                F2 slower than F4 in all passes
//	AMD Zen 4, AVX-512              whole networks only; layer by layer still to be measured
//
// Of few rows the transform of the kernel takes too long. Where it is done once, reading it is what takes the time:
// that of F4 is four times the kernel, of F2 less than two, of Map2 as large. Batches from 1 to 16, Sapphire
// Rapids: from 8 rows on F2 is 1.1 to 2 times as fast as the direct way, and F4 faster than F2 from about 32 on (AVX2: 16).
// The generic level has no fast transforms.
func (b *Backend) fastest(pass string, s ops.ConvShape) (w ops.Winograd, ok bool) {
	if b.level == ops.Generic || s.In < 64 || s.Out < 64 {
		return w, false
	}
	constant := pass == passConstant
	switch {
	case s.H == 2 && s.W == 2:
		return ops.Map2, constant || ops.Map2.Rows(s) >= 32
	case ops.F4.Rows(s) >= 32:
		return ops.F4, true
	}
	return ops.F2, constant && ops.F2.Rows(s) >= 8
}
