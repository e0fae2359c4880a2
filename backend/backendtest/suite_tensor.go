package backendtest

import (
	"fmt"
	"math"
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// tensors checks that what is written is read again.
func (s *suite) tensors() {
	d := s.device()
	if d.Name() == "" {
		s.Error("no name")
	}
	inf := float32(math.Inf(1))
	special := []float32{0, float32(math.Copysign(0, -1)), 1, -1, inf, -inf, 0x1p-126, -0x1p-149, math.MaxFloat32, float32(math.NaN())}
	shapes := append(shapeSweep(1), tensor.Shape{3, 7}, tensor.Shape{1, 1}, tensor.Shape{128, 40})
	for _, shape := range shapes {
		x := s.normal(shape.Size(), 1)
		near(s.T, fmt.Sprintf("activations %v", shape), rounded(d, x, shape), x, func(i int) float64 {
			return s.Unit * math.Abs(float64(x[i]))
		})
		t := d.activation(shape, x)
		if !t.Shape().Equal(shape) {
			s.Errorf("activations of shape %v have %v", shape, t.Shape())
		}
	}
	for _, shape := range append(shapes, tensor.Shape{}, tensor.Shape{1001}, tensor.Shape{3, 3, 5, 7}) {
		t, err := d.Parameters(shape)
		must(d, t, err)
		same(s.T, fmt.Sprintf("new parameters %v", shape), d.read(t), make([]float32, shape.Size()))
		x := s.normal(shape.Size(), 1)
		copy(x, special)
		near(s.T, fmt.Sprintf("parameters %v", shape), d.read(d.write(t, x)), x, exact)
		if !t.Shape().Equal(shape) {
			s.Errorf("parameters of shape %v have %v", shape, t.Shape())
		}
	}
}

// views checks ranges of parameters, and smaller batches in the memory of larger ones.
func (s *suite) views() {
	s.run("parameters", func(s *suite) {
		d := s.device()
		x := s.normal(100, 1)
		all := d.parameter(tensor.Shape{100}, x)
		view := d.View(all, 17, tensor.Shape{2, 3, 5})
		if !view.Shape().Equal(tensor.Shape{2, 3, 5}) {
			s.Errorf("a view of shape (2, 3, 5) has %v", view.Shape())
		}
		same(s.T, "view", d.read(view), x[17:47])
		same(s.T, "view of a view", d.read(d.View(view, 6, tensor.Shape{4})), x[23:27])
		copy(x[17:], d.read(d.write(view, s.normal(30, 1))))
		same(s.T, "whole after a write to the view", d.read(all), x)
		same(s.T, "empty view at the end", d.read(d.View(all, 100, tensor.Shape{0})), nil)
	})
	s.run("gradients", func(s *suite) {
		// A layer's gradients go to their ranges of one tensor, and nowhere else.
		d := s.device()
		c := conv(2, 3, 3, 5, 7, 3)
		xs, ys, ws := c.shapes()
		size := ws.Size()
		x, dy := rounded(d, s.normal(xs.Size(), 1), xs), rounded(d, s.normal(ys.Size(), 1), ys)
		w, b := s.normal(size, 1), s.normal(7, 1)
		want := c.passes(d, linearData{x, w, b, dy})

		const guard = 9
		flat := make([]float32, size+7+3*guard)
		for i := range flat {
			flat[i] = -77
		}
		weights := slices.Clone(flat)
		copy(weights[guard:], w)
		copy(weights[guard+size+guard:], b)
		views := func(t tensor.Tensor) (w, b tensor.Tensor) {
			return d.kernelOf(t, guard, ws), d.View(t, guard+size+guard, tensor.Shape{7})
		}
		all, gradients := tensor.Shape{len(flat)}, d.parameter(tensor.Shape{len(flat)}, flat)
		wt, bt := views(d.parameter(all, weights))
		dwt, dbt := views(gradients)
		xt, yt, p := d.activation(xs, x), d.empty(ys), c.plan(d)
		d.step(backend.StepValues{}, func() { p.Forward(yt, xt, wt, bt) })
		same(s.T, "y", d.read(yt), want.y)
		d.write(yt, dy)
		d.step(backend.StepValues{}, func() { p.BackwardFilter(dwt, dbt, yt, xt) })
		copy(flat[guard:], want.dw)
		copy(flat[guard+size+guard:], want.db)
		same(s.T, "all gradients", d.read(gradients), flat)
	})
	s.run("batches", func(s *suite) {
		// Plans for 7, 3 and again 7 images on views of the same memory give what they
		// give on tensors of their own.
		d := s.device()
		large := conv(7, 4, 5, 6, 10, 3)
		lxs, lys, ws := large.shapes()
		xMemory, yMemory := d.empty(lxs), d.empty(lys)
		w, b := s.normal(ws.Size(), 1), s.normal(10, 1)
		wt, bt := d.kernel(ws, w), d.parameter(tensor.Shape{10}, b)
		dwt, dbt := d.parameter(ws, w), d.parameter(tensor.Shape{10}, b)
		plans := map[int]backend.Dense{}
		for _, n := range []int{7, 3} {
			c := large
			c.N = n
			plans[n] = c.plan(d)
		}
		for _, n := range []int{7, 3, 7, 1, 3} {
			c := large
			c.N = n
			if plans[n] == nil {
				plans[n] = c.plan(d)
			}
			xs, ys, _ := c.shapes()
			in := linearData{s.normal(xs.Size(), 1), w, b, s.normal(ys.Size(), 1)}
			in.x, in.dy = rounded(d, in.x, xs), rounded(d, in.dy, ys)
			want := c.passes(d, in)

			p, x, y := plans[n], d.View(xMemory, 0, xs), d.View(yMemory, 0, ys)
			d.write(x, in.x)
			d.step(backend.StepValues{}, func() { p.Forward(y, x, wt, bt) })
			same(s.T, fmt.Sprintf("y of %d images", n), d.read(y), want.y)
			d.write(y, in.dy)
			d.step(backend.StepValues{}, func() {
				p.BackwardFilter(dwt, dbt, y, x)
				p.BackwardData(x, y, wt)
			})
			same(s.T, fmt.Sprintf("dw of %d images", n), d.read(dwt), want.dw)
			same(s.T, fmt.Sprintf("db of %d images", n), d.read(dbt), want.db)
			same(s.T, fmt.Sprintf("dx of %d images", n), d.read(x), want.dx)
		}
		// Another shape in the same memory: what it held has no meaning, what is written has.
		matrix := tensor.Shape{5, 100}
		v := rounded(d, s.normal(500, 1), matrix)
		same(s.T, "matrix in the memory of images", d.read(d.write(d.View(xMemory, 0, matrix), v)), v)
	})
}

// panics checks that wrong shapes and views are found.
func (s *suite) panics() {
	expect := func(name string, f func(d *device)) {
		s.run(name, func(s *suite) {
			d := s.device()
			defer func() {
				if recover() == nil {
					s.Error("no panic")
				}
			}()
			f(d)
		})
	}
	parameters := func(d *device, shape ...int) tensor.Tensor {
		return d.parameter(shape, make([]float32, tensor.Shape(shape).Size()))
	}
	expect("view too long", func(d *device) { d.View(parameters(d, 10), 5, tensor.Shape{6}) })
	expect("view at a negative offset", func(d *device) { d.View(parameters(d, 10), -1, tensor.Shape{2}) })
	expect("view beyond the end", func(d *device) { d.View(parameters(d, 10), 11, tensor.Shape{0}) })
	expect("view of activations too large", func(d *device) { d.View(d.empty(tensor.Shape{2, 3}), 0, tensor.Shape{3, 3}) })
	expect("view of activations at an offset", func(d *device) { d.View(d.empty(tensor.Shape{2, 3}), 3, tensor.Shape{1, 3}) })
	expect("activations of rank 3", func(d *device) { d.Activations(tensor.Shape{2, 3, 4}) })
	expect("window larger than the image", func(d *device) {
		d.Conv2D(backend.Conv2DSpec{N: 1, H: 2, W: 2, In: 3, Out: 4, Window: tensor.Square(3, 1)})
	})

	c := conv(2, 4, 4, 3, 5, 3)
	xs, ys, ws := c.shapes()
	for _, wrong := range []string{"y", "x", "w", "b"} {
		expect("convolution with another "+wrong, func(d *device) {
			p := c.plan(d)
			t := map[string]tensor.Tensor{"y": d.empty(ys), "x": d.empty(xs), "w": parameters(d, ws...), "b": parameters(d, 5)}
			switch wrong {
			case "y", "x":
				t[wrong] = d.empty(tensor.Shape{2, 4, 3, 3})
			default:
				t[wrong] = parameters(d, 3)
			}
			d.step(backend.StepValues{}, func() { p.Forward(t["y"], t["x"], t["w"], t["b"]) })
		})
	}
	expect("batchnorm with another gamma", func(d *device) {
		shape := tensor.Shape{2, 3}
		plan, err := d.BatchNorm(backend.BatchNormSpec{Shape: shape, Epsilon: 1e-3, Momentum: 0.9})
		p, three := must(d, plan, err), parameters(d, 3)
		d.step(backend.StepValues{}, func() { p.Forward(d.empty(shape), d.empty(shape), parameters(d, 4), three, three, three) })
	})
	expect("max pool into an image of the wrong size", func(d *device) {
		plan, err := d.Pool(backend.PoolSpec{Shape: tensor.Shape{1, 5, 5, 3}, Window: tensor.Square(2, 2)})
		p := must(d, plan, err)
		y, x := d.empty(tensor.Shape{1, 3, 3, 3}), d.empty(tensor.Shape{1, 5, 5, 3})
		d.step(backend.StepValues{}, func() { p.Forward(y, x) })
	})
	expect("labels for another batch", func(d *device) {
		plan, err := d.Loss(backend.LossSpec{N: 2, Classes: 3})
		p := must(d, plan, err)
		z, l := d.activation(tensor.Shape{2, 3}, make([]float32, 6)), parameters(d, 3)
		d.step(backend.StepValues{}, func() { p.Forward(z, l) })
	})
	expect("weights of another size", func(d *device) {
		plan, err := d.SGD(backend.SGDSpec{Size: 3})
		p := must(d, plan, err)
		t := parameters(d, 4)
		d.step(backend.StepValues{}, func() { p.Step(t, []tensor.Tensor{t}, t) })
	})
}
