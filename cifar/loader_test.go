package cifar

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
)

// randomImages returns n images of noise in 10 classes.
func randomImages(n int) Images {
	r := rand.New(rand.NewPCG(3, uint64(n)))
	images := makeImages(n)
	for i := range images.Pixels {
		images.Pixels[i] = byte(r.Uint32())
	}
	for i := range images.Labels {
		images.Labels[i] = int32(r.IntN(10))
	}
	return images
}

// collect joins the batches of an epoch, and returns their sizes.
func collect(l *Loader, epoch, first, size int) (images, labels []float32, sizes []int) {
	for x, y := range l.Batches(epoch, first, size) {
		images = append(images, x...)
		labels = append(labels, y...)
		sizes = append(sizes, len(y))
	}
	return images, labels, sizes
}

func TestPlan(t *testing.T) {
	l := &Loader{Images: randomImages(500), Augmentation: SubPixel, Seed: 1}
	order := func(plan []Sample) []int32 {
		var order []int32
		for _, s := range plan {
			if s.Label != l.Images.Labels[s.Index] {
				t.Fatalf("image %d has label %d, want %d", s.Index, s.Label, l.Images.Labels[s.Index])
			}
			order = append(order, s.Index)
		}
		return order
	}
	each := order(l.Plan(inOrder))
	for i, x := range each {
		if int(x) != i {
			t.Fatalf("in order: position %d has image %d", i, x)
		}
	}
	for _, s := range l.Plan(inOrder) {
		if s.TX != 0 || s.TY != 0 || s.Flip {
			t.Fatalf("in order: %+v is augmented", s)
		}
	}
	first, second := l.Plan(0), l.Plan(1)
	if slices.Equal(order(first), order(second)) || slices.Equal(order(first), each) {
		t.Error("the order does not change between epochs")
	}
	for _, plan := range [][]Sample{first, second} {
		sorted := order(plan)
		slices.Sort(sorted)
		if !slices.Equal(sorted, each) {
			t.Error("an epoch does not have each image once")
		}
	}
	if !slices.Equal(first, l.Plan(0)) {
		t.Error("an epoch differs when planned again")
	}
	l.Seed++
	if slices.Equal(order(first), order(l.Plan(0))) {
		t.Error("the order does not depend on the seed")
	}
}

// A batch equals its samples, computed pixel by pixel.
func TestBatches(t *testing.T) {
	d := &Dataset{Classes: Classes(), Train: randomImages(23)}
	for _, augmentation := range []Augmentation{None, WholePixel, SubPixel} {
		for _, epoch := range []int{inOrder, 0, 3} {
			l := d.Training(MeanOnly(), augmentation, 5)
			images, labels, sizes := collect(l, epoch, 0, 10)
			if !slices.Equal(sizes, []int{10, 10, 3}) {
				t.Fatalf("batches of %v", sizes)
			}
			for i, s := range l.Plan(epoch) {
				if labels[i] != float32(s.Label) {
					t.Fatalf("label %g, want %d", labels[i], s.Label)
				}
				normal := make([]float32, imageBytes)
				for j, v := range l.Images.image(int(s.Index)) {
					normal[j] = float32(v) - l.Normalization.Mean[j%3]
				}
				for j, want := range shift64(normal, Size, Size, Channels, float64(s.TX), float64(s.TY), s.Flip) {
					if got := images[i*imageBytes+j]; !(math.Abs(float64(got)-want) <= 1e-4) {
						t.Fatalf("%v, epoch %d, %+v: element %d is %g, want %g", augmentation, epoch, s, j, got, want)
					}
				}
			}
		}
	}
}

// The images of an epoch do not depend on where it begins.
func TestBatchesFromWithin(t *testing.T) {
	l := &Loader{Images: randomImages(50), NumClasses: 10, Normalization: MeanOnly(), Augmentation: SubPixel, Seed: 9}
	for _, size := range []int{1, 7, 25, 50, 64, math.MaxInt} {
		wantImages, wantLabels, sizes := collect(l, 2, 0, size)
		if len(wantLabels) != l.Len() {
			t.Fatalf("batches of %d: %d images, want %d", size, len(wantLabels), l.Len())
		}
		for first := 0; first <= len(sizes)+1; first += 1 + len(sizes)/4 {
			done := 0
			for _, n := range sizes[:min(first, len(sizes))] {
				done += n
			}
			images, labels, _ := collect(l, 2, first, size)
			if !slices.Equal(images, wantImages[done*imageBytes:]) || !slices.Equal(labels, wantLabels[done:]) {
				t.Errorf("batches of %d from batch %d: other images", size, first)
			}
		}
	}
}

// A batch has the same bits however many goroutines render it, and wherever an epoch begins.
func TestWorkers(t *testing.T) {
	a, err := ParseAugmentation(everything)
	if err != nil {
		t.Fatal(err)
	}
	for _, augmentation := range []Augmentation{SubPixel, AlternatingFlipTranslate, a} {
		l := &Loader{Images: randomImages(50), NumClasses: 10, Normalization: MeanOnly(),
			Augmentation: augmentation, Seed: 9, Workers: 1}
		want, _, _ := collect(l, 2, 0, 50)
		for _, l.Workers = range []int{0, 1, 2, 5, 64} {
			for _, size := range []int{1, 7, 50} {
				for _, first := range []int{0, 1, 3} {
					got, _, _ := collect(l, 2, first, size)
					if !slices.Equal(got, want[min(first*size, 50)*imageBytes:]) {
						t.Errorf("%v with %d workers, batches of %d from batch %d: other images",
							augmentation, l.Workers, size, first)
					}
				}
			}
		}
	}
}

// Samples encode the plan, in the batches of Batches.
func TestSamples(t *testing.T) {
	l := &Loader{Images: randomImages(50), NumClasses: 10, Normalization: MeanOnly(), Augmentation: SubPixel, Seed: 9}
	for _, epoch := range []int{inOrder, 0, 2} {
		plan := l.Plan(epoch)
		for _, size := range []int{1, 7, 25, 50, 64, math.MaxInt} {
			for _, first := range []int{0, 1, 7, 50} {
				_, wantLabels, wantSizes := collect(l, epoch, first, size)
				var labels []float32
				var sizes []int
				for samples, some := range l.Samples(epoch, first, size) {
					if len(samples) != 4*len(some) {
						t.Fatalf("%d values for %d samples", len(samples), len(some))
					}
					for i := range some {
						s := plan[len(plan)-len(wantLabels)+len(labels)+i]
						flip := float32(0)
						if s.Flip {
							flip = 1
						}
						if want := []float32{float32(s.Index), s.TX, s.TY, flip}; !slices.Equal(samples[4*i:4*i+4], want) {
							t.Fatalf("epoch %d, batches of %d from %d: %v, want %v", epoch, size, first, samples[4*i:4*i+4], want)
						}
					}
					labels, sizes = append(labels, some...), append(sizes, len(some))
				}
				if !slices.Equal(labels, wantLabels) || !slices.Equal(sizes, wantSizes) {
					t.Errorf("epoch %d, batches of %d from %d: other labels, or batches of %v and not %v", epoch, size, first, sizes, wantSizes)
				}
			}
		}
	}
	for range l.Samples(0, 0, 7) {
		break // it can
	}
}

// Stored returns the bytes, and what Batches makes of each.
func TestStored(t *testing.T) {
	l := &Loader{Images: randomImages(3), Normalization: Normalization{Mean: [3]float32{100, 0, 1}, Std: [3]float32{2, 0, 3}}}
	pixels, values := l.Stored()
	images, _, _ := collect(l, inOrder, 0, 3)
	for i, v := range pixels {
		if got := values[i%3*256+int(v)]; got != images[i] {
			t.Fatalf("byte %d, which is %d, stands for %g, want %g", i, v, got, images[i])
		}
	}
}

// However a loop ends, no goroutine is left.
func TestBatchesEnd(t *testing.T) {
	for stop := range 9 {
		t.Run(fmt.Sprint("stop at ", stop), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // fails if a goroutine remains
				l := &Loader{Images: randomImages(16), Normalization: MeanOnly()}
				defer func() { recover() }()
				n := 0
				for range l.Batches(0, 0, 2) {
					if n == stop {
						break
					}
					if n == 7 {
						panic("in the loop")
					}
					n++
				}
			})
		})
	}
}

func TestBatchesOfNothing(t *testing.T) {
	l := &Loader{Normalization: MeanOnly()}
	for range l.Batches(0, 0, 8) {
		t.Error("a batch of no images")
	}
}

// What an epoch allocates does not depend on the number of batches.
func TestBatchesAllocate(t *testing.T) {
	l := &Loader{Images: randomImages(64), Normalization: MeanOnly(), Augmentation: SubPixel}
	allocations := func(size int) float64 {
		return testing.AllocsPerRun(10, func() {
			for range l.Batches(0, 0, size) {
			}
		})
	}
	if few, many := allocations(16), allocations(1); many > few {
		t.Errorf("%g allocations in 4 batches, %g in 64", few, many)
	}
}

func TestFirst(t *testing.T) {
	images := randomImages(5)
	for n, want := range map[int]int{0: 0, 3: 3, 5: 5, 9: 5} {
		first := images.First(n)
		if first.Len() != want || len(first.Pixels) != want*imageBytes {
			t.Errorf("First(%d) has %d images, %d bytes", n, first.Len(), len(first.Pixels))
		}
	}
}

func BenchmarkBatches(b *testing.B) {
	for _, size := range []int{Size, 224} {
		l := &Loader{Normalization: MeanOnly(), Workers: 1,
			Images: Images{Height: size, Width: size, Labels: make([]int32, 64)}}
		l.Images.Pixels = make([]byte, 64*l.Images.bytes())
		for i := range l.Images.Pixels {
			l.Images.Pixels[i] = byte(i * i >> 3)
		}
		for _, list := range []string{"none", "whole-pixel", "sub-pixel", "alternating-flip,translate",
			"flip,crop:4", "flip,shift,rotate,zoom", "flip,rand",
			"flip,shift,rotate,zoom,brightness,contrast,saturation", everything} {
			b.Run(fmt.Sprintf("%dx%d/%s", size, size, list), func(b *testing.B) {
				var err error
				if l.Augmentation, err = ParseAugmentation(list); err != nil {
					b.Fatal(err)
				}
				n := 0
				for b.Loop() {
					for _, labels := range l.Batches(0, 0, 32) {
						n += len(labels)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/image")
			})
		}
	}
}
