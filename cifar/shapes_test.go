package cifar

import (
	"bytes"
	"math"
	"slices"
	"testing"
)

// An image depends only on the seed, the split and its index.
func TestShapesAreReproducible(t *testing.T) {
	d, longer, other := Shapes(1, 100, 50), Shapes(1, 130, 60), Shapes(2, 100, 50)
	if !bytes.Equal(d.Train.Pixels, longer.Train.First(100).Pixels) || !bytes.Equal(d.Test.Pixels, longer.Test.First(50).Pixels) {
		t.Error("images depend on their number")
	}
	all := append(slices.Clone(d.Train.Pixels), d.Test.Pixels...)
	all = append(all, other.Train.Pixels...)
	seen := map[string]bool{}
	for image := range slices.Chunk(all, imageBytes) {
		if seen[string(image)] {
			t.Error("an image is there twice")
		}
		seen[string(image)] = true
	}
	for i, label := range longer.Train.Labels {
		if int(label) != i%10 {
			t.Errorf("image %d has class %d", i, label)
		}
	}
}

// Each shape stays in the image under a shift of 4 pixels. Its distance function changes by no more
// than the distance between pixels, and covers a fair share of the image.
func TestShapesAreDistances(t *testing.T) {
	names := shapeNames()
	for class, name := range names {
		t.Run(name, func(t *testing.T) {
			var r source
			for i := range 50 {
				r.Seed(3, uint64(i))
				inside := r.shape(class)
				covered := 0
				for y := range Size {
					for x := range Size {
						d := inside(float32(x), float32(y))
						if d > 0 {
							covered++
						}
						for _, e := range []float32{inside(float32(x)+1, float32(y)), inside(float32(x), float32(y)+1)} {
							if !(math.Abs(float64(e-d)) <= 1.001) {
								t.Fatalf("from %g to %g in one pixel", d, e)
							}
						}
					}
				}
				if share := float64(covered) / (Size * Size); share < 0.04 || share > 0.6 {
					t.Errorf("shape %d covers %.2f of the image", i, share)
				}
			}
		})
	}
}

// TestMix checks that mix is exact in each channel.
func TestMix(t *testing.T) {
	a, b := [3]int{0, 200, 255}, [3]int{255, 3, 255}
	for step := range one + 1 {
		got := mix(pack(a), pack(b), step)
		var want [3]int
		for c := range want {
			want[c] = (a[c]*(one-step) + b[c]*step) / one
		}
		if got != pack(want) {
			t.Fatalf("at %d: %x, want %x", step, got, pack(want))
		}
	}
}

func BenchmarkShapes(b *testing.B) {
	for b.Loop() {
		Shapes(builtInSeed, builtInTrain, builtInTest)
	}
	b.ReportMetric(float64(b.N)*(builtInTrain+builtInTest)/b.Elapsed().Seconds(), "images/s")
}
