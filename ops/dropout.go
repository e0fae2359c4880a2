package ops

import (
	"math/bits"

	"github.com/lamina-go/lamina/internal/philox"
)

// DropoutMask sets bit i%8 of keep[i/8] if a dropout layer keeps element first+i at a step, by the
// threshold of package philox, and clears it otherwise. first is a multiple of 8.
func (l Level) DropoutMask(keep []byte, first int, seed uint64, layer uint32, step uint64, threshold uint32) {
	block := uint32(first / 4)
	for i := l.dropoutMaskWide(keep, block, seed, layer, step, threshold); i < len(keep); i++ {
		low := philox.Dropout(seed, layer, step, block+uint32(2*i))
		high := philox.Dropout(seed, layer, step, block+uint32(2*i+1))
		keep[i] = bitsFrom(low, threshold) | bitsFrom(high, threshold)<<4
	}
}

// bitsFrom returns in bit i whether word i is at least the threshold.
func bitsFrom(words [4]uint32, threshold uint32) (b byte) {
	for i, w := range words {
		_, less := bits.Sub32(w, threshold, 0) // no branch: half of them would be mispredicted
		b |= byte(1-less) << i
	}
	return b
}

// Dropout sets y[i] = x[i]·scale where bit i%8 of keep[i/8] is set, else 0. This is the forward
// pass, and the backward pass with gradients for x and y. y may be x.
func (l Level) Dropout(y, x []float32, keep []byte, scale float32) {
	if len(y) != len(x) || len(keep) < (len(x)+7)/8 {
		panic(errLength)
	}
	for i := l.dropoutWide(y, x, keep, scale); i < len(x); i++ {
		v := x[i] * scale
		if keep[i/8]>>(i%8)&1 == 0 {
			v = 0
		}
		y[i] = v
	}
}
