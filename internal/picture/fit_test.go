package picture

import (
	"image"
	"image/color"
	"testing"
)

// thirds returns an image whose left third is red, whose middle is green and whose right is blue,
// or the same from top to bottom.
func thirds(w, h int, down bool) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(3, 4, 3+w, 4+h))
	for y := range h {
		for x := range w {
			third := 3 * x / w
			if down {
				third = 3 * y / h
			}
			m.SetNRGBA(3+x, 4+y, []color.NRGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}}[third])
		}
	}
	return m
}

// TestFit resizes images of three stripes, and looks at the first, middle and last pixel across
// them.
func TestFit(t *testing.T) {
	const r, g, b, black = 'r', 'g', 'b', '-'
	kind := func(p []byte) rune {
		for i, k := range []rune{r, g, b} {
			if p[i] > 200 {
				return k
			}
		}
		return black
	}
	for _, test := range []struct {
		width, height int
		down          bool
		fit           Fit
		h, w          int
		want          string
	}{
		{90, 30, false, Squash, 24, 24, "rgb"},
		{90, 30, false, Crop, 24, 24, "ggg"},
		{90, 30, false, Pad, 24, 24, "rgb"},
		{30, 90, true, Squash, 24, 24, "rgb"},
		{30, 90, true, Crop, 24, 24, "ggg"},
		{30, 90, true, Pad, 24, 24, "rgb"},
		{90, 30, false, Crop, 8, 24, "rgb"}, // the same proportions
		{90, 30, true, Pad, 24, 24, "-g-"},
		{30, 90, false, Pad, 24, 24, "-g-"},
		{90, 30, true, Crop, 24, 48, "rgb"},
		{300, 1, false, Crop, 16, 16, "ggg"},
		{300, 1, false, Pad, 16, 16, "rgb"},
	} {
		dst := make([]byte, test.h*test.w*3)
		Resize(dst, thirds(test.width, test.height, test.down), test.h, test.w, test.fit)
		got := ""
		for _, x := range []int{0, 1, 2} {
			at := test.h/2*test.w + x*(test.w-1)/2 // across
			if test.down {
				at = x*(test.h-1)/2*test.w + test.w/2
			}
			got += string(kind(dst[3*at:]))
		}
		if test.fit == Pad && test.height == 1 {
			got = "" // see the rows below
			for _, x := range []int{1, 8, 14} {
				got += string(kind(dst[3*((test.h-1)/2*test.w+x):]))
			}
		}
		if got != test.want {
			t.Errorf("%dx%d, down %t, %q to %dx%d: %s, want %s", test.width, test.height, test.down, test.fit, test.h, test.w, got, test.want)
		}
	}
	// An image that lies on its side is fitted upright.
	dst := make([]byte, 24*24*3)
	Resize(dst, turned{thirds(90, 30, false), 6}, 24, 24, Pad)
	if left, middle := kind(dst[3*(12*24):]), kind(dst[3*(12*24+12):]); left != black || middle != g {
		t.Errorf("turned and padded: %c at the left, %c in the middle", left, middle)
	}
}
