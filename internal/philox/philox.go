// Package philox implements Philox4x32-10, a random number generator without state. It maps a
// counter and a key to four words, so any element of a stream can be computed at once, in any
// order and on any device. See Salmon et al., "Parallel random numbers: as easy as 1,
// 2, 3", SC 2011, https://doi.org/10.1145/2063384.2063405.
//
// # Dropout
//
// Element i (row-major) of the mask of a dropout layer at a step belongs to word i%4 of
// the block with
//
//	key     = {low, high half of the seed}
//	counter = {i/4, layer, low, high half of the step}
//
// and is kept if that word is at least Threshold(rate). A kept element is multiplied by
// Scale(rate).
//
// # Augmentation
//
// The words of a block of an image in an epoch have
//
//	key     = {low, high half of the seed}
//	counter = {block, image, epoch, 1<<31}
//
// No step is so large that dropout has the same counter.
package philox

import (
	"math"
	"math/bits"
)

// words returns the four words of Philox4x32-10 for a counter and a key.
func words(counter [4]uint32, key [2]uint32) [4]uint32 {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57
		w0, w1 = 0x9E3779B9, 0xBB67AE85 // golden ratio, sqrt(3) − 1
		rounds = 10
	)
	c0, c1, c2, c3 := counter[0], counter[1], counter[2], counter[3] // arrays would stay in memory
	k0, k1 := key[0], key[1]
	for range rounds {
		hi0, lo0 := bits.Mul32(m0, c0)
		hi1, lo1 := bits.Mul32(m1, c2)
		c0, c1, c2, c3 = hi1^c1^k0, lo1, hi0^c3^k1, lo0
		k0 += w0
		k1 += w1
	}
	return [4]uint32{c0, c1, c2, c3}
}

// Dropout returns the words of elements 4·block to 4·block + 3 of a dropout layer's
// mask at a step.
func Dropout(seed uint64, layer uint32, step uint64, block uint32) [4]uint32 {
	return words(
		[4]uint32{block, layer, uint32(step), uint32(step >> 32)},
		[2]uint32{uint32(seed), uint32(seed >> 32)})
}

// Augmentation returns the words of a block that vary an image in an epoch.
func Augmentation(seed uint64, epoch, image, block uint32) [4]uint32 {
	return words(
		[4]uint32{block, image, epoch, 1 << 31},
		[2]uint32{uint32(seed), uint32(seed >> 32)})
}

// Threshold returns the least word that keeps an element at a dropout rate in [0, 1):
// rate·2³², rounded up.
func Threshold(rate float32) uint32 { return uint32(math.Ceil(float64(rate) * (1 << 32))) }

// Scale returns the factor of kept elements, 1/(1 − rate) rounded once.
func Scale(rate float32) float32 { return float32(1 / (1 - float64(rate))) }
