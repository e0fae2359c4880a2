package picturetest

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// PhotoClasses returns the names of the classes of Photos.
func PhotoClasses() []string { return []string{"fish", "key", "leaf", "mug", "star"} }

// Photos writes n JPEGs of sides of small to large pixels to DIR/CLASS/NUMBER.jpg, as many of each
// class. They vary as photos do: in the object's place, size, angle, side, colour and pattern; in
// the texture and the clutter behind it; in what covers a part of it; in light, colour cast, blur
// of the camera's noise, and orientation. The same seed writes the same files.
func Photos(dir string, n, small, large int, seed uint64) error {
	classes := PhotoClasses()
	for _, class := range classes {
		if err := os.MkdirAll(filepath.Join(dir, class), 0o755); err != nil {
			return err
		}
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error {
			p := newPhoto(rand.New(rand.NewPCG(seed, uint64(i))), i%len(classes))
			file := filepath.Join(dir, classes[i%len(classes)], fmt.Sprintf("%04d.jpg", i/len(classes)))
			return os.WriteFile(file, p.encode(small, large), 0o644)
		})
	}
	return group.Wait()
}

// photo is a scene. Coordinates are from −1 to 1 along the shorter side of the picture.
type photo struct {
	*rand.Rand
	class      int
	object     pose
	paint      paint
	background paint
	clutter    []patch // behind the object
	cover      patch   // before it
	light      [3]float32
	slope      [2]float32 // of the light over the picture
	shade      float32    // of the object's shadow
	noise      float32
}

// pose brings a point of the picture to the coordinates of an object.
type pose struct{ x, y, a, b, c, d float32 }

func (p pose) at(x, y float32) (u, v float32) {
	x, y = x-p.x, y-p.y
	return p.a*x + p.b*y, p.c*x + p.d*y
}

// paint is two colours and how they alternate.
type paint struct {
	one, other [3]float32
	period     float32
	pattern    int
	seed       uint32
}

// patch is a rectangle or an ellipse.
type patch struct {
	pose
	paint
	round bool
}

func newPhoto(r *rand.Rand, class int) *photo {
	p := &photo{Rand: r, class: class, paint: newPaint(r), background: newPaint(r)}
	size := between(r, 0.45, 0.85)
	p.object = newPose(r, 0.5*(1-size)+0.1, size, between(r, 0.75, 1), between(r, -0.7, 0.7))
	for range r.IntN(7) {
		p.clutter = append(p.clutter, newPatch(r, 0.15, 0.6))
	}
	p.cover = newPatch(r, 0.1, 0.25)
	if r.IntN(3) > 0 { // nothing covers it
		p.cover.x = 10
	}
	light := between(r, 0.45, 1.2)
	p.light = [3]float32{light * between(r, 0.8, 1.2), light, light * between(r, 0.8, 1.2)}
	p.slope = [2]float32{between(r, -0.3, 0.3), between(r, -0.3, 0.3)}
	p.shade = between(r, 0.4, 1)
	p.noise = between(r, 2, 16)
	return p
}

func between(r *rand.Rand, low, high float32) float32 { return low + (high-low)*r.Float32() }

// newPose returns a pose at most so far from the middle, of a size, flattened and rotated.
func newPose(r *rand.Rand, far, size, flat, angle float32) pose {
	sin, cos := math.Sincos(float64(angle))
	s, c := float32(sin), float32(cos)
	wide := size
	if r.IntN(2) == 0 { // from the other side
		wide = -wide
	}
	high := size * flat
	return pose{between(r, -far, far), between(r, -far, far), c / wide, s / wide, -s / high, c / high}
}

func newPaint(r *rand.Rand) paint {
	p := paint{period: between(r, 0.05, 0.5), pattern: r.IntN(4), seed: r.Uint32()}
	for i := range p.one {
		p.one[i] = between(r, 20, 235)
		p.other[i] = min(255, max(0, p.one[i]+between(r, -60, 60)))
	}
	return p
}

func newPatch(r *rand.Rand, small, large float32) patch {
	return patch{newPose(r, 1.2, between(r, small, large), between(r, 0.2, 1), between(r, -3, 3)), newPaint(r), r.IntN(2) == 0}
}

// colour returns the paint's colour at a point.
func (p *paint) colour(x, y float32) (c [3]float32) {
	share := noise(p.seed, x/p.period, y/p.period)
	switch p.pattern {
	case 0: // plain, with grain
		share = 0.7*share + 0.3*noise(p.seed+1, 9*x/p.period, 9*y/p.period)
	case 1: // stripes
		share = stripe(x/p.period + share)
	case 2: // checks
		share = 0.5*stripe(x/p.period) + 0.5*stripe(y/p.period)
	}
	for i := range c {
		c[i] = p.one[i] + share*(p.other[i]-p.one[i])
	}
	return c
}

func stripe(v float32) float32 {
	return min(1, max(0, 6*abs(v-float32(math.Floor(float64(v)))-0.5)-1))
}

// noise is value noise: random values on a grid, smooth between them.
func noise(seed uint32, x, y float32) float32 {
	fx, fy := math.Floor(float64(x)), math.Floor(float64(y))
	at := func(i, j int32) float32 {
		h := (seed + uint32(i)*0x9e3779b1) ^ uint32(j)*0x85ebca77
		h = (h ^ h>>15) * 0x2c1b3c6d
		h = (h ^ h>>12) * 0x297a2d39
		return float32(h>>8) / (1 << 24)
	}
	i, j := int32(fx), int32(fy)
	u, v := x-float32(fx), y-float32(fy)
	u, v = u*u*(3-2*u), v*v*(3-2*v)
	top, bottom := at(i, j)+u*(at(i+1, j)-at(i, j)), at(i, j+1)+u*(at(i+1, j+1)-at(i, j+1))
	return top + v*(bottom-top)
}

func (p *patch) has(x, y float32) (u, v float32, ok bool) {
	if u, v = p.at(x, y); p.round {
		return u, v, u*u+v*v < 1
	}
	return u, v, max(abs(u), abs(v)) < 1
}

func abs(v float32) float32 { return max(v, -v) }

func hypot(x, y float32) float32 { return float32(math.Sqrt(float64(x*x + y*y))) }

// inside returns how far a point is inside the object, about 1 in its middle, and below 0 outside.
func (p *photo) inside(u, v float32) float32 {
	switch p.class {
	case 0: // a fish: body, tail, eye
		body := 0.7 - hypot(u+0.2, 1.8*v)
		tail := min(u-0.35, 0.95-u, 0.9*(u-0.3)+0.05-abs(v))
		if hypot(u+0.55, v+0.08) < 0.06 {
			return 0.02
		}
		return max(body, tail)
	case 1: // a key: ring, shaft, bit
		ring := 0.14 - abs(hypot(u+0.6, v)-0.26)
		shaft := min(0.09-abs(v), 0.95-u, u+0.36)
		bit := min(0.3-v, v, max(0.07-abs(u-0.85), 0.07-abs(u-0.62)))
		return max(ring, shaft, bit)
	case 2: // a leaf: two arcs, a rib, a stalk
		blade := 1.05 - max(hypot(u+0.1, v-0.6), hypot(u+0.1, v+0.6))
		stalk := min(0.04-abs(v), 1-u, u-0.5)
		if abs(v) < 0.03 || abs(abs(v)-0.5*float32(math.Mod(float64(u+2), 0.3))) < 0.015 {
			blade = min(blade, 0.02)
		}
		return max(blade, stalk)
	case 3: // a mug: body, handle
		body := min(0.55-abs(u+0.2), 0.75-abs(v))
		handle := min(0.11-abs(hypot(u-0.4, 0.9*v)-0.35), u-0.3)
		return max(body, handle)
	}
	// a star: the edge from a tip to the angle beside it
	angle := math.Abs(math.Mod(math.Atan2(float64(v), float64(u))+2*math.Pi, 2*math.Pi/5) - math.Pi/5)
	sin, cos := math.Sincos(angle)
	return 0.334 - hypot(u, v)*float32(0.351*cos+0.936*sin)
}

// colour returns the colour of a point of the picture.
func (p *photo) colour(x, y float32) [3]float32 {
	c := p.background.colour(x, y)
	for i := range p.clutter {
		if u, v, ok := p.clutter[i].has(x, y); ok {
			c = p.clutter[i].colour(u, v)
		}
	}
	u, v := p.object.at(x, y)
	if depth := p.inside(u, v); depth > 0 {
		c = p.paint.colour(u, v)
		for i := range c {
			c[i] *= min(1, 0.55+3*depth) * (1 - 0.2*v)
		}
	} else if u, v = p.object.at(x-0.06, y-0.06); p.inside(u, v) > 0 {
		for i := range c {
			c[i] *= p.shade
		}
	}
	if u, v, ok := p.cover.has(x, y); ok {
		c = p.cover.colour(u, v)
	}
	for i := range c {
		c[i] *= p.light[i] * (1 + p.slope[0]*x + p.slope[1]*y)
	}
	return c
}

// encode returns the picture as a JPEG whose longer side has small to large pixels, and the shorter
// two thirds of it or more. Some are stored rotated, as cameras do.
func (p *photo) encode(small, large int) []byte {
	side := float64(small) * math.Pow(float64(large)/float64(small), p.Float64())
	w, h := int(side), max(small, int(side*(2+p.Float64())/3))
	if p.IntN(2) == 0 {
		w, h = h, w
	}
	rotated := p.IntN(4) == 0
	stored := image.Rect(0, 0, w, h)
	if rotated {
		stored = image.Rect(0, 0, h, w)
	}
	m := image.NewRGBA(stored)
	scale := 2 / float32(min(w, h))
	for sy := range stored.Dy() {
		for sx := range stored.Dx() {
			x, y := sx, sy
			if rotated { // by 90° clockwise for display
				x, y = w-1-sy, sx
			}
			c := p.colour(scale*(float32(x)-float32(w)/2), scale*(float32(y)-float32(h)/2))
			pixel := m.Pix[m.PixOffset(sx, sy):]
			grain := p.noise * (p.Float32() + p.Float32() - 1)
			for i, v := range c {
				pixel[i] = byte(min(255, max(0, v+grain)))
			}
			pixel[3] = 255
		}
	}
	var b bytes.Buffer
	jpeg.Encode(&b, m, &jpeg.Options{Quality: 70 + p.IntN(25)}) // a buffer cannot fail
	if !rotated {
		return b.Bytes()
	}
	const toRotate = "\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06" +
		"\x00\x00\x00\x00\x00\x00"
	return slices.Insert(b.Bytes(), 2, []byte(toRotate)...)
}
