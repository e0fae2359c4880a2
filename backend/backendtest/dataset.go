package backendtest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/tensor"
)

// dataset is the reference's.
type dataset struct {
	r      *reference
	shape  tensor.Shape
	values []float64 // of the pixels
}

func (r *reference) Dataset(s backend.DatasetSpec) (backend.Dataset, error) {
	d := &dataset{r, slices.Clone(s.Shape), make([]float64, len(s.Pixels))}
	for i, v := range s.Pixels {
		d.values[i] = float64(s.Values[i%s.Shape[3]*256+int(v)])
	}
	return d, nil
}

func (d *dataset) Generate(images, samples tensor.Tensor) {
	n := samples.Shape()[0]
	_, h, w, c := d.shape.NHWC()
	y := d.r.arg(images, tensor.Shape{n, h, w, c})
	for i, s := range slices.Collect(slices.Chunk(d.r.arg(samples, tensor.Shape{n, backend.SampleSize}), backend.SampleSize)) {
		x := d.values[int(s[0])*h*w*c:]
		for row := range h {
			for column := range w {
				to := column
				if s[3] != 0 {
					to = w - 1 - column
				}
				for k := range c {
					y[((i*h+row)*w+to)*c+k] = interpolated(x, h, w, c, float64(row)+s[2], float64(column)+s[1], k)
				}
			}
		}
	}
}

// interpolated returns channel k of an image at any point: 0 outside.
func interpolated(x []float64, h, w, c int, row, column float64, k int) float64 {
	if row < 0 || row > float64(h-1) || column < 0 || column > float64(w-1) {
		return 0
	}
	at := func(row, column int) float64 { return x[(min(row, h-1)*w+min(column, w-1))*c+k] }
	r, s := int(row), int(column)
	down, right := row-float64(r), column-float64(s)
	return (1-down)*((1-right)*at(r, s)+right*at(r, s+1)) + down*((1-right)*at(r+1, s)+right*at(r+1, s+1))
}

// generated returns images that a backend generates from a set.
func generated(d *device, spec backend.DatasetSpec, samples []float32) []float32 {
	d.t.Helper()
	plan, err := d.Backend.(backend.Augmenter).Dataset(spec)
	set := must(d, plan, err)
	n := len(samples) / backend.SampleSize
	images := d.empty(tensor.Shape{n, spec.Shape[1], spec.Shape[2], spec.Shape[3]})
	which := d.parameter(tensor.Shape{n, backend.SampleSize}, samples)
	d.step(backend.StepValues{}, func() { set.Generate(images, which) })
	return d.read(images)
}

func needAugmenter(d *device) {
	d.t.Helper()
	if _, can := d.Backend.(backend.Augmenter); !can {
		d.t.Skip("the backend keeps no sets of images: it is given them batch by batch")
	}
}

// dataset checks a set of images, of a backend that keeps one.
func (s *suite) dataset() {
	needAugmenter(s.device())
	for _, shape := range []tensor.Shape{{5, 32, 32, 3}, {3, 7, 6, 2}, {1, 1, 1, 1}, {4, 1, 5, 4}, {2, 5, 1, 3}, {3, 2, 2, 3}} {
		s.run(fmt.Sprint(shape), func(s *suite) {
			n, h, w, c := shape.NHWC()
			spec := backend.DatasetSpec{Shape: shape, Pixels: make([]byte, shape.Size()), Values: s.normal(c*256, 50)}
			for i := range spec.Pixels {
				spec.Pixels[i] = byte(s.rng.Uint32())
			}
			shifts := [][2]float64{{0, 0}, {1, 0}, {0, -2}, {0.5, -0.25}, {1e-9, -1e-9}, {-0.001, 0.001},
				{float64(w - 1), float64(1 - h)}, {float64(w) - 0.5, 0}, {0, -float64(h)}, {1000, 0}, {0, -1000.5}}
			for range 20 {
				shifts = append(shifts, [2]float64{s.rng.Float64()*8 - 4, s.rng.Float64()*8 - 4})
			}
			var samples []float32
			for i, shift := range shifts {
				samples = append(samples, float32(s.rng.IntN(n)), float32(shift[0]), float32(shift[1]), float32(i%2))
			}
			got, want := generated(s.device(), spec, samples), generated(s.reference(), spec, samples)
			spec.Values = absolute(spec.Values)
			sums := generated(s.reference(), spec, samples)
			// A weight, its product and three sums are rounded, then the pixel.
			near(s.T, "images", got, want, func(i int) float64 { return 5*unit*float64(sums[i]) + s.Unit*math.Abs(float64(want[i])) })
		})
	}
}

// goldenDataset compares the images that a backend makes of a set with Keras's. The reference data
// are images from which the mean was subtracted: the bytes number the values of a channel.
func goldenDataset(t *testing.T, open func(t *testing.T) backend.Backend) {
	const tolerance = 1e-4 // of values up to 150
	d := newDevice(t, open(t))
	needAugmenter(d)
	data := golden.Read(t, "augment.safetensors")
	var cases []struct {
		Case   string
		TX, TY float32
		Flip   float32
	}
	data.Meta(t, "cases", &cases)
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range cases {
		in, want := data.Get(t, c.Case+"/in"), data.Get(t, c.Case+"/out")
		channels := in.Shape[2]
		spec := backend.DatasetSpec{Shape: append(tensor.Shape{1}, in.Shape...), Pixels: make([]byte, len(in.Data)), Values: make([]float32, channels*256)}
		for k := range channels {
			var values []float32
			for i := k; i < len(in.Data); i += channels {
				values = append(values, in.Data[i])
			}
			slices.Sort(values)
			values = slices.Compact(values)
			copy(spec.Values[k*256:(k+1)*256], values)
			for i := k; i < len(in.Data); i += channels {
				at, _ := slices.BinarySearch(values, in.Data[i])
				spec.Pixels[i] = byte(at)
			}
		}
		golden.Within(t, c.Case, generated(d, spec, []float32{0, c.TX, c.TY, c.Flip}), want.Data, tolerance)
	}
}
