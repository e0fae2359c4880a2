package backendtest

import (
	"fmt"
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/philox"
	"github.com/lamina-go/lamina/tensor"
)

// activationPasses runs Forward and Backward of one step on a backend.
func activationPasses(d *device, p backend.Activation, xs, ys tensor.Shape, step uint64, x, dy []float32, inPlace bool) (y, dx []float32) {
	v := backend.StepValues{Step: step}
	xt, yt := d.activation(xs, x), d.empty(ys)
	d.step(v, func() { p.Forward(yt, xt) })
	y = d.read(yt)
	d.unchanged("x", xt, x)
	dxt := xt
	if !inPlace {
		dxt = d.empty(xs)
	}
	dyt := d.write(yt, dy)
	d.step(v, func() { p.Backward(dxt, dyt, xt) })
	d.unchanged("dy", dyt, dy)
	if !inPlace {
		d.unchanged("x", xt, x)
	}
	return y, d.read(dxt)
}

// activationCase checks a plan that rounds nothing against the reference.
func (s *suite) activationCase(name string, open func(backend.Backend) (
	backend.Activation, error), xs, ys tensor.Shape, x []float32) {
	for _, inPlace := range []bool{false, true} {
		s.run(fmt.Sprintf("%s_%v_inplace_%t", name, xs, inPlace), func(s *suite) {
			d, ref := s.device(), s.reference()
			x, dy := rounded(d, x, xs), rounded(d, s.normal(ys.Size(), 1), ys)
			plan := func(d *device) backend.Activation {
				p, err := open(d)
				return must(d, p, err)
			}
			y, dx := activationPasses(d, plan(d), xs, ys, 0, x, dy, inPlace)
			wantY, wantDx := activationPasses(ref, plan(ref), xs, ys, 0, x, dy, inPlace)
			near(s.T, "y", y, wantY, exact)
			near(s.T, "dx", dx, wantDx, exact)
		})
	}
}

// shapeSweep returns shapes of activations, of images no smaller than least.
func shapeSweep(least int) []tensor.Shape {
	var shapes []tensor.Shape
	i := 0
	for _, c := range channelSweep {
		for range 3 {
			for imageSweep[i%len(imageSweep)][0] < least || imageSweep[i%len(imageSweep)][1] < least {
				i++
			}
			image := imageSweep[i%len(imageSweep)]
			shapes = append(shapes, tensor.Shape{batchSweep[i%len(batchSweep)], image[0], image[1], c})
			i++
		}
	}
	return append(shapes, tensor.Shape{2, 32, 32, 64}, tensor.Shape{128, 2, 2, 20})
}

func (s *suite) relu() {
	for _, shape := range append(shapeSweep(1), tensor.Shape{3, 11}, tensor.Shape{16, 100}, tensor.Shape{1, 1}) {
		x := s.normal(shape.Size(), 1)
		inf, minusZero := float32(math.Inf(1)), float32(math.Copysign(0, -1))
		copy(x, []float32{0, minusZero, 1e-30, -1e-30, 1e-45, -1e-45, inf, -inf})
		x[len(x)-1] = 0 // in what is left over by wide registers
		open := func(b backend.Backend) (backend.Activation, error) { return b.Function(shape, tensor.Rectifier()) }
		s.activationCase("relu", open, shape, shape, x)
	}
}

func (s *suite) maxPool() {
	for _, shape := range shapeSweep(2) {
		open := func(b backend.Backend) (backend.Activation, error) {
			return b.Pool(backend.PoolSpec{Shape: shape, Window: tensor.Square(2, 2)})
		}
		x := s.normal(shape.Size(), 1)
		s.activationCase("distinct", open, shape, pooled(shape), x)
		ties := make([]float32, len(x)) // −2 to 2, and 0 as after a ReLU
		for i, v := range x {
			ties[i] = float32(math.Round(float64(v)))
		}
		for i := range len(ties) / 2 {
			ties[i] = max(0, ties[i])
		}
		s.activationCase("ties", open, shape, pooled(shape), ties)
	}
}

func (s *suite) flatten() {
	for _, shape := range shapeSweep(1) {
		n, h, w, c := shape.NHWC()
		open := func(b backend.Backend) (backend.Activation, error) { return b.Flatten(shape) }
		s.activationCase("flatten", open, shape, tensor.Shape{n, h * w * c}, s.normal(shape.Size(), 1))
	}
}

// dropoutCase checks one layer against the reference, at several steps.
func (s *suite) dropoutCase(spec backend.DropoutSpec) {
	shape := spec.Shape
	s.run(fmt.Sprintf("rate_%g_%v_channels_%t", spec.Rate, shape, spec.Channels), func(s *suite) {
		d, ref := s.device(), s.reference()
		x, dy := rounded(d, s.normal(shape.Size(), 1), shape), rounded(d, s.normal(shape.Size(), 1), shape)
		passes := func(d *device, step uint64, inPlace bool) (y, dx []float32) {
			p, err := d.Dropout(spec)
			return activationPasses(d, must(d, p, err), shape, shape, step, x, dy, inPlace)
		}
		for _, step := range []uint64{0, 1, 1<<32 + 5} {
			y, dx := passes(d, step, step == 1)
			wantY, wantDx := passes(ref, step, step == 1)
			near(s.T, "y", y, wantY, func(i int) float64 { return s.Unit * math.Abs(float64(wantY[i])) })
			near(s.T, "dx", dx, wantDx, func(i int) float64 { return s.Unit * math.Abs(float64(wantDx[i])) })
		}
	})
}

func (s *suite) dropout() {
	// Equality with the reference: the same elements, scaled by the same factor.
	for i, rate := range []float32{0, 0.1, 0.25, 0.5, 0.9} {
		spec := backend.DropoutSpec{Rate: rate, Seed: 0x9876543210 * uint64(i+1), Layer: uint32(i) << 20}
		for _, spec.Shape = range []tensor.Shape{{1, 1}, {3, 5}, {7, 17}, {5, 66}, {16, 100}, {2, 4096}, {128, 512}} {
			s.dropoutCase(spec)
		}
		for j, shape := range shapeSweep(1) {
			if j%5 == i {
				spec.Shape = shape
				spec.Channels = false
				s.dropoutCase(spec)
				spec.Channels = true
				s.dropoutCase(spec)
			}
		}
		spec.Shape = tensor.Shape{64, 2, 3, 129} // a mask of channels that is more than a job
		s.dropoutCase(spec)
	}
	s.run("independent", func(s *suite) {
		const rate = 0.25
		d, shape := s.device(), tensor.Shape{64, 1024}
		ones := make([]float32, shape.Size())
		for i := range ones {
			ones[i] = 1
		}
		mask := func(layer uint32, step uint64) []float32 {
			p, err := d.Dropout(backend.DropoutSpec{Shape: shape, Rate: rate, Seed: 7, Layer: layer})
			y, dx := activationPasses(d, must(d, p, err), shape, shape, step, ones, ones, false)
			same(s.T, "mask of the backward pass", dx, y)
			return y
		}
		// A share of n elements has the deviation sqrt(p(1 − p)/n); 5 of them are allowed.
		share := func(what string, hits, n int, p float64) {
			s.Helper()
			if got := float64(hits) / float64(n); !(math.Abs(got-p) <= 5*math.Sqrt(p*(1-p)/float64(n))) {
				s.Errorf("%s: a share of %.4f, want about %.4f", what, got, p)
			}
		}
		both := func(a, b []float32) (hits int) {
			for i := range a {
				if a[i] == 0 && b[i] == 0 {
					hits++
				}
			}
			return hits
		}
		first := mask(0, 0)
		share("dropped", both(first, first), len(ones), rate)
		share("dropped in two steps", both(first, mask(0, 1)), len(ones), rate*rate)
		share("dropped in two layers", both(first, mask(1, 0)), len(ones), rate*rate)
		scale := rounded(d, []float32{philox.Scale(rate)}, tensor.Shape{1, 1})[0]
		for _, v := range first {
			if v != 0 && v != scale {
				s.Fatalf("a kept 1 became %g, want %g", v, scale)
			}
		}
	})
}

// nan checks that a NaN stays one in every plan and spoils nothing that does not
// depend on it.
func (s *suite) nan() {
	shape := tensor.Shape{3, 4, 5, 6}
	flat := tensor.Shape{3, 6}
	poison := func(shape tensor.Shape, at int) []float32 {
		x := s.normal(shape.Size(), 1)
		x[at] = float32(math.NaN())
		return x
	}
	// check compares which elements are NaN, and that there are some.
	check := func(name string, f func(d *device) []float32) {
		s.run(name, func(s *suite) {
			got, want := f(s.device()), f(s.reference())
			found := false
			for i := range want {
				g, w := got[i] != got[i], want[i] != want[i]
				if g != w {
					s.Fatalf("element %d is %g, want %g", i, got[i], want[i])
				}
				found = found || w
			}
			if !found {
				s.Error("the reference gives no NaN")
			}
		})
	}
	for _, at := range []int{0, 1, 6, 30, 31, 36} { // each position in a window, last columns of wide registers
		x := poison(shape, at)
		forward := func(ys tensor.Shape, open func(d *device) (backend.Activation, error)) func(d *device) []float32 {
			return func(d *device) []float32 {
				plan, err := open(d)
				p := must(d, plan, err)
				xt, y := d.activation(shape, x), d.empty(ys)
				d.step(backend.StepValues{}, func() { p.Forward(y, xt) })
				return d.read(y)
			}
		}
		for _, f := range functions {
			check(functionName(f), forward(shape, func(d *device) (backend.Activation, error) { return d.Function(shape, f) }))
		}
		check("softmax", forward(shape, func(d *device) (backend.Activation, error) { return d.Softmax(shape) }))
		check("maxpool", forward(pooled(shape), func(d *device) (backend.Activation, error) {
			return d.Pool(backend.PoolSpec{Shape: shape, Window: tensor.Square(2, 2)})
		}))
		for _, fused := range []bool{false, true} {
			spec := backend.BatchNormSpec{Shape: shape, Epsilon: 1e-3, Momentum: 0.9, Function: rectifier(fused), Pool: fused}
			ones, ys := []float32{1, 1, 1, 1, 1, 1}, shape
			if fused {
				ys = pooled(shape)
			}
			in := normData{x: x, gamma: ones, beta: ones, mean: ones, variance: ones, dy: s.normal(ys.Size(), 1)}
			passes := func(f func(normResults) []float32) func(d *device) []float32 {
				return func(d *device) []float32 {
					stored := in
					stored.x, stored.dy = rounded(d, in.x, shape), rounded(d, in.dy, ys)
					return f(normPasses(d, spec, stored, true))
				}
			}
			name := fmt.Sprintf("batchnorm_fused_%t_", fused)
			check(name+"infer", passes(func(r normResults) []float32 { return r.inferred }))
			check(name+"y", passes(func(r normResults) []float32 { return r.y }))
			check(name+"mean", passes(func(r normResults) []float32 { return r.mean }))
			check(name+"variance", passes(func(r normResults) []float32 { return r.variance }))
		}
		for _, relu := range []bool{false, true} {
			c := conv(3, 4, 5, 6, 7, 3)
			c.Inference, c.Function = true, rectifier(relu)
			_, _, ws := c.shapes()
			w, b := s.normal(ws.Size(), 1), s.normal(7, 1)
			check(fmt.Sprintf("conv_relu_%t", relu), func(d *device) []float32 {
				return c.passes(d, linearData{x: rounded(d, x, shape), w: w, b: b}).y
			})
		}
	}
	for at := range 6 {
		logits := poison(flat, 6+at)
		check("loss", func(d *device) []float32 {
			m, dlogits := lossPasses(d, backend.LossSpec{N: 3, Classes: 6}, lossData{logits: rounded(d, logits, flat), labels: []float32{0, 1, 2}}, false)
			return append(dlogits, float32(m.Loss))
		})
	}
	w, v, g := s.normal(18, 1), s.normal(18, 1), poison(flat, 17)
	check("sgd", func(d *device) []float32 {
		w, v, _ := sgdStep(d, backend.SGDSpec{Size: 18, Momentum: 0.9, Nesterov: true}, 0.1, w, v, g)
		return append(w, v...)
	})
}
