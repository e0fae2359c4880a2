package cpu

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// convAlgorithms are the algorithms of convolutions in float32. The first one fits every shape.
var convAlgorithms = []ops.ConvAlgorithm[float32]{ops.Direct, ops.F4, ops.F2, ops.Map2}

// automatic is the choice of the fastest algorithm.
const automatic = "auto"

// ConvAlgorithms returns the values of Options.Conv. "auto" is the fastest algorithm for a shape.
// "im2col" is the direct algorithm, implicit im2col: the panels of the matrix are read in place, in
// the image. No im2col matrix is in memory, except for a single small image. "f4" and "f2" are
// Winograd's (see ops.Winograd) wherever they fit; on 2x2 images either is ops.Map2.
func ConvAlgorithms() []string {
	names := []string{automatic}
	for _, a := range convAlgorithms {
		if a != ops.Map2 {
			names = append(names, a.String())
		}
	}
	return names
}

// ConvTable says by which algorithm a pass of a convolution is computed: the key is its ConvName,
// the value one of ConvAlgorithms, without "auto", or "map2".
type ConvTable map[string]string

// ConvPasses are the passes of a convolution: Forward, BackwardData, BackwardFilter, and Forward
// with Conv2DSpec.Constant.
var ConvPasses = [...]string{passForward, passInput, passKernel, passConstant}

const (
	passForward  = "forward"
	passInput    = "input gradient"
	passKernel   = "kernel gradient"
	passConstant = "inference" // the kernel is packed once
)

// ConvName is the name of a pass in a ConvTable: "forward 128x32x32 64→64", images first. s is the
// shape of the forward pass. A window other than 3x3 of stride 1 and padding "same" follows.
func ConvName(pass string, s ops.ConvShape) string {
	name := fmt.Sprintf("%s %dx%dx%d %d→%d", pass, s.N, s.H, s.W, s.In, s.Out)
	if v := s.Window; v != tensor.Centered(3) {
		name += fmt.Sprintf(" %dx%d, stride %d %d, padding %d %d %d %d",
			v.Height, v.Width, v.StrideH, v.StrideW, v.Top, v.Bottom, v.Left, v.Right)
	}
	return name
}

// convNamed returns the algorithm with a name.
func convNamed(name string) (a ops.ConvAlgorithm[float32], ok bool) {
	i := slices.IndexFunc(convAlgorithms, func(a ops.ConvAlgorithm[float32]) bool { return a.String() == name })
	if i < 0 {
		return nil, false
	}
	return convAlgorithms[i], true
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
		if _, ok := convNamed(t[name]); !ok {
			return fmt.Errorf("cpu: convolution algorithm %q for %s: want im2col, f4, f2 or map2", t[name], name)
		}
	}
	return nil
}

// ConvTable returns Options.Table with the algorithms of the 3x3 convolutions of stride 1 planned
// so far: as Options.Table it makes another Backend choose the same. It has nothing of bf16, which
// is always computed directly.
func (b *Backend) ConvTable() ConvTable { return maps.Clone(b.chosen) }

// planned returns the algorithm of a pass of a convolution, and notes it if there was a choice. s is
// the shape of the forward pass.
func (b *Backend) planned(pass string, s ops.ConvShape) ops.ConvAlgorithm[float32] {
	a := b.convAlgorithm(pass, s)
	if hasChoice(s) {
		b.chosen[ConvName(pass, s)] = a.String()
	}
	return a
}

// hasChoice reports whether there is more than one algorithm for a convolution.
func hasChoice(s ops.ConvShape) bool {
	v := s.Window
	return v.Height == 3 && v.Width == 3 && v.StrideH == 1 && v.StrideW == 1
}

// convAlgorithm returns the algorithm of a pass of a convolution.
func (b *Backend) convAlgorithm(pass string, s ops.ConvShape) ops.ConvAlgorithm[float32] {
	if !hasChoice(s) {
		return ops.Direct
	}
	a, known := convNamed(b.table[ConvName(pass, s)])
	switch {
	case b.conv == automatic && !known:
		a = b.fastest(pass, s)
	case b.conv != automatic && b.conv != ops.Direct.String() && ops.Map2.Fits(s):
		a = ops.Map2
	case b.conv != automatic:
		a, _ = convNamed(b.conv)
	}
	if !a.Fits(s) {
		return ops.Direct
	}
	return a
}

// fastest returns the fastest algorithm. Measured by "lamina tune" and on whole networks, batch
// 128, against the direct algorithm:
//
//	Intel Sapphire Rapids, AVX-512  F4 and Map2 from 64 channels on: 1.4 to 2.7 times as fast in every
//	                                pass of VGG; F2 always slower than F4
//	the same, AVX2                  the same by whole networks
//	AMD Zen 3, AVX2                 1.0 to 2.7 times as fast (the kernel gradient of 2x2 maps: equal);
//	                                F2 slower than F4 in all passes
//	AMD Zen 4, AVX-512 and AVX2     F4 with 16 to 48 channels 1.6 to 3 times as fast in every pass
//	NEON                            not measured: the same choice
//
// Of few rows the transform of the kernel takes too long. Where it is done once, reading the kernel
// is what takes the time: that of F4 is four times as large as the kernel, that of F2 less than
// twice, that of Map2 as large. Batches from 1 to 16, Sapphire Rapids: from 8 rows on F2 is 1.1 to
// 2 times as fast as the direct algorithm, and F4 faster than F2 from about 32 on (AVX2: 16). The
// generic level has no fast transforms.
func (b *Backend) fastest(pass string, s ops.ConvShape) ops.ConvAlgorithm[float32] {
	constant, many := pass == passConstant, s.In >= 64 && s.Out >= 64
	h, w := s.OutputSize()
	switch {
	case b.level == ops.Generic:
	case ops.Map2.Fits(s):
		if many && (constant || ops.Map2.Rows(s) >= 32) {
			return ops.Map2
		}
	case h*w <= 4: // a tile of F4 is mostly empty
	case ops.F4.Rows(s) >= 32:
		return ops.F4
	case constant && many && ops.F2.Rows(s) >= 8:
		return ops.F2
	}
	return ops.Direct
}
