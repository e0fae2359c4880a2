package philox

import "testing"

// The vectors are those of Random123's kat_vectors for philox4x32-10.
func TestBlock(t *testing.T) {
	for _, c := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{
			want: [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
		}, {
			counter: [4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
			key:     [2]uint32{0xffffffff, 0xffffffff},
			want:    [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		}, { // digits of π
			counter: [4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
			key:     [2]uint32{0xa4093822, 0x299f31d0},
			want:    [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		if got := words(c.counter, c.key); got != c.want {
			t.Errorf("words(%x, %x) = %x, want %x", c.counter, c.key, got, c.want)
		}
	}
}

func TestDropoutLayout(t *testing.T) {
	// The same digits of π, cut as dropout cuts them.
	got := Dropout(0x299f31d0_a4093822, 0x85a308d3, 0x03707344_13198a2e, 0x243f6a88)
	want := [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}
	if got != want {
		t.Errorf("Dropout = %x, want %x", got, want)
	}
}

// Counters of augmentation are none of dropout, whose steps are below 1<<63.
func TestAugmentationLayout(t *testing.T) {
	got := Augmentation(0x299f31d0_a4093822, 7, 5, 3)
	if want := words([4]uint32{3, 5, 7, 1 << 31}, [2]uint32{0xa4093822, 0x299f31d0}); got != want {
		t.Errorf("Augmentation = %x, want %x", got, want)
	}
}

func TestThresholdAndScale(t *testing.T) {
	for _, c := range []struct {
		rate      float32
		threshold uint32
		scale     float32
	}{
		{0, 0, 1},
		{0x1p-32, 1, 1},
		{0x1p-40, 1, 1}, // only the word 0 is dropped
		{0.25, 1 << 30, 4.0 / 3},
		{0.5, 1 << 31, 2},
		{1 - 0x1p-24, 1<<32 - 1<<8, 1 << 24},
	} {
		if got := Threshold(c.rate); got != c.threshold {
			t.Errorf("Threshold(%g) = %#x, want %#x", c.rate, got, c.threshold)
		}
		if got := Scale(c.rate); got != c.scale {
			t.Errorf("Scale(%g) = %g, want %g", c.rate, got, c.scale)
		}
	}
}
