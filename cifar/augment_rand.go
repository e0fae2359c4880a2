package cifar

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// RandAugment is N changes, each chosen at random from 14, of magnitude M from 0 to 30
// (https://arxiv.org/abs/1909.13719). The changes and what a magnitude means are those of
// torchvision's RandAugment. The ones that move pixels are part of the map of [Augmentation], and
// the others follow in the order in which they are chosen.
type RandAugment struct{ N, M int }

const (
	maxRand      = 14
	maxMagnitude = 30
)

// usualRand is that of the word alone.
var usualRand = RandAugment{2, 9}

// String returns the word.
func (r RandAugment) String() string { return fmt.Sprintf("%s:%d:%d", randWord, r.N, r.M) }

func (r *RandAugment) parse(text string, given bool) error {
	*r = usualRand
	if !given {
		return nil
	}
	n, m, _ := strings.Cut(text, ":")
	var bad, worse error
	r.N, bad = strconv.Atoi(n)
	r.M, worse = strconv.Atoi(m)
	if bad != nil || worse != nil || r.N < 1 || r.N > maxRand || r.M < 0 || r.M > maxMagnitude {
		return fmt.Errorf("must be %s:N:M with N from 1 to %d and M from 0 to %d",
			randWord, maxRand, maxMagnitude)
	}
	return nil
}

// change is one that RandAugment may choose.
type change int

const (
	unchanged change = iota
	shearX
	shearY
	translateX
	translateY
	rotation
	brightness
	colour
	contrasts
	sharpness
	posterization
	solarization
	autoContrast
	equalization
	numChanges
)

// choose returns change i, and its magnitude from 0 to 1, signed at random.
func (r RandAugment) choose(d draws, i int) (c change, magnitude float64) {
	values := d.block(randDraws + i)
	magnitude = float64(r.M) / maxMagnitude
	if values[1] < 0.5 {
		magnitude = -magnitude
	}
	return change(values[0] * float64(numChanges)), magnitude
}

// source returns the map of change i.
func (r RandAugment) source(d draws, i, height, width int) affine {
	c, magnitude := r.choose(d, i)
	const shear, move, degrees = 0.3, 150.0 / 331, 30
	switch c {
	case shearX: // about the corner of the image, half a pixel from the first
		return affine{1, shear * magnitude, shear * magnitude / 2, 0, 1, 0}
	case shearY:
		return affine{1, 0, 0, shear * magnitude, 1, shear * magnitude / 2}
	case translateX:
		return moved(math.Trunc(move*float64(width)*magnitude), 0)
	case translateY:
		return moved(0, math.Trunc(move*float64(height)*magnitude))
	case rotation:
		return turned(degrees*math.Pi/180*magnitude, 1, height, width)
	}
	return moved(0, 0)
}

// colour makes change i of the pixels.
func (r RandAugment) colour(canvas *canvas, pixels []float32, d draws, i, height, width int) {
	c, magnitude := r.choose(d, i)
	const most = 0.9
	factor := 1 + most*magnitude
	switch c {
	case brightness:
		brighten(pixels, factor)
	case colour:
		saturate(pixels, factor)
	case contrasts:
		contrast(pixels, factor)
	case sharpness:
		sharpen(pixels, canvas.before, height, width, factor)
	case posterization:
		posterize(pixels, 8-int(math.RoundToEven(4*math.Abs(magnitude))))
	case solarization:
		solarize(pixels, 255*(1-math.Abs(magnitude)))
	case autoContrast:
		stretch(pixels)
	case equalization:
		equalize(pixels)
	}
}
