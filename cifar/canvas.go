package cifar

import "github.com/lamina-go/lamina/internal/views"

// canvas renders the images of an epoch, one at a time.
type canvas struct {
	*Loader
	*tables
	epoch          int
	height, width  int
	scale, offset  [Channels]float32 // normalization as x ↦ scale·x + offset
	pixels, before []float32         // of an image
}

func newCanvas(l *Loader, t *tables, epoch int) *canvas {
	c := &canvas{Loader: l, tables: t, epoch: epoch, pixels: make([]float32, l.Images.bytes())}
	c.height, c.width = l.Images.size()
	for i, mean := range l.Normalization.Mean {
		c.scale[i] = 1 / l.Normalization.std(i)
		c.offset[i] = -mean * c.scale[i]
	}
	if l.Augmentation.Rand.N > 0 {
		c.before = make([]float32, len(c.pixels))
	}
	return c
}

// render sets dst to the image of a sample, augmented as the sample, the epoch and the loader say,
// and normalized.
func (c *canvas) render(dst []float32, image []byte, s Sample) {
	a := c.Augmentation
	d := draws{c.Seed, uint32(c.epoch), uint32(s.Index)}
	switch moves := s.TX != 0 || s.TY != 0 || s.Flip; {
	case c.epoch == inOrder:
		c.normalize(dst, image)
		return
	case !a.onlyMoves():
		c.vary(dst, image, s, d)
	case !moves:
		c.normalize(dst, image)
	case a.mirrors():
		c.normalize(c.pixels, image)
		views.Translate(dst, c.pixels, c.height, c.width, Channels, int(s.TX), int(s.TY), s.Flip)
	default:
		c.normalize(c.pixels, image)
		shift(dst, c.pixels, c.height, c.width, Channels, float64(s.TX), float64(s.TY), s.Flip)
	}
	a.cut(dst, d, c.height, c.width)
}

// vary renders an image whose pixels change by more than shift and flip.
func (c *canvas) vary(dst []float32, image []byte, s Sample, d draws) {
	a := c.Augmentation
	if m := a.source(s, d, c.height, c.width); m == moved(0, 0) {
		for i, v := range image {
			c.pixels[i] = float32(v)
		}
	} else {
		outside := &c.Normalization.Mean
		if !a.Zeros {
			outside = nil
		}
		warp(c.pixels, image, c.height, c.width, m, outside)
	}
	a.colour(c, c.pixels, d, c.height, c.width)
	for i := 0; i+2 < len(dst); i += 3 {
		from, to := c.pixels[i:][:3:3], dst[i:][:3:3]
		to[0] = from[0]*c.scale[0] + c.offset[0]
		to[1] = from[1]*c.scale[1] + c.offset[1]
		to[2] = from[2]*c.scale[2] + c.offset[2]
	}
}
