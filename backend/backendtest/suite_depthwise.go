package backendtest

import (
	"fmt"
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// depthwiseCase is a depthwise convolution, with or without a bias.
type depthwiseCase struct {
	backend.DepthwiseSpec
	noBias, inPlace bool
}

func (c depthwiseCase) shapes() (x, y, w, b tensor.Shape) {
	h, width := c.Window.Output(c.H, c.W)
	return tensor.Shape{c.N, c.H, c.W, c.C}, tensor.Shape{c.N, h, width, c.C * c.Multiplier},
		tensor.Shape{c.Window.Height, c.Window.Width, c.C, c.Multiplier}, tensor.Shape{c.C * c.Multiplier}
}

// passes runs the passes of the case on a backend.
func (c depthwiseCase) passes(d *device, in linearData) (out linearResults) {
	xs, ys, ws, bs := c.shapes()
	plan, err := d.DepthwiseConv2D(c.DepthwiseSpec)
	p := must(d, plan, err)
	// w is a view within the parameters, as a network's is.
	parameters := d.parameter(tensor.Shape{3 + ws.Size()}, append([]float32{1, 2, 3}, in.w...))
	x, w, y := d.activation(xs, in.x), d.View(parameters, 3, ws), d.empty(ys)
	var b, db tensor.Tensor
	if !c.noBias {
		b, db = d.parameter(bs, in.b), d.parameter(bs, in.b) // which must be forgotten
	}
	d.step(backend.StepValues{}, func() { p.Forward(y, x, w, b) })
	out.y = d.read(y)
	d.unchanged("x", x, in.x)
	if c.Inference {
		return out
	}
	dw, dy, dx := d.parameter(ws, in.w), d.write(y, in.dy), x
	if !c.inPlace {
		dx = d.empty(xs)
	}
	d.step(backend.StepValues{}, func() {
		p.BackwardFilter(dw, db, dy, x)
		if !c.NoInputGrad {
			p.BackwardData(dx, dy, w)
		}
	})
	out.dw = d.read(dw)
	if db != nil {
		out.db = d.read(db)
	}
	if !c.NoInputGrad {
		out.dx = d.read(dx)
	}
	if !c.inPlace || c.NoInputGrad {
		d.unchanged("x", x, in.x)
	}
	d.unchanged("dy", dy, in.dy)
	d.unchanged("w", w, in.w)
	return out
}

// depthwiseCase checks a depthwise convolution against the reference.
func (s *suite) depthwiseCase(c depthwiseCase) {
	d, ref := s.device(), s.reference()
	xs, ys, ws, bs := c.shapes()
	taps := c.Window.Taps()
	in := linearData{
		x:  rounded(d, s.normal(xs.Size(), 1), xs),
		w:  s.normal(ws.Size(), math.Sqrt(2/float64(taps))),
		b:  s.normal(bs.Size(), 0.1),
		dy: rounded(d, s.normal(ys.Size(), 1), ys),
	}
	got, want := c.passes(d, in), c.passes(ref, in)
	plain := c
	plain.Function = tensor.Function{}
	sums := plain.passes(ref, linearData{absolute(in.x), absolute(in.w), absolute(in.b), absolute(in.dy)})
	compare := func(what string, got, want, sums []float32, products int, stored float64) {
		s.Helper()
		near(s.T, what, got, want, func(i int) float64 {
			return (sumError(products)+2*s.Unit)*float64(sums[i]) + stored*math.Abs(float64(want[i]))
		})
	}
	if c.Function != (tensor.Function{}) && !c.Function.IsRectifier() {
		s.functionOf(c.Function, got.y, want.y, plain.passes(ref, in).y, func(i int) float64 {
			return (sumError(taps+1) + 2*s.Unit) * float64(sums.y[i])
		})
		return
	}
	compare("y", got.y, want.y, sums.y, taps+1, s.Unit)
	pixels := ys.Size() / bs.Size()
	compare("dw", got.dw, want.dw, sums.dw, pixels, 0)
	compare("db", got.db, want.db, sums.db, pixels, 0)
	compare("dx", got.dx, want.dx, sums.dx, taps*c.Multiplier, s.Unit)
}

func (s *suite) depthwise() {
	var cases []depthwiseCase
	add := func(c windowCase, n, channels, multiplier int) {
		i := len(cases)
		cases = append(cases, depthwiseCase{DepthwiseSpec: backend.DepthwiseSpec{N: n, H: c.h, W: c.w, C: channels,
			Multiplier: multiplier, Window: c.win, BatchNorm: i%3 == 0, NoInputGrad: i%7 == 6}, noBias: i%4 == 1, inPlace: i%2 == 0})
	}
	for i, c := range windowSweep() {
		shape := c.shape(i)
		add(c, shape[0], shape[3], 1+i%5/4)
	}
	three := windowCase{5, 6, tensor.Centered(3)}
	for i, channels := range []int{1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 48, 64, 100} {
		add(three, 1+i%3*7, channels, 1)
		add(windowCase{5, 6, tensor.Square(3, 2).Same(5, 6)}, 1+i%4*5, channels, 1+i%3)
	}
	add(windowCase{4, 4, tensor.Centered(3)}, 128, 256, 1) // pixels of several jobs
	add(windowCase{40, 9, tensor.Centered(3)}, 33, 24, 1)
	for i, c := range cases {
		s.run(c.String(), func(s *suite) { s.depthwiseCase(c) })
		if c.C%2 == 1 {
			c.Function = tensor.Rectifier()
			s.run(c.String()+"_ReLU", func(s *suite) { s.depthwiseCase(c) })
			continue
		}
		c.Inference, c.BatchNorm, c.NoInputGrad = true, false, false
		for _, c.Function = range []tensor.Function{{}, tensor.Rectifier(), functions[i%len(functions)]} {
			c.Constant = !c.Constant
			s.run(fmt.Sprintf("%v_%s", c, functionName(c.Function)), func(s *suite) { s.depthwiseCase(c) })
		}
	}
}

func (c depthwiseCase) String() string {
	return fmt.Sprintf("n%d_c%d_m%d_%v", c.N, c.C, c.Multiplier, windowCase{c.H, c.W, c.Window})
}
