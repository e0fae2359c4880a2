package cifar

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/internal/philox"
)

// reference varies an image in float64, from the definitions of Augmentation and RandAugment.
type reference struct {
	a            Augmentation
	h, w         int
	seed         uint64
	epoch, image uint32
	pixels       []float64 // (h, w, 3)
}

// uniform returns random value i of a block, scaled to the range.
func (r *reference) uniform(block, i int, from, to float64) float64 {
	word := philox.Augmentation(r.seed, r.epoch, r.image, uint32(block))[i]
	return from + (to-from)*(float64(word)+0.5)/math.Exp2(32)
}

// factor returns that of a strength.
func (r *reference) factor(block int, strength float64) float64 {
	return r.uniform(block, 0, 1-strength, 1+strength)
}

// extent returns a strength in pixels.
func extent(strength float64, size int) float64 {
	if strength >= 1 {
		return strength
	}
	return strength * float64(size)
}

// position is where a pixel of the result is in the image.
type position struct{ x, y float64 }

// turnBack returns where p is in an image that is turned by an angle and magnified about its
// middle.
func (r *reference) turnBack(p position, degrees, scale float64) position {
	middle := complex(float64(r.w-1)/2, float64(r.h-1)/2)
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	z := (complex(p.x, p.y)-middle)*complex(cos/scale, sin/scale) + middle
	return position{real(z), imag(z)}
}

// source returns where a pixel is in the image: what changed it last is undone first.
func (r *reference) source(p position) position {
	for i := r.a.Rand.N - 1; i >= 0; i-- {
		c, m := r.choice(i)
		switch c {
		case "shear x":
			p.x += 0.3 * m * (p.y + 0.5)
		case "shear y":
			p.y += 0.3 * m * (p.x + 0.5)
		case "translate x":
			p.x += math.Trunc(150. / 331 * float64(r.w) * m)
		case "translate y":
			p.y += math.Trunc(150. / 331 * float64(r.h) * m)
		case "rotate":
			p = r.turnBack(p, 30*m, 1)
		}
	}
	if r.a.Flip && r.uniform(0, 0, 0, 1) < 0.5 {
		p.x = float64(r.w-1) - p.x
	}
	angle, scale := 0., 1.
	if r.a.Rotate > 0 {
		angle = r.uniform(3, 0, -r.a.Rotate, r.a.Rotate)
	}
	if r.a.Zoom > 0 {
		scale = r.factor(4, r.a.Zoom)
	}
	if r.a.Rotate > 0 || r.a.Zoom > 0 {
		p = r.turnBack(p, angle, scale)
	}
	tx, ty := 0., 0.
	if r.a.Shift > 0 {
		sx, sy := extent(r.a.Shift, r.w), extent(r.a.Shift, r.h)
		tx, ty = r.uniform(1, 0, -sx, sx), r.uniform(1, 1, -sy, sy)
	}
	if r.a.Crop > 0 {
		cx, cy := math.Round(extent(r.a.Crop, r.w)), math.Round(extent(r.a.Crop, r.h))
		tx += math.Floor(r.uniform(2, 0, -cx, cx+1))
		ty += math.Floor(r.uniform(2, 1, -cy, cy+1))
	}
	return position{p.x + float64(float32(tx)), p.y + float64(float32(ty))}
}

// choice returns change i of RandAugment and its magnitude.
func (r *reference) choice(i int) (string, float64) {
	all := []string{"identity", "shear x", "shear y", "translate x", "translate y", "rotate",
		"brightness", "color", "contrast", "sharpness", "posterize", "solarize", "autocontrast",
		"equalize"}
	m := float64(r.a.Rand.M) / 30
	if r.uniform(16+i, 1, 0, 1) < 0.5 {
		m = -m
	}
	return all[int(r.uniform(16+i, 0, 0, float64(len(all))))], m
}

// at64 returns the colour of src at a position, linear between its neighbours. Outside is zero, a
// colour, or else a mirror. edge reports that rounding decides what is shown.
func at64(src []float64, h, w int, p position, zero *[3]float64) (colour [3]float64, edge bool) {
	inside := func(x float64, n int) bool { return x >= 0 && x <= float64(n-1) }
	near := func(x float64, n int) bool {
		distance := min(math.Abs(x), math.Abs(x-float64(n-1)))
		return distance > 0 && distance < 1e-9
	}
	if zero != nil && (!inside(p.x, w) || !inside(p.y, h)) {
		return *zero, near(p.x, w) || near(p.y, h)
	}
	mirror := func(i, n int) int {
		for i < 0 || i >= n {
			if n == 1 {
				return 0
			}
			if i < 0 {
				i = -i
			} else {
				i = 2*(n-1) - i
			}
		}
		return i
	}
	x, y := math.Floor(p.x), math.Floor(p.y)
	for _, tap := range []position{{x, y}, {x + 1, y}, {x, y + 1}, {x + 1, y + 1}} {
		weight := (1 - math.Abs(p.x-tap.x)) * (1 - math.Abs(p.y-tap.y))
		for k := range colour {
			colour[k] += weight * src[(mirror(int(tap.y), h)*w+mirror(int(tap.x), w))*3+k]
		}
	}
	return colour, zero != nil && (near(p.x, w) || near(p.y, h))
}

func clamp64(v float64) float64 { return math.Min(math.Max(v, 0), 255) }

func grey64(p []float64) float64 { return 0.299*p[0] + 0.587*p[1] + 0.114*p[2] }

// blend64 sets pixels to factor·x + (1 − factor)·other(pixel, channel).
func blend64(pixels []float64, factor float64, other func(pixel, channel int) float64) {
	old := slices.Clone(pixels)
	for i, v := range old {
		pixels[i] = clamp64(factor*v + (1-factor)*other(i/3, i%3))
	}
}

func (r *reference) brightness(f float64) {
	blend64(r.pixels, f, func(int, int) float64 { return 0 })
}

func (r *reference) contrast(f float64) {
	mean := 0.
	for p := range slices.Chunk(r.pixels, 3) {
		mean += grey64(p) / float64(r.h*r.w)
	}
	blend64(r.pixels, f, func(int, int) float64 { return mean })
}

func (r *reference) saturation(f float64) {
	old := slices.Clone(r.pixels)
	blend64(r.pixels, f, func(pixel, _ int) float64 { return grey64(old[3*pixel:]) })
}

func (r *reference) sharpness(f float64) {
	old := slices.Clone(r.pixels)
	blend64(r.pixels, f, func(pixel, channel int) float64 {
		y, x := pixel/r.w, pixel%r.w
		if y == 0 || x == 0 || y == r.h-1 || x == r.w-1 {
			return old[3*pixel+channel]
		}
		sum := 0.
		for dy := -1; dy <= 1; dy++ {
			for dx := -1; dx <= 1; dx++ {
				weight := 1.
				if dx == 0 && dy == 0 {
					weight = 5
				}
				sum += weight / 13 * old[((y+dy)*r.w+x+dx)*3+channel]
			}
		}
		return sum
	})
}

// change makes the changes of RandAugment.
func (r *reference) change() {
	for i := range r.a.Rand.N {
		switch c, m := r.choice(i); c {
		case "brightness":
			r.brightness(1 + 0.9*m)
		case "color":
			r.saturation(1 + 0.9*m)
		case "contrast":
			r.contrast(1 + 0.9*m)
		case "sharpness":
			r.sharpness(1 + 0.9*m)
		case "posterize": // torchvision: 8 - (arange(31) / (30 / 4)).round()
			bits := 8 - math.RoundToEven(float64(r.a.Rand.M)/7.5)
			for i, v := range r.pixels {
				r.pixels[i] = math.Floor(math.Floor(v+0.5)/math.Exp2(8-bits)) * math.Exp2(8-bits)
			}
		case "solarize":
			for i, v := range r.pixels {
				if v >= 255-255*math.Abs(m) {
					r.pixels[i] = 255 - v
				}
			}
		case "autocontrast", "equalize":
			for channel := range 3 {
				values := make([]float64, 0, r.h*r.w)
				for p := range slices.Chunk(r.pixels, 3) {
					values = append(values, p[channel])
				}
				for i, v := range values {
					if c == "equalize" {
						v = equal64(values, v)
					} else if least, most := slices.Min(values), slices.Max(values); most > least {
						v = (v - least) * 255 / (most - least)
					}
					r.pixels[3*i+channel] = v
				}
			}
		}
	}
}

// equal64 is ImageOps.equalize of Pillow for one of the values of a channel.
func equal64(values []float64, v float64) float64 {
	round := func(v float64) int { return int(math.Floor(v + 0.5)) }
	darker, brightest, most := 0, 0, round(slices.Max(values))
	for _, other := range values {
		if round(other) < round(v) {
			darker++
		}
		if round(other) == most {
			brightest++
		}
	}
	step := (len(values) - brightest) / 255
	if step == 0 {
		return v
	}
	return float64(min((darker+step/2)/step, 255))
}

// vary returns what the network sees, and the pixels where rounding decides.
func (r *reference) vary(pixels []byte, n Normalization) (values []float64, edges []bool) {
	src := make([]float64, len(pixels))
	for i, v := range pixels {
		src[i] = float64(v)
	}
	var zero *[3]float64
	if r.a.Zeros {
		zero = &[3]float64{float64(n.Mean[0]), float64(n.Mean[1]), float64(n.Mean[2])}
	}
	edges = make([]bool, r.h*r.w)
	for i := range edges {
		var colour [3]float64
		p := r.source(position{float64(i % r.w), float64(i / r.w)})
		colour, edges[i] = at64(src, r.h, r.w, p, zero)
		r.pixels = append(r.pixels, colour[:]...)
	}
	if r.a.Brightness > 0 {
		r.brightness(r.factor(5, r.a.Brightness))
	}
	if r.a.Contrast > 0 {
		r.contrast(r.factor(6, r.a.Contrast))
	}
	if r.a.Saturation > 0 {
		r.saturation(r.factor(7, r.a.Saturation))
	}
	r.change()
	side := int(math.Round(extent(r.a.Cutout, min(r.h, r.w))))
	cutY := int(r.uniform(8, 0, 0, float64(r.h))) - side/2
	cutX := int(r.uniform(8, 1, 0, float64(r.w))) - side/2
	for i, v := range r.pixels {
		y, x := i/3/r.w-cutY, i/3%r.w-cutX
		if r.a.Cutout > 0 && y >= 0 && y < side && x >= 0 && x < side {
			values = append(values, 0)
			continue
		}
		values = append(values, (v-float64(n.Mean[i%3]))/float64(n.Std[i%3]))
	}
	return values, edges
}

// everything is a list of all words.
const everything = "flip,shift,crop:3,rotate,zoom,brightness,contrast,saturation,cutout,rand"

// Each word, and many together, give the reference's images, of sizes at the edge of what there is.
// Those of the first class are grey.
func TestAugmentationReference(t *testing.T) {
	lists := []string{
		"flip", "shift", "shift:3.5", "crop:2", "crop:0.3:reflect", "crop:40", "crop:9:reflect",
		"rotate", "rotate:180", "zoom", "zoom:0.9", "brightness", "brightness:1", "contrast",
		"contrast:1", "saturation", "saturation:1", "cutout", "cutout:5", "cutout:512", "rand:1:0",
		"rand:1:9", "rand:1:14", "rand:1:30", "flip,crop:4", "flip,crop:1,contrast",
		"flip,shift,crop:1,cutout", "flip,shift,rotate,zoom,crop:2",
		"flip,shift:0.9,rotate:180,zoom:0.5", "brightness,contrast,saturation",
		"flip,shift,rotate,zoom,brightness,contrast,saturation,cutout",
	}
	n := Normalization{Mean: [3]float32{120, 100, 0}, Std: [3]float32{1, 58, 255}}
	for _, size := range [][2]int{{1, 1}, {1, 6}, {5, 1}, {2, 2}, {3, 7}, {24, 17}, {32, 32}} {
		h, w := size[0], size[1]
		r := rand.New(rand.NewPCG(uint64(h), uint64(w)))
		images := Images{Labels: make([]int32, 16), Height: h, Width: w}
		images.Pixels = make([]byte, 16*images.bytes())
		for i := range images.Labels {
			images.Labels[i] = int32(i % 2)
			for p := range slices.Chunk(images.image(i), 3) {
				for k := range p {
					p[k] = byte(r.Uint32())
				}
				if i%2 == 0 {
					p[1], p[2] = p[0], p[0]
				}
			}
		}
		for _, list := range lists {
			a, err := ParseAugmentation(list)
			if err != nil {
				t.Fatal(err)
			}
			l := &Loader{Images: images, Normalization: n, Augmentation: a, Seed: 1<<40 + 7}
			for _, epoch := range []int{0, 5} {
				got, _, _ := collect(l, epoch, 0, 16)
				for at, s := range l.Plan(epoch) {
					ref := &reference{a: a, h: h, w: w, seed: l.Seed,
						epoch: uint32(epoch), image: uint32(s.Index)}
					want, edges := ref.vary(images.image(int(s.Index)), n)
					what := fmt.Sprintf("%dx%d, %s, epoch %d, image %d", h, w, list, epoch, s.Index)
					checkVaried(t, what, got[at*h*w*3:][:h*w*3], want, edges, n)
				}
			}
		}
	}
}

func checkVaried(t *testing.T, what string, got []float32, want []float64, edges []bool,
	n Normalization) {
	t.Helper()
	// Up to 60 operations on values up to 2·255 are rounded.
	const tolerance = 60 * 2 * 256 / float64(1<<24)
	for i, v := range want {
		if !(math.Abs(float64(got[i])-v)*float64(n.Std[i%3]) <= tolerance) && !edges[i/3] {
			t.Fatalf("%s: value %d is %g, want %g", what, i, got[i], v)
		}
	}
}
