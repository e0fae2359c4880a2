package nn

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/tensor"
)

// TestFast checks the sizes of the paper's network.
func TestFast(t *testing.T) {
	net := mustBuild(t, Fast(ResNetOptions{Input: tensor.Shape{32, 32, 3}, Classes: 10}))
	trainable, other := net.Parameters()
	kernels := 9 * (24*64 + 64*64 + 64*256 + 3*256*256)
	if want := 24 + kernels + 2*(64+256+256) + 2560; trainable != want {
		t.Errorf("%d parameters train, want %d", trainable, want)
	}
	if want := 12*24 + 2*2*(64+256+256); other != want {
		t.Errorf("%d do not, want %d", other, want)
	}
	if s := net.Table[len(net.Table)-4].Output; !s.Equal(tensor.Shape{3, 3, 256}) {
		t.Errorf("the last maps have shape %v", s)
	}
}

// TestDirac compares the copied channels, and the spread of the others.
func TestDirac(t *testing.T) {
	w := Weight{Name: "conv/kernel", Shape: tensor.Shape{3, 3, 24, 400}, FanIn: 9 * 24, FanOut: 9 * 400}
	x := make([]float32, w.Shape.Size()) // of two blocks
	Dirac().fill(x, w, 7, 0)
	limit, largest := 1/math.Sqrt(float64(w.FanIn)), 0.0
	for i, v := range x {
		tap, in, out := i/(24*400), i/400%24, i%400
		want := float32(0)
		if tap == 4 && in == out {
			want = 1
		}
		if out < 24 && v != want {
			t.Fatalf("tap %d, input %d, filter %d: %v, want %v", tap, in, out, v, want)
		}
		if out >= 24 {
			largest = max(largest, math.Abs(float64(v)))
		}
	}
	if !(largest <= limit && largest > 0.999*limit) {
		t.Errorf("the largest element is %v, want about %v", largest, limit)
	}
	head := make([]float32, 256*100)
	Dirac().fill(head, Weight{Name: "head/kernel", Shape: tensor.Shape{256, 100}, FanIn: 256, FanOut: 100}, 7, 0)
	squares := 0.0
	for _, v := range head {
		squares += float64(v) * float64(v)
	}
	if deviation := 256 * math.Sqrt(squares/float64(len(head))); !(math.Abs(deviation-1) < 0.02) {
		t.Errorf("the deviation of the head is %v/256, want 1/256", deviation)
	}
}

// TestWhitening applies the filters to the patches: their second moments are those of white noise,
// but for what is added to the variances.
func TestWhitening(t *testing.T) {
	const patch, filters = 2 * 2 * 2, 16
	d := tinyData(250)
	shape := tensor.Shape{7, 6, 2}
	net := mustBuild(t, Sequential{Input: shape, Classes: 3, Frozen: []string{"whiten/kernel"}, Layers: []Layer{
		Conv2D{Name: "whiten", Filters: filters, Kernel: 2, Padding: Valid}, Flatten{}, Dense{Units: 3}}})
	c := tinyConfig()
	c.Data, c.Whiten = d, "whiten"
	trainer := newTrainer(t, backendtest.Reference(), net, c)
	kernel := wideWeight(t, trainer.Model, "whiten/kernel")
	var moments [filters][filters]float64
	patches := 0
	for image := range slices.Chunk(wide(d.Pixels), shape.Size()) {
		for y := range 6 {
			for x := range 5 {
				var out [filters]float64
				for i := range patch {
					row, column, channel := i/4, i/2%2, i%2
					for f := range out {
						out[f] += image[((y+row)*6+x+column)*2+channel] * kernel[i*filters+f]
					}
				}
				patches++
				for f := range out {
					for g := range out {
						moments[f][g] += out[f] * out[g]
					}
				}
			}
		}
	}
	for f := range patch {
		norm := 0.0
		for i := range patch {
			v, negative := kernel[i*filters+f], kernel[i*filters+patch+f]
			if v != -negative {
				t.Fatalf("filter %d has %v, filter %d %v", f, v, f+patch, negative)
			}
			norm += v * v
		}
		value := 1/norm - whitenEpsilon // the filter is an eigenvector of norm 1, divided by √(value + ε)
		for g := range patch {
			want := 0.0
			if f == g {
				want = value / (value + whitenEpsilon)
			}
			if got := moments[f][g] / float64(patches); !(math.Abs(got-want) <= 1e-6) {
				t.Errorf("second moment of filters %d and %d: %v, want %v", f, g, got, want)
			}
		}
	}
	for want, name := range map[string]string{"no layer": "other", "cannot whiten": "dense"} {
		c.Whiten = name
		if _, err := NewTrainer(backendtest.Reference(), net, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestFrozenWeightIsUnknown(t *testing.T) {
	s := Fast(ResNetOptions{Input: tensor.Shape{32, 32, 3}, Classes: 10})
	s.Frozen = []string{"whiten/gamma"}
	if _, err := Build(s); err == nil || !strings.Contains(err.Error(), "whiten/gamma") {
		t.Error(fmt.Errorf("error %w", err))
	}
}
