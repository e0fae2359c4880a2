package cifar

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// Strengths are uniform, and independent of those of other changes, epochs and images nearby.
func TestDrawsOfWords(t *testing.T) {
	const n = 10_000
	values := map[string][]float64{} // of each image, scaled to deviation 1
	for epoch := range uint32(2) {
		for _, block := range []int{flipDraws, shiftDraws, cropDraws, rotateDraws, zoomDraws,
			brightnessDraws, contrastDraws, saturationDraws, cutoutDraws, randDraws, randDraws + 1} {
			for i := range 2 {
				name := fmt.Sprintf("value %d of block %d in epoch %d", i, block, epoch)
				for image := range uint32(n) {
					v := draws{9, epoch, image}.block(block)[i]
					if !(v > 0 && v < 1) {
						t.Fatalf("%s: %g", name, v)
					}
					values[name] = append(values[name], (v-0.5)*math.Sqrt(12))
				}
			}
		}
	}
	limit := 5 / math.Sqrt(n)
	for a, x := range values {
		sum, square := 0., 0.
		for _, v := range x {
			sum += v
			square += v * v
		}
		if !(math.Abs(sum/n) <= limit) || !(math.Abs(square/n-1) <= limit) {
			t.Errorf("%s: mean %g, mean square %g of 1", a, sum/n, square/n)
		}
		for b, y := range values {
			for lag := range 2 {
				if a == b && lag == 0 {
					continue
				}
				product := 0.
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

// Half of the images are flipped, shifts fill their range, and crops are all whole numbers of
// theirs.
func TestMoves(t *testing.T) {
	const n = 14_000
	a := Augmentation{Flip: true, Shift: 0.25}
	flips, least, most := 0, 0., 0.
	crops := map[float32]int{}
	for image := range n {
		s := Sample{Index: int32(image)}
		a.sample(&s, 5, 3, 40, 20)
		if s.Flip {
			flips++
		}
		if !(math.Abs(float64(s.TX)) <= 5) {
			t.Fatalf("a width of 20 pixels shifts by %g", s.TX)
		}
		least, most = min(least, float64(s.TY)), max(most, float64(s.TY))
		Augmentation{Crop: 3}.sample(&s, 5, 3, 40, 20)
		crops[s.TX]++
		crops[s.TY]++
	}
	if math.Abs(float64(flips)-n/2) > 300 {
		t.Errorf("%d of %d images are flipped", flips, n)
	}
	if !(least >= -10 && least < -9.9 && most <= 10 && most > 9.9) {
		t.Errorf("a height of 40 pixels shifts by %g to %g", least, most)
	}
	for move := float32(-3); move <= 3; move++ {
		if got := crops[move]; len(crops) != 7 || got < 4000-300 || got > 4000+300 {
			t.Errorf("%d of %d moves are by %g: %v", got, 2*n, move, crops)
		}
	}
}

// RandAugment chooses each change equally often, and half of the magnitudes are negative.
func TestRandAugmentChoices(t *testing.T) {
	const n = 14_000
	r := RandAugment{2, 9}
	for i := range r.N {
		counts, negative := make([]int, numChanges), 0
		for image := range uint32(n) {
			c, magnitude := r.choose(draws{1, 2, image}, i)
			counts[c]++
			if math.Abs(magnitude) != 0.3 {
				t.Fatalf("magnitude %g", magnitude)
			}
			if magnitude < 0 {
				negative++
			}
		}
		if slices.Min(counts) < 850 || slices.Max(counts) > 1150 ||
			math.Abs(float64(negative)-n/2) > 300 {
			t.Errorf("choice %d: %v, and %d of %d magnitudes are negative", i, counts, negative, n)
		}
	}
}

// A square of Cutout has its size, and its middle is everywhere.
func TestCutoutPlaces(t *testing.T) {
	const h, w = 6, 9
	middles := map[[2]int]bool{}
	for image := range uint32(3000) {
		ones := make([]float32, h*w*Channels)
		for i := range ones {
			ones[i] = 1
		}
		Augmentation{Cutout: 1}.cut(ones, draws{3, 0, image}, h, w)
		first := slices.Index(ones, 0)
		middles[[2]int{first / Channels / w, first / Channels % w}] = true
		sum := float32(0)
		for _, v := range ones {
			sum += v
		}
		if sum != (h*w-1)*Channels {
			t.Fatalf("one pixel is to be cut out, and %g values are left of %d", sum, len(ones))
		}
	}
	if len(middles) != h*w {
		t.Errorf("%d of %d pixels are cut out at times", len(middles), h*w)
	}
}

// A grey image stays grey, whatever happens to its colours.
func TestGreyStaysGrey(t *testing.T) {
	a, err := ParseAugmentation("flip,shift,rotate,zoom,brightness,contrast,saturation")
	if err != nil {
		t.Fatal(err)
	}
	images := randomImages(20)
	for p := range slices.Chunk(images.Pixels, 3) {
		p[1], p[2] = p[0], p[0]
	}
	values, _, _ := collect(&Loader{Images: images, Augmentation: a}, 0, 0, 20)
	for p := range slices.Chunk(values, 3) {
		if math.Abs(float64(p[0]-p[1])) > 1e-4 || math.Abs(float64(p[0]-p[2])) > 1e-4 {
			t.Fatalf("grey becomes %v", p)
		}
	}
}

// A device generates what is a flip and a shift, with zeros outside.
func TestByDevice(t *testing.T) {
	for list, want := range map[string]bool{
		"none": true, "whole-pixel": true, "sub-pixel": true,
		"alternating-flip": true, "translate": false, "alternating-flip,translate": false,
		"flip": true, "flip,crop:4": true, "flip,shift,crop:4": true, "crop:4:reflect": false,
		"shift": false, "flip,rotate": false, "flip,cutout": false, "rand": false, "brightness": false,
	} {
		a, err := ParseAugmentation(list)
		if err != nil {
			t.Fatal(err)
		}
		l := &Loader{Images: randomImages(9), Augmentation: a, Normalization: MeanOnly()}
		if pixels, values := l.Stored(); (pixels != nil) != want || (values != nil) != want {
			t.Errorf("%s: a device generates the images: %t, want %t", list, pixels != nil, want)
		}
		if !want {
			continue
		}
		images, _, _ := collect(l, 1, 0, 9)
		for i, s := range l.Plan(1) {
			normal := make([]float32, imageBytes)
			l.Normalization.tables().normalize(normal, l.Images.image(int(s.Index)))
			tx, ty := float64(s.TX), float64(s.TY)
			for j, want := range shift64(normal, Size, Size, Channels, tx, ty, s.Flip) {
				if got := images[i*imageBytes+j]; !(math.Abs(float64(got)-want) <= 1e-4) {
					t.Fatalf("%s: %+v: value %d is %g, and a device's is %g", list, s, j, got, want)
				}
			}
		}
	}
}
