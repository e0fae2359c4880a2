package cifar

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-go/lamina/internal/golden"
)

func TestGoldenAugment(t *testing.T) {
	const tolerance = 1e-4 // of values up to 150
	data := golden.Read(t, "augment.safetensors")
	var cases []struct {
		Case   string
		TX, TY float64
		Flip   int
	}
	data.Meta(t, "cases", &cases)
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range cases {
		t.Run(c.Case, func(t *testing.T) {
			in, want := data.Get(t, c.Case+"/in"), data.Get(t, c.Case+"/out")
			got := make([]float32, len(want.Data))
			for i := range got {
				got[i] = float32(math.NaN()) // each must be set
			}
			shift(got, in.Data, in.Shape[0], in.Shape[1], in.Shape[2], c.TX, c.TY, c.Flip != 0)
			golden.Within(t, fmt.Sprint("shift by ", c.TX, c.TY), got, want.Data, tolerance)
		})
	}
}

// shift64 is shift, pixel by pixel in float64.
func shift64(src []float32, h, w, c int, tx, ty float64, flip bool) []float64 {
	dst := make([]float64, len(src))
	at := func(y, x, k int) float64 { return float64(src[(min(y, h-1)*w+min(x, w-1))*c+k]) }
	for y := range h {
		for x := range w {
			sy, sx := float64(y)+ty, float64(x)+tx
			if sy < 0 || sy > float64(h-1) || sx < 0 || sx > float64(w-1) {
				continue
			}
			y0, x0 := int(sy), int(sx)
			fy, fx := sy-float64(y0), sx-float64(x0)
			to := x
			if flip {
				to = w - 1 - x
			}
			for k := range c {
				dst[(y*w+to)*c+k] = (1-fy)*((1-fx)*at(y0, x0, k)+fx*at(y0, x0+1, k)) +
					fy*((1-fx)*at(y0+1, x0, k)+fx*at(y0+1, x0+1, k))
			}
		}
	}
	return dst
}

func TestShift(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][3]int{{1, 1, 1}, {1, 5, 2}, {5, 1, 3}, {2, 3, 3}, {7, 6, 4}, {32, 32, 3}} {
		h, w, c := shape[0], shape[1], shape[2]
		src := make([]float32, h*w*c)
		for i := range src {
			src[i] = float32(r.NormFloat64())
		}
		shifts := [][2]float64{{0, 0}, {0.5, -0.5}, {-0.25, 0}, {0, 3}, {-1, 1}, {1e-9, -1e-9},
			{float64(w - 1), float64(1 - h)}, {float64(w) - 0.5, 0}, {0, -float64(h)}, {1000, 0}, {0, -1000.5}}
		for range 20 {
			shifts = append(shifts, [2]float64{r.Float64()*10 - 5, r.Float64()*10 - 5})
		}
		for _, s := range shifts {
			for _, flip := range []bool{false, true} {
				got := make([]float32, len(src))
				for i := range got {
					got[i] = float32(math.NaN())
				}
				shift(got, src, h, w, c, s[0], s[1], flip)
				// Four products of values below 6, and their sum, each rounded once.
				const tolerance = 8 * 6 / float64(1<<24)
				for i, want := range shift64(src, h, w, c, s[0], s[1], flip) {
					if !(math.Abs(float64(got[i])-want) <= tolerance) {
						t.Fatalf("%v shifted by %v, flip %v: element %d is %g, want %g", shape, s, flip, i, got[i], want)
					}
				}
			}
		}
	}
}

func TestNormalize(t *testing.T) {
	n := MeanOnly()
	for _, std := range [][3]float32{{}, {1, 1, 1}, {58.393, 57.12, 57.375}} {
		n.Std = std
		pixels := make([]byte, 3*256)
		for i := range pixels {
			pixels[i] = byte(i / 3)
		}
		got := make([]float32, len(pixels))
		n.tables().normalize(got, pixels)
		for i, v := range got {
			divisor := float64(std[i%3])
			if divisor == 0 {
				divisor = 1
			}
			want := (float64(i/3) - float64(n.Mean[i%3])) / divisor
			if !(math.Abs(float64(v)-want) <= 2e-5) {
				t.Fatalf("std %v: %d in channel %d becomes %g, want %g", std, i/3, i%3, v, want)
			}
		}
	}
}

// Half of the images are flipped at first, and each the other way in every later epoch. All shifts
// occur, those of two epochs independently, and as often in the other order of the epochs.
func TestAlternatingFlip(t *testing.T) {
	const n = 10_000
	for _, a := range []Augmentation{AlternatingFlip, AlternatingFlipTranslate} {
		l := &Loader{Images: makeImages(n), Augmentation: a, Seed: 7}
		plan := func(epoch int) []Sample {
			samples := make([]Sample, n)
			for _, s := range l.Plan(epoch) {
				samples[s.Index] = s
			}
			return samples
		}
		first := plan(0)
		for _, epoch := range []int{4, 3, 2, 1, 0} {
			seen, flipped := map[[2]float32]int{}, 0
			for i, s := range plan(epoch) {
				if s.Flip != (first[i].Flip != (epoch%2 == 1)) {
					t.Fatalf("%v, epoch %d: image %d has flip %t, %t at first", a, epoch, i, s.Flip, first[i].Flip)
				}
				if s.Flip {
					flipped++
				}
				seen[[2]float32{s.TX, s.TY}]++
			}
			if !(math.Abs(float64(flipped)-n/2) <= 5*math.Sqrt(n)/2) {
				t.Errorf("%v, epoch %d: %d of %d flipped", a, epoch, flipped, n)
			}
			if a == AlternatingFlip {
				if seen[[2]float32{}] != n {
					t.Errorf("%v shifts: %v", a, seen)
				}
				continue
			}
			for tx := float32(-2); tx <= 2; tx++ {
				for ty := float32(-2); ty <= 2; ty++ {
					if got := seen[[2]float32{tx, ty}]; got < 300 || got > 500 || len(seen) != 25 {
						t.Errorf("epoch %d: %d of %d shifts by %g, %g", epoch, got, n, tx, ty)
					}
				}
			}
		}
	}
}

// A batch of Translate equals its samples, pixel by pixel, and no device gets the images.
func TestTranslate(t *testing.T) {
	d := &Dataset{Classes: Classes(), Train: randomImages(60)}
	l := d.Training(MeanOnly(), AlternatingFlipTranslate, 5)
	mirrored := func(i int) int { // as NumPy pads with mode "reflect"
		const period = 2 * (Size - 1)
		i = (i + period) % period
		return min(i, period-i)
	}
	images, _, _ := collect(l, 3, 0, 7)
	for i, s := range l.Plan(3) {
		for y := range Size {
			for x := range Size {
				from := x
				if s.Flip {
					from = Size - 1 - x
				}
				at := (mirrored(y+int(s.TY))*Size + mirrored(from+int(s.TX))) * Channels
				for c := range Channels {
					want := float32(l.Images.image(int(s.Index))[at+c]) - l.Normalization.Mean[c]
					if got := images[i*imageBytes+(y*Size+x)*Channels+c]; got != want {
						t.Fatalf("%+v: pixel %d, %d is %g, want %g", s, x, y, got, want)
					}
				}
			}
		}
	}
	if pixels, _ := l.Stored(); pixels != nil {
		t.Error("a device would generate the images, which it cannot")
	}
}

// Shifts and flips are uniform, and independent of those of neighbouring images and epochs.
func TestDraws(t *testing.T) {
	const n = 20_000
	l := &Loader{Images: makeImages(n), Augmentation: SubPixel, Seed: 7}
	values := map[string][]float64{} // of each image, scaled to deviation 1
	for _, epoch := range []int{0, 1} {
		samples := make([]Sample, n)
		for _, s := range l.Plan(epoch) {
			samples[s.Index] = s
		}
		for _, s := range samples {
			if !(s.TX >= -4 && s.TX <= 4 && s.TY >= -4 && s.TY <= 4) {
				t.Fatalf("shift by %g, %g", s.TX, s.TY)
			}
			flip := -1.
			if s.Flip {
				flip = 1
			}
			const deviation = 8 / 3.4641016 // of a uniform number from −4 to 4
			for name, v := range map[string]float64{"tx": float64(s.TX) / deviation, "ty": float64(s.TY) / deviation, "flip": flip} {
				name = fmt.Sprint(name, " of epoch ", epoch)
				values[name] = append(values[name], v)
			}
		}
	}
	limit := 4.5 / math.Sqrt(n)
	for a, x := range values {
		var sum, square float64
		for _, v := range x {
			sum += v
			square += v * v
		}
		if !(math.Abs(sum/n) <= limit) || !(math.Abs(square/n-1) <= limit) {
			t.Errorf("%s: mean %g, mean square %g of 1", a, sum/n, square/n)
		}
		for b, y := range values {
			for lag := range 3 {
				if a == b && lag == 0 {
					continue
				}
				var product float64
				for i := range n - lag {
					product += x[i] * y[i+lag]
				}
				if !(math.Abs(product/n) <= limit) {
					t.Errorf("%s and %s %d images on: correlation %g", a, b, lag, product/n)
				}
			}
		}
	}
}

func TestDrawsWholePixels(t *testing.T) {
	l := &Loader{Images: makeImages(5000), Augmentation: WholePixel}
	seen := map[float32]int{}
	for _, s := range l.Plan(0) {
		seen[s.TX]++
		seen[s.TY]++
	}
	if len(seen) != 9 {
		t.Errorf("%d different shifts, want 9: %v", len(seen), seen)
	}
	for s := float32(-4); s <= 4; s++ {
		if n := seen[s]; n < 950 || n > 1270 { // 1111 and five deviations
			t.Errorf("%d of 10000 shifts by %g", n, s)
		}
	}
}
