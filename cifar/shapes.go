package cifar

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
)

// shapeNames returns the classes of Shapes.
func shapeNames() []string {
	return []string{"circle", "ring", "square", "triangle", "cross",
		"rows", "columns", "diagonals", "checkerboard", "dots"}
}

// Shapes generates train and test images of ten classes: five shapes and five textures, with random
// colours, positions, sizes and angles, under noise. An image depends only on the seed, its split
// and its index; its class is the index modulo 10. Mirroring an image keeps its class.
func Shapes(seed uint64, train, test int) *Dataset {
	d := &Dataset{Name: BuiltIn, Classes: shapeNames(), Train: makeImages(train), Test: makeImages(test)}
	drawAll(d.Train, seed, 0)
	drawAll(d.Test, seed, 1<<32)
	return d
}

// drawAll draws the images, image i from stream first + i.
func drawAll(images Images, seed, first uint64) {
	workers := runtime.GOMAXPROCS(0)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			var r source
			for i := w; i < images.Len(); i += workers {
				r.Seed(seed, first+uint64(i))
				class := i % len(shapeNames())
				images.Labels[i] = int32(class)
				r.paint(images.image(i), r.shape(class))
			}
		})
	}
	group.Wait()
}

// source is a random stream from which an image is generated.
type source struct{ rand.PCG }

// between returns a value in [low, high).
func (r *source) between(low, high float32) float32 {
	return low + (high-low)*float32(uniform(&r.PCG))
}

// shape returns the signed distance of a pixel to the edge of the shape: positive inside, in
// pixels.
func (r *source) shape(class int) func(x, y float32) float32 {
	const middle, tilt = (Size - 1) / 2., math.Pi / 18
	cx, cy := middle+r.between(-2, 2), middle+r.between(-2, 2)
	radius := r.between(8, 11)
	period := r.between(6, 10)
	angle := r.between(-1, 1)
	switch shapeNames()[class] {
	case "triangle", "dots":
		angle *= math.Pi
	case "cross":
		angle *= 2.5 * tilt
	case "diagonals":
		angle = float32(math.Copysign(math.Pi/4, float64(angle))) + angle*tilt
	default:
		angle *= tilt
	}
	sin64, cos64 := math.Sincos(float64(angle))
	sin, cos := float32(sin64), float32(cos64)
	switch shapeNames()[class] {
	case "circle":
		return func(x, y float32) float32 { return radius - hypot(x-cx, y-cy) }
	case "ring":
		width := radius * 0.2
		return func(x, y float32) float32 { return width - abs(hypot(x-cx, y-cy)-radius+width) }
	case "square":
		side := radius * 0.9
		return func(x, y float32) float32 {
			u, v := turn(x-cx, y-cy, sin, cos)
			return side - max(abs(u), abs(v))
		}
	case "triangle":
		inner := radius * 0.6
		return func(x, y float32) float32 {
			u, v := turn(x-cx, y-cy, sin, cos)
			return inner - max(v, abs(u)*0.8660254-v*0.5)
		}
	case "cross":
		arm := radius * 0.3
		return func(x, y float32) float32 {
			u, v := turn(x-cx, y-cy, sin, cos)
			u, v = abs(u), abs(v)
			return max(min(radius-u, arm-v), min(radius-v, arm-u))
		}
	case "rows", "diagonals":
		return func(x, y float32) float32 {
			_, v := turn(x-cx, y-cy, sin, cos)
			return stripe(v, period)
		}
	case "columns":
		return func(x, y float32) float32 {
			u, _ := turn(x-cx, y-cy, sin, cos)
			return stripe(u, period)
		}
	case "checkerboard":
		period *= 1.5
		return func(x, y float32) float32 {
			u, v := turn(x-cx, y-cy, sin, cos)
			u, v = stripe(u, period), stripe(v, period)
			return max(min(u, v), -max(u, v))
		}
	default: // dots
		period = 4 + 0.8*period
		return func(x, y float32) float32 {
			u, v := turn(x-cx, y-cy, sin, cos)
			return 0.3*period - hypot(u-period*round(u/period), v-period*round(v/period))
		}
	}
}

// paint draws a shape in one colour on a gradient of another, under noise.
func (r *source) paint(dst []byte, inside func(x, y float32) float32) {
	const leastContrast = 120
	var back, fore [Channels]int
	for contrast := 0; contrast < leastContrast*leastContrast; {
		contrast = 0
		for c := range back {
			back[c], fore[c] = int(r.between(0, 256)), int(r.between(0, 256))
			contrast += (fore[c] - back[c]) * (fore[c] - back[c])
		}
	}
	from, to, ink := pack(back), r.near(back, 40), pack(fore)
	stepX := int(r.between(0, one)) // of the gradient, in 1/Size
	stepY := one - stepX

	strength := r.between(0.03, 0.2) * one
	var clamp [2 * one]byte // the sum less the mean of the noise, as a byte
	for i := range clamp {
		clamp[i] = byte(min(max(i-int(strength), 0), 255))
	}
	noise := r.Uint64() | 1
	var cover [Size]uint16 // how much of each pixel of a row the shape covers
	for y := range Size {
		row := dst[y*Size*Channels:][:Size*Channels]
		for x := range cover {
			cover[x] = uint16(min(max(inside(float32(x), float32(y))+0.5, 0), 1) * one)
		}
		for x, cover := range cover {
			colour := mix(mix(from, to, (x*stepX+y*stepY)/Size), ink, int(cover))
			// Xorshift, of period 2⁶⁴ − 1; the sum of two of its bytes has a deviation of 104.
			noise ^= noise << 13
			noise ^= noise >> 7
			noise ^= noise << 17
			sum := colour*one + (noise&lanes+noise>>8&lanes)*uint64(strength)
			pixel := row[x*Channels:][:Channels]
			pixel[0] = clamp[sum>>8%(2*one)]
			pixel[1] = clamp[sum>>(laneBits+8)%(2*one)]
			pixel[2] = clamp[sum>>(2*laneBits+8)%(2*one)]
		}
	}
}

// near returns a colour within by of c in each channel.
func (r *source) near(c [Channels]int, by float32) uint64 {
	for i := range c {
		c[i] = min(max(c[i]+int(r.between(-by, by)), 0), 255)
	}
	return pack(c)
}

// The channels of a colour are lanes of one word, wide enough for the sum of two products of bytes.
// Speed matters: the first step of training waits for the images.
const (
	laneBits = 21
	lanes    = 0xff<<(2*laneBits) | 0xff<<laneBits | 0xff
	one      = 256
)

func pack(c [Channels]int) uint64 {
	return uint64(c[2])<<(2*laneBits) | uint64(c[1])<<laneBits | uint64(c[0])
}

// mix interpolates from a to b, for t from 0 to one.
func mix(a, b uint64, t int) uint64 {
	return (a*uint64(one-t) + b*uint64(t)) >> 8 & lanes
}

// stripe returns the signed distance of v to the edge of stripes half a period wide.
func stripe(v, period float32) float32 {
	return period/4 - abs(v-period*round(v/period))
}

func turn(x, y, sin, cos float32) (u, v float32) { return cos*x + sin*y, cos*y - sin*x }

func abs(x float32) float32 { return float32(math.Abs(float64(x))) }

func hypot(x, y float32) float32 { return float32(math.Sqrt(float64(x*x + y*y))) }

func round(x float32) float32 { return float32(math.Floor(float64(x) + 0.5)) }
