package ops

import (
	"math"
	"unsafe"
)

// BF16 is a number of 8 significant bits: the upper half of a float32, with its range.
type BF16 uint16

// Float32 returns the same number.
func (b BF16) Float32() float32 { return math.Float32frombits(uint32(b) << 16) }

// AsBF16 returns the memory of x, twice as many numbers.
func AsBF16(x []float32) []BF16 {
	return unsafe.Slice((*BF16)(unsafe.Pointer(unsafe.SliceData(x))), 2*len(x))
}

// asPairs returns the memory of x, a whole number of pairs of which each has the place of a float32.
func asPairs(x []BF16) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/2)
}

// WidenBF16 sets dst to src, of the same length.
func (l Level) WidenBF16(dst []float32, src []BF16) {
	if len(dst) != len(src) {
		panic(errLength)
	}
	for i := l.widenWide(dst, src); i < len(src); i++ {
		dst[i] = src[i].Float32()
	}
}

// RoundBF16 sets dst to the numbers nearest to those of src, of the same length; of two that are
// as near, to the even one. A NaN stays one. All levels give the same bits.
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
		return BF16(bits>>16 | 0x40) // quiet, so that not all of the fraction can be lost
	}
	return BF16((bits + 0x7fff + bits>>16&1) >> 16)
}
