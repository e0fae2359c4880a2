package float16

import (
	"math"
	"testing"
)

// TestValue compares all values with the definition.
func TestValue(t *testing.T) {
	for bits := range 1 << 16 {
		got := Value(uint16(bits))
		exponent, mantissa := bits>>10&31, float64(bits&1023)
		want := math.Ldexp(1024+mantissa, exponent-25)
		switch exponent {
		case 0:
			want = math.Ldexp(mantissa, -24)
		case 31:
			want = math.Inf(1)
			if mantissa != 0 {
				want = math.NaN()
			}
		}
		if negative := bits>>15 == 1; math.Signbit(float64(got)) != negative {
			t.Fatalf("%#04x is %v", bits, got)
		}
		if math.IsNaN(want) != math.IsNaN(float64(got)) || !math.IsNaN(want) && math.Abs(float64(got)) != want {
			t.Fatalf("%#04x is %v, want %v", bits, got, want)
		}
	}
}
