package cifar

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/lamina-go/lamina/internal/views"
)

// Augmentation is how training images are varied.
type Augmentation int

// The augmentations. AlternatingFlip and Translate go together, others do not.
const (
	None       Augmentation = 0 // images as they are
	WholePixel Augmentation = 1 // flip, and shift by whole pixels
	SubPixel   Augmentation = 2 // flip, and shift by fractions of a pixel
	// AlternatingFlip flips an image or not in the first epoch, and then in each epoch the other way
	// (https://arxiv.org/abs/2404.00498, section 3.6).
	AlternatingFlip Augmentation = 4
	// Translate shifts by up to 2 whole pixels in each direction. Pixels from outside are those that a
	// mirror at the border shows. No device generates such images.
	Translate Augmentation = 8
)

// shiftShare is the part of the image by which it shifts in each direction at most, and
// maxTranslation the number of pixels of Translate.
const shiftShare, maxTranslation = 8, 2

const augmentations = "none, whole-pixel, sub-pixel, or alternating-flip and translate, separated by a comma"

// String returns the augmentation's name, or two names separated by a comma.
func (a Augmentation) String() string {
	switch a {
	case None:
		return "none"
	case WholePixel:
		return "whole-pixel"
	case SubPixel:
		return "sub-pixel"
	case AlternatingFlip:
		return "alternating-flip"
	case Translate:
		return "translate"
	case AlternatingFlip | Translate:
		return "alternating-flip,translate"
	}
	return fmt.Sprintf("Augmentation(%d)", int(a))
}

// MarshalText returns the augmentation's name.
func (a Augmentation) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText sets a to the augmentation of that name, or to both of two names.
func (a *Augmentation) UnmarshalText(text []byte) error {
	var all Augmentation
	names := strings.Split(string(text), ",")
	for _, name := range names {
		one := Augmentation(-1)
		for _, b := range []Augmentation{None, WholePixel, SubPixel, AlternatingFlip, Translate} {
			if b.String() == name && (len(names) == 1 || b >= AlternatingFlip) && all&b == 0 {
				one = b
			}
		}
		if one < 0 {
			return fmt.Errorf("augmentation %q: want %s", text, augmentations)
		}
		all |= one
	}
	*a = all
	return nil
}

// Sample is one presentation of an image to the network.
type Sample struct {
	Index  int32   // in the split
	Label  int32   // class number
	TX, TY float32 // shift to the left and up, in pixels
	Flip   bool    // mirrored left to right, after the shift
}

// sample sets the shift and the flip of s, of an image of that size. Each seed, epoch and image
// selects a random stream of its own, so the order of the calls has no influence.
func (a Augmentation) sample(s *Sample, pcg *rand.PCG, seed uint64, epoch, height, width int) {
	if a == None {
		return
	}
	stream := func(epoch int) { pcg.Seed(seed, uint64(epoch)<<32|uint64(uint32(s.Index))) }
	stream(epoch)
	switch {
	case a == WholePixel:
		s.TX, s.TY = float32(wholeShift(pcg, width/shiftShare)), float32(wholeShift(pcg, height/shiftShare))
	case a == SubPixel:
		maxX, maxY := float64(width)/shiftShare, float64(height)/shiftShare
		s.TX = float32(uniform(pcg)*2*maxX - maxX)
		s.TY = float32(uniform(pcg)*2*maxY - maxY)
	case a&Translate != 0:
		s.TX, s.TY = float32(wholeShift(pcg, maxTranslation)), float32(wholeShift(pcg, maxTranslation))
	}
	if a&AlternatingFlip != 0 {
		stream(0)
		for range 2 { // the shift of epoch 0
			pcg.Uint64()
		}
		s.Flip = (pcg.Uint64()>>63 == 0) != (epoch%2 == 1)
	} else if a != Translate {
		s.Flip = pcg.Uint64()>>63 == 0
	}
}

// wholeShift returns an integer from −limit to limit.
func wholeShift(pcg *rand.PCG, limit int) int { return below(pcg, 2*limit+1) - limit }

// uniform returns a value in [0, 1).
func uniform(pcg *rand.PCG) float64 { return float64(pcg.Uint64()>>11) / (1 << 53) }

// below returns an integer in [0, n), for small n.
func below(pcg *rand.PCG, n int) int { return int(uniform(pcg) * float64(n)) }

// Normalization is x ↦ (x − Mean)/Std for each channel of pixels from 0 to 255.
type Normalization struct {
	Mean [Channels]float32
	Std  [Channels]float32 // 0 means 1
}

// MeanOnly returns the normalization of the VGG networks, which only subtracts the mean colour of
// ImageNet.
func MeanOnly() Normalization {
	return Normalization{Mean: [Channels]float32{123.680, 116.779, 103.939}}
}

// tables holds the normalized value of each byte in each channel.
type tables [Channels][256]float32

func (n Normalization) tables() *tables {
	t := new(tables)
	for c := range t {
		std := n.Std[c]
		if std == 0 {
			std = 1
		}
		for v := range t[c] {
			t[c][v] = (float32(v) - n.Mean[c]) / std
		}
	}
	return t
}

// normalize sets dst to the normalized pixels.
func (t *tables) normalize(dst []float32, pixels []byte) {
	red, green, blue := &t[0], &t[1], &t[2]
	dst = dst[:len(pixels)]
	for i := 0; i+2 < len(pixels); i += 3 {
		dst[i] = red[pixels[i]]
		dst[i+1] = green[pixels[i+1]]
		dst[i+2] = blue[pixels[i+2]]
	}
}

// shift sets dst, an image of shape (h, w, c) like src, to
//
//	dst[y, x] = src[y+ty, x+tx]
//
// interpolated linearly between the four neighbours. A pixel outside the rows [0, h−1] or the
// columns [0, w−1] of src is 0; none is blended with 0 at the border. Then flip mirrors dst left to
// right. This is what Keras's ImageDataGenerator does with fill_mode "constant".
func shift(dst, src []float32, h, w, c int, tx, ty float64, flip bool) {
	// All pixels are equally far from their neighbours, so the weights are the same.
	floorX, floorY := math.Floor(tx), math.Floor(ty)
	fx, fy := tx-floorX, ty-floorY
	w00, w01 := float32((1-fy)*(1-fx)), float32((1-fy)*fx)
	w10, w11 := float32(fy*(1-fx)), float32(fy*fx)
	right, down := 0, 0 // offsets to the next neighbours, in elements
	if fx > 0 {
		right = c
	}
	if fy > 0 {
		down = w * c
	}
	x0, x1 := inside(w, tx)
	y0, y1 := inside(h, ty)
	for y := range h {
		row := dst[y*w*c : (y+1)*w*c]
		if y < y0 || y >= y1 || x0 == x1 {
			clear(row)
			continue
		}
		clear(row[:x0*c])
		clear(row[x1*c:])
		out := row[x0*c : x1*c]
		at := (y+int(floorY))*w*c + (x0+int(floorX))*c
		a, b := src[at:][:len(out)], src[at+right:][:len(out)]
		d, e := src[at+down:][:len(out)], src[at+down+right:][:len(out)]
		for i := range out {
			out[i] = w00*a[i] + w01*b[i] + w10*d[i] + w11*e[i]
		}
		if flip {
			views.Mirror(row, c)
		}
	}
}

// inside returns the range of the integers i in [0, n) with 0 ≤ i + t ≤ n − 1.
func inside(n int, t float64) (from, to int) {
	from = int(math.Max(-math.Floor(t), 0))
	to = int(math.Min(float64(n)-math.Ceil(t), float64(n)))
	if from >= to {
		return 0, 0
	}
	return from, to
}
