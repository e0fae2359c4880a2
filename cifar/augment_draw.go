package cifar

import (
	"math"

	"github.com/lamina-go/lamina/internal/philox"
)

// draws are the random values of an image in an epoch.
type draws struct {
	seed         uint64
	epoch, image uint32
}

// The blocks of draws. Each change has its own, whatever else is in the list. Those of Rand are the
// last.
const (
	flipDraws = iota
	shiftDraws
	cropDraws
	rotateDraws
	zoomDraws
	brightnessDraws
	contrastDraws
	saturationDraws
	cutoutDraws
	randDraws = 16
)

// block returns four values in (0, 1).
func (d draws) block(n int) (values [4]float64) {
	for i, word := range philox.Augmentation(d.seed, d.epoch, d.image, uint32(n)) {
		values[i] = (float64(word) + 0.5) / (1 << 32)
	}
	return values
}

// around returns a value from middle − limit to middle + limit.
func (d draws) around(middle, limit float64, n int) float64 {
	return middle + limit*(2*d.block(n)[0]-1)
}

// pixelsOf returns a strength that may be a share of the size in pixels.
func pixelsOf(strength float64, size int) float64 {
	if strength < 1 {
		return strength * float64(size)
	}
	return strength
}

// move sets the shift and the flip of s.
func (a Augmentation) move(s *Sample, d draws, height, width int) {
	if a.Flip {
		s.Flip = d.block(flipDraws)[0] < 0.5
	}
	var tx, ty float64
	if a.Shift > 0 {
		values := d.block(shiftDraws)
		tx = pixelsOf(a.Shift, width) * (2*values[0] - 1)
		ty = pixelsOf(a.Shift, height) * (2*values[1] - 1)
	}
	if a.Crop > 0 {
		values := d.block(cropDraws)
		whole := func(value float64, size int) float64 {
			limit := math.Round(pixelsOf(a.Crop, size))
			return math.Floor(value*(2*limit+1)) - limit
		}
		tx += whole(values[0], width)
		ty += whole(values[1], height)
	}
	s.TX, s.TY = float32(tx), float32(ty)
}

// source returns the map from the pixels of the result to those of an image.
func (a Augmentation) source(s Sample, d draws, height, width int) affine {
	m := moved(float64(s.TX), float64(s.TY))
	if a.Rotate > 0 || a.Zoom > 0 {
		angle, scale := 0.0, 1.0
		if a.Rotate > 0 {
			angle = d.around(0, a.Rotate, rotateDraws) * math.Pi / 180
		}
		if a.Zoom > 0 {
			scale = d.around(1, a.Zoom, zoomDraws)
		}
		m = m.after(turned(angle, scale, height, width))
	}
	if s.Flip {
		m = m.after(mirrored(width))
	}
	for i := range a.Rand.N {
		m = m.after(a.Rand.source(d, i, height, width))
	}
	return m
}

// colour changes the colours of pixels, (n, 3).
func (a Augmentation) colour(c *canvas, pixels []float32, d draws, height, width int) {
	if a.Brightness > 0 {
		brighten(pixels, d.around(1, a.Brightness, brightnessDraws))
	}
	if a.Contrast > 0 {
		contrast(pixels, d.around(1, a.Contrast, contrastDraws))
	}
	if a.Saturation > 0 {
		saturate(pixels, d.around(1, a.Saturation, saturationDraws))
	}
	for i := range a.Rand.N {
		a.Rand.colour(c, pixels, d, i, height, width)
	}
}

// cut sets the square of Cutout in an image of shape (height, width, 3) to 0.
func (a Augmentation) cut(image []float32, d draws, height, width int) {
	if a.Cutout == 0 {
		return
	}
	side := int(math.Round(pixelsOf(a.Cutout, min(height, width))))
	values := d.block(cutoutDraws)
	top, left := int(values[0]*float64(height))-side/2, int(values[1]*float64(width))-side/2
	from, to := max(left, 0), min(left+side, width)
	for y := max(top, 0); y < min(top+side, height); y++ {
		clear(image[(y*width+from)*Channels : (y*width+to)*Channels])
	}
}
