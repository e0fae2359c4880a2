package ops

import (
	"math"
	"unsafe"
)

// BF16 is a bfloat16: the upper half of a float32, with its range and 8 significant bits.
type BF16 uint16

// Float32 returns b as a float32, which is exact.
func (b BF16) Float32() float32 { return math.Float32frombits(uint32(b) << 16) }

// AsBF16 returns the memory of x as twice as many elements.
func AsBF16(x []float32) []BF16 {
	return unsafe.Slice((*BF16)(unsafe.Pointer(unsafe.SliceData(x))), 2*len(x))
}

// asPairs returns the memory of x as half as many float32, each of which is a pair.
func asPairs(x []BF16) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/2)
}

// WidenBF16 sets dst to src. Both have the same length.
func (l Level) WidenBF16(dst []float32, src []BF16) {
	if len(dst) != len(src) {
		panic(errLength)
	}
	for i := l.widenWide(dst, src); i < len(src); i++ {
		dst[i] = src[i].Float32()
	}
}

// RoundBF16 sets dst to src, rounded to nearest, ties to even. Both have the same length. A NaN
// stays a NaN. All levels give the same bits.
func (l Level) RoundBF16(dst []BF16, src []float32) {
	if len(dst) != len(src) {
		panic(errLength)
	}
	for i := l.roundWide(dst, src); i < len(src); i++ {
		dst[i] = roundBF16(src[i])
	}
}

func roundBF16(x float32) BF16 {
	bits := math.Float32bits(x)
	if x != x {
		return BF16(bits>>16 | 0x40) // quiet, so that the fraction is not zero
	}
	return BF16((bits + 0x7fff + bits>>16&1) >> 16)
}
