package cifar

import (
	"cmp"
	"math"
	"math/rand/v2"

	"github.com/lamina-go/lamina/internal/views"
)

// Augmentation is how training images are varied. The zero value is None. Each image has strengths
// of its own in each epoch, by the seed: uniform in the range that a field gives. Shift, Crop and
// Cutout below 1 are a share of the image's size, and pixels from 1 on.
//
// All that moves pixels is one affine map, and pixels are interpolated once, linearly between the
// four neighbours. The order is: that map, Brightness, Contrast, Saturation, the colours of Rand,
// normalization, Cutout. Pixels stay from 0 to 255 after each change of colour.
type Augmentation struct {
	preset preset // excludes the others

	// Flip mirrors half of the images left to right.
	Flip bool
	// Shift moves by up to a share of the width and of the height, each way, by fractions of pixels
	// (Keras: RandomTranslation; width_shift_range of ImageDataGenerator).
	Shift float64
	// Crop moves by whole pixels, as padding each side by so many and cutting out the size at
	// random does (torchvision: RandomCrop).
	Crop float64
	// Zeros says what is outside of the image: the mean colour, which the network sees as 0, or
	// else what a mirror at the border shows.
	Zeros bool
	// Rotate turns about the middle, by up to so many degrees each way (torchvision:
	// RandomRotation).
	Rotate float64
	// Zoom magnifies by 1 − Zoom to 1 + Zoom about the middle (torchvision: scale of RandomAffine).
	Zoom float64
	// Brightness multiplies pixels by a factor from 1 − Brightness to 1 + Brightness (torchvision:
	// ColorJitter, as the next two).
	Brightness float64
	// Contrast, with such a factor f, is f·x + (1 − f)·m, where m is the mean grey of the image.
	Contrast float64
	// Saturation is f·x + (1 − f)·g, where g = 0.299·R + 0.587·G + 0.114·B is the grey of the pixel.
	Saturation float64
	// Cutout sets a square of that side to 0. Its middle is anywhere in the image, and so a part of
	// it may be outside (https://arxiv.org/abs/1708.04552). A share is that of the shorter side.
	Cutout float64
	// Rand adds changes chosen at random.
	Rand RandAugment
}

// preset is a list that excludes others.
type preset int

const (
	wholePixel      preset = 1
	subPixel        preset = 2
	alternatingFlip preset = 4
	translate       preset = 8
)

// Augmentations that go with no other.
var (
	None       = Augmentation{}                   // images as they are
	WholePixel = Augmentation{preset: wholePixel} // flip, and shift by whole pixels
	SubPixel   = Augmentation{preset: subPixel}   // flip, and shift by fractions of a pixel
	// AlternatingFlip flips an image or not in the first epoch, and then in each epoch the other
	// way (https://arxiv.org/abs/2404.00498, section 3.6).
	AlternatingFlip = Augmentation{preset: alternatingFlip}
	// Translate shifts by up to 2 whole pixels in each direction. Pixels from outside are those
	// that a mirror at the border shows. No device generates such images.
	Translate = Augmentation{preset: translate}
	// AlternatingFlipTranslate is both.
	AlternatingFlipTranslate = Augmentation{preset: alternatingFlip | translate}
)

// shiftShare is the part of the image by which a preset shifts in each direction at most, and
// maxTranslation the number of pixels of Translate.
const shiftShare, maxTranslation = 8, 2

// mirrors reports whether pixels move and those from outside are what a mirror shows.
func (a Augmentation) mirrors() bool {
	return a.preset&translate != 0 || !a.Zeros && (a.Shift > 0 || a.Crop > 0)
}

// onlyMoves reports whether an image is one of the data, normalized, and then shifted and flipped.
func (a Augmentation) onlyMoves() bool {
	rest := a
	rest.Flip, rest.Shift, rest.Crop, rest.Zeros, rest.Cutout = false, 0, 0, false, 0
	return a.preset != 0 || rest == None && !a.mirrors()
}

// byDevice reports whether a device can generate the images: see backend.Dataset.
func (a Augmentation) byDevice() bool { return a.onlyMoves() && !a.mirrors() && a.Cutout == 0 }

// Sample is one presentation of an image to the network.
type Sample struct {
	Index  int32   // in the split
	Label  int32   // class number
	TX, TY float32 // shift to the left and up, in pixels
	Flip   bool    // mirrored left to right, after the shift
}

// sample sets the shift and the flip of s, of an image of that size. Each seed, epoch and image
// selects a random stream of its own, so the order of the calls has no influence.
func (a Augmentation) sample(s *Sample, seed uint64, epoch, height, width int) {
	if a.preset == 0 {
		a.move(s, draws{seed, uint32(epoch), uint32(s.Index)}, height, width)
		return
	}
	pcg := new(rand.PCG)
	stream := func(epoch int) { pcg.Seed(seed, uint64(epoch)<<32|uint64(uint32(s.Index))) }
	stream(epoch)
	switch {
	case a == WholePixel:
		s.TX, s.TY = float32(wholeShift(pcg, width/shiftShare)), float32(wholeShift(pcg, height/shiftShare))
	case a == SubPixel:
		maxX, maxY := float64(width)/shiftShare, float64(height)/shiftShare
		s.TX = float32(uniform(pcg)*2*maxX - maxX)
		s.TY = float32(uniform(pcg)*2*maxY - maxY)
	case a.preset&translate != 0:
		s.TX, s.TY = float32(wholeShift(pcg, maxTranslation)), float32(wholeShift(pcg, maxTranslation))
	}
	if a.preset&alternatingFlip != 0 {
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

// std returns the divisor of a channel.
func (n Normalization) std(channel int) float32 { return cmp.Or(n.Std[channel], 1) }

// tables holds the normalized value of each byte in each channel.
type tables [Channels][256]float32

func (n Normalization) tables() *tables {
	t := new(tables)
	for c := range t {
		std := n.std(c)
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
