package backendtest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// linearData are the inputs of the three passes of a convolution or dense layer; b is nil without a
// bias.
type linearData struct{ x, w, b, dy []float32 }

// linearResults are their results; dx is nil where it is not wanted.
type linearResults struct{ y, dw, db, dx []float32 }

// linearCase is a convolution, or a dense layer as one of images of one pixel.
type linearCase struct {
	backend.Conv2DSpec
	dense   bool
	slices  []backend.Rows // for the backward passes of a dense layer, a plan each, if not nil
	inPlace bool           // dx is x
	noBias  bool
}

func (c linearCase) String() string {
	if c.dense {
		name := fmt.Sprintf("n%d_in%d_out%d", c.N, c.In, c.Out)
		for _, p := range c.slices {
			name += fmt.Sprintf("_%d-%d", p.From, p.To)
		}
		return name + c.biasName()
	}
	v := c.Window
	name := fmt.Sprintf("n%d_h%d_w%d_in%d_out%d_k%d", c.N, c.H, c.W, c.In, c.Out, v.Height)
	if v != tensor.Centered(v.Height) {
		name += fmt.Sprintf("x%d_stride%dx%d_pad%d,%d,%d,%d", v.Width, v.StrideH, v.StrideW, v.Top, v.Bottom, v.Left, v.Right)
	}
	return name + c.biasName()
}

func (c linearCase) biasName() string {
	if c.noBias {
		return "_nobias"
	}
	return ""
}

func (c linearCase) shapes() (x, y, w tensor.Shape) {
	if c.dense {
		return tensor.Shape{c.N, c.In}, tensor.Shape{c.N, c.Out}, tensor.Shape{c.In, c.Out}
	}
	height, width := c.Window.Output(c.H, c.W)
	return tensor.Shape{c.N, c.H, c.W, c.In}, tensor.Shape{c.N, height, width, c.Out},
		tensor.Shape{c.Window.Height, c.Window.Width, c.In, c.Out}
}

// plan makes the plan on a backend. Conv2D and Dense have the same methods.
func (c linearCase) plan(d *device) backend.Dense { return c.planOf(d, backend.Rows{}) }

// planOf makes the plan of a slice of a dense layer, or of all if the slice is zero.
func (c linearCase) planOf(d *device, slice backend.Rows) backend.Dense {
	if c.dense {
		p, err := d.Dense(backend.DenseSpec{N: c.N, In: c.In, Out: c.Out, BatchNorm: c.BatchNorm,
			Function: c.Function, Inference: c.Inference, Constant: c.Constant, NoInputGrad: c.NoInputGrad, Slice: slice})
		return must(d, p, err)
	}
	p, err := d.Conv2D(c.Conv2DSpec)
	return must(d, p, err)
}

// passes runs the passes of the case on a backend.
func (c linearCase) passes(d *device, in linearData) linearResults {
	xs, ys, ws := c.shapes()
	p := c.plan(d)
	x, w, b := d.activation(xs, in.x), d.kernel(ws, in.w), c.bias(d, in.b)
	y := d.empty(ys)
	d.step(backend.StepValues{}, func() { p.Forward(y, x, w, b) })
	out := linearResults{y: d.read(y)}
	d.unchanged("x", x, in.x)
	if c.Constant {
		c.again(d, p, y, x, w, b, out.y)
	}
	if c.Inference {
		return out
	}

	// dy overwrites y, and dx overwrites x if the case says so.
	dy, dx := d.write(y, in.dy), x
	if !c.inPlace && !c.NoInputGrad {
		dx = d.empty(xs)
	}
	dw, db := d.parameter(ws, in.w), c.bias(d, in.b) // which must be forgotten
	c.backward(d, p, dx, dw, db, dy, x, w)
	out.dw = d.read(dw)
	if db != nil {
		out.db = d.read(db)
	}
	if !c.NoInputGrad {
		out.dx = d.read(dx)
	}
	if dx != x || c.NoInputGrad {
		d.unchanged("x", x, in.x)
	}
	d.unchanged("dy", dy, in.dy)
	d.unchanged("w", w, in.w)
	if b != nil {
		d.unchanged("b", b, in.b)
	}
	return out
}

// bias makes a tensor of the size of the bias, nil without one.
func (c linearCase) bias(d *device, b []float32) tensor.Tensor {
	if c.noBias {
		return nil
	}
	return d.parameter(tensor.Shape{c.Out}, b)
}

// backward runs the backward passes of the plan, or of those of slices, one slice after the other.
// The last computes db.
func (c linearCase) backward(d *device, p backend.Dense, dx, dw, db, dy, x, w tensor.Tensor) {
	passes := func(p backend.Dense, dw, db, w tensor.Tensor) {
		p.BackwardFilter(dw, db, dy, x)
		if !c.NoInputGrad {
			p.BackwardData(dx, dy, w)
		}
	}
	if c.slices == nil {
		d.step(backend.StepValues{}, func() { passes(p, dw, db, w) })
		return
	}
	plans := make([]backend.Dense, len(c.slices))
	for i, rows := range c.slices {
		plans[i] = c.planOf(d, rows)
	}
	d.step(backend.StepValues{}, func() {
		for i, rows := range c.slices {
			of := func(w tensor.Tensor) tensor.Tensor {
				return d.View(w, rows.From*c.Out, tensor.Shape{rows.Len(), c.Out})
			}
			if i == len(c.slices)-1 {
				passes(plans[i], of(dw), db, of(w))
			} else {
				passes(plans[i], of(dw), nil, of(w))
			}
		}
	})
}

// again runs a plan of constant weights on other inputs, and then on those that gave want, with
// another plan of the same shape in between: what the plan made of its weights must last.
func (c linearCase) again(d *device, p backend.Dense, y, x, w, b tensor.Tensor, want []float32) {
	xs, _, ws := c.shapes()
	other := c.plan(d)
	zero, ones := d.activation(xs, make([]float32, xs.Size())), d.kernel(ws, slices.Repeat([]float32{1}, ws.Size()))
	d.step(backend.StepValues{}, func() {
		p.Forward(y, zero, w, b)
		other.Forward(y, x, ones, b)
		p.Forward(y, x, w, b)
	})
	d.unchanged("y of a second pass", y, want)
}

// linear checks one case against the reference, and its passes against each other.
func (s *suite) linear(c linearCase) {
	d, ref := s.device(), s.reference()
	xs, ys, ws := c.shapes()
	fan := float64(c.Window.Taps() * c.In)
	in := linearData{
		x:  rounded(d, s.normal(xs.Size(), 1), xs),
		w:  s.normal(ws.Size(), math.Sqrt(2/fan)),
		b:  s.normal(c.Out, 0.1),
		dy: rounded(d, s.normal(ys.Size(), 1), ys),
	}
	if c.noBias {
		clear(in.b)
	}
	got, want := c.passes(d, in), c.passes(ref, in)
	// Σ|a||b| for each sum of products a·b is what the same passes make of the
	// absolute values.
	plain := c
	plain.Function = tensor.Function{}
	sums := plain.passes(ref, linearData{absolute(in.x), absolute(in.w), absolute(in.b), absolute(in.dy)})

	relative := func(products int) float64 { return s.Products * (sumError(products) + 2*s.Unit) }
	compare := func(what string, got, want, sums []float32, products int, stored, winograd float64) {
		s.Helper()
		var least float64
		if s.Mixed {
			least = rootMeanSquare(sums)
		}
		near(s.T, what, got, want, func(i int) float64 {
			if winograd > 0 {
				return winograd
			}
			return relative(products)*max(float64(sums[i]), least) + stored*math.Abs(float64(want[i]))
		})
	}
	pixels, taps := ys.Size()/c.Out, c.Window.Taps()
	w := s.winograd(c)
	var errorY, errorW, errorX float64
	if w != nil {
		errorY, errorW, errorX = w.tolerances(c, in)
	}
	if c.Function != (tensor.Function{}) && !c.Function.IsRectifier() {
		s.functionOf(c.Function, got.y, want.y, plain.passes(ref, in).y, func(i int) float64 {
			if w != nil {
				return errorY
			}
			return relative(taps*c.In+1) * float64(sums.y[i])
		})
		return
	}
	compare("y", got.y, want.y, sums.y, taps*c.In+1, s.Unit, errorY)
	if c.Inference {
		return
	}
	compare("dw", got.dw, want.dw, sums.dw, pixels, 0, errorW)
	compare("db", got.db, want.db, sums.db, pixels, 0, 0) // with BatchNorm all are 0, so the tolerance too
	if c.NoInputGrad {
		return
	}
	compare("dx", got.dx, want.dx, sums.dx, taps*c.Out, s.Unit, errorX)
	if c.Function != (tensor.Function{}) {
		return
	}

	// The three passes are one trilinear form: ⟨y − b, dy⟩ = ⟨x, dx⟩ = ⟨w, dw⟩.
	var form, formX, formW, scale float64
	for i, dy := range in.dy {
		b := in.b[i%c.Out]
		form += (float64(got.y[i]) - float64(b)) * float64(dy)
		scale += float64(sums.y[i]) * math.Abs(float64(dy))
	}
	for i, x := range in.x {
		formX += float64(x) * float64(got.dx[i])
	}
	for i, k := range in.w {
		formW += float64(k) * float64(got.dw[i])
	}
	tolerance := func(products int) float64 {
		return (relative(taps*c.In+1) + relative(products) + 2*s.Unit) * scale
	}
	toleranceX, toleranceW := tolerance(taps*c.Out), tolerance(pixels)
	if w != nil {
		toleranceX = errorY*sumOf(absolute(in.dy)) + errorX*sumOf(absolute(in.x))
		toleranceW = errorY*sumOf(absolute(in.dy)) + errorW*sumOf(absolute(in.w))
	}
	if d := math.Abs(form - formX); !(d <= toleranceX) {
		s.Errorf("<conv(x), dy> = %g but <x, dx> = %g: tolerance %.3g", form, formX, toleranceX)
	}
	if d := math.Abs(form - formW); !(d <= toleranceW) {
		s.Errorf("<conv(x), dy> = %g but <w, dw> = %g: tolerance %.3g", form, formW, toleranceW)
	}
}

// functionOf compares y = f(z), where z has an error of its own. It may be stored before f is
// applied.
func (s *suite) functionOf(f tensor.Function, got, want, z []float32, errorZ func(i int) float64) {
	s.Helper()
	near(s.T, "y", got, want, func(i int) float64 {
		z := float64(z[i])
		e, _ := functionErrors(f, z, errorZ(i)+(unit+s.Unit)*math.Abs(z))
		return e + s.Unit*math.Abs(float64(want[i]))
	})
}

// winograd returns the algorithm of minimal filtering that the backend computes a case by, nil if
// none.
func (s *suite) winograd(c linearCase) *Winograd {
	if c.dense || s.Winograd == nil {
		return nil
	}
	return s.Winograd(c.Conv2DSpec)
}

// conv is a case of a convolution.
func conv(n, h, w, in, out, kernel int) linearCase {
	return linearCase{Conv2DSpec: backend.Conv2DSpec{N: n, H: h, W: w, In: in, Out: out, Window: tensor.Centered(kernel)}}
}

// denseCase is a case of a dense layer, whose backward passes are of the slices that end with these
// rows, if any.
func denseCase(n, in, out int, ends ...int) linearCase {
	c := conv(n, 1, 1, in, out, 1)
	c.dense = true
	from := 0
	for _, to := range ends {
		c.slices = append(c.slices, backend.Rows{From: from, To: to})
		from = to
	}
	return c
}

// facts gives case number i its turn of the facts that a plan may use.
func (c linearCase) facts(i int) linearCase {
	c.inPlace = i%2 == 0
	c.BatchNorm = i%3 == 0
	c.NoInputGrad = i%7 == 6
	return c
}

func (s *suite) linears(cases []linearCase) {
	for i, c := range cases {
		c = c.facts(i)
		s.run(c.String(), func(s *suite) { s.linear(c) })
	}
}

func (s *suite) conv2D() {
	var cases []linearCase
	for _, kernel := range []int{1, 3} {
		for _, in := range channelSweep {
			for _, out := range channelSweep {
				i := len(cases)
				n, image := batchSweep[i%len(batchSweep)], imageSweep[i%len(imageSweep)]
				cases = append(cases, conv(n, image[0], image[1], in, out, kernel))
			}
		}
	}
	// The batches of training, and the last of an epoch.
	cases = append(cases, conv(128, 4, 4, 16, 16, 3), conv(129, 2, 2, 33, 17, 3), conv(80, 3, 3, 24, 40, 3))
	cases = append(cases, vggConvolutions()...)
	s.linears(slices.Concat(cases, windowCases()))
}

// convOf is a case of a convolution with another window.
func convOf(n, h, w, in, out int, v tensor.Window) linearCase {
	c := conv(n, h, w, in, out, 1)
	c.Window = v
	return c
}

// windowCases returns convolutions of every size, stride and padding: those of other networks, and
// windows at the edges of what there can be.
func windowCases() []linearCase {
	var cases []linearCase
	images := [...][2]int{{7, 7}, {8, 8}, {9, 8}, {7, 12}, {15, 7}}
	channels := [...][2]int{{3, 16}, {1, 5}, {16, 32}, {33, 7}, {64, 65}, {17, 1}, {32, 64}}
	batches := [...]int{1, 2, 5, 33, 3, 40}
	for _, kernel := range []int{1, 2, 3, 5, 7} {
		for stride := 1; stride <= 3; stride++ {
			for _, same := range []bool{false, true} {
				i := len(cases)
				size, c := images[i%len(images)], channels[i%len(channels)]
				v := tensor.Square(kernel, stride)
				if same {
					v = v.Same(size[0], size[1])
				}
				cases = append(cases, convOf(batches[i%len(batches)], size[0], size[1], c[0], c[1], v))
			}
		}
	}
	pad := func(v tensor.Window, top, bottom, left, right int) tensor.Window {
		v.Top, v.Bottom, v.Left, v.Right = top, bottom, left, right
		return v
	}
	rectangle := func(height, width, down, right int) tensor.Window {
		return tensor.Window{Height: height, Width: width, StrideH: down, StrideW: right}
	}
	cases = append(cases,
		convOf(2, 5, 9, 8, 17, rectangle(1, 3, 1, 1).Same(5, 9)),
		convOf(3, 9, 5, 17, 8, rectangle(3, 1, 2, 1)),
		convOf(1, 6, 7, 5, 33, rectangle(3, 2, 1, 3).Same(6, 7)),
		convOf(4, 7, 10, 64, 16, rectangle(2, 5, 3, 2).Same(7, 10)),
		convOf(3, 14, 14, 16, 20, pad(tensor.Square(3, 2), 1, 1, 1, 1)),  // PyTorch's padding of a ResNet
		convOf(2, 20, 20, 3, 64, pad(tensor.Square(7, 2), 3, 3, 3, 3)),   // and of its first layer
		convOf(1, 20, 22, 3, 64, pad(tensor.Square(7, 2), 3, 3, 3, 3)),   //
		convOf(2, 5, 5, 16, 32, pad(tensor.Square(3, 1), 2, 2, 2, 2)),    // padding as large as can be
		convOf(3, 4, 6, 7, 9, pad(tensor.Square(3, 1), 0, 2, 1, 0)),      //
		convOf(2, 3, 3, 16, 16, tensor.Square(3, 1)),                     // one pixel is left
		convOf(5, 1, 1, 8, 8, pad(tensor.Square(5, 2), 2, 2, 2, 2)),      // one pixel is all
		convOf(1, 13, 13, 64, 64, tensor.Square(3, 1)),                   // Winograd's without padding
		convOf(8, 10, 9, 64, 64, tensor.Square(3, 1)),                    //
		convOf(2, 14, 14, 128, 70, pad(tensor.Square(3, 2), 1, 1, 1, 1)), //
		convOf(3, 4, 4, 256, 512, tensor.Square(1, 2)),                   // a ResNet's shortcut
		convOf(3, 9, 8, 16, 32, pad(tensor.Square(3, 1), 0, -1, 1, -2)),  // the last pixels cut off
		convOf(9, 13, 13, 64, 64, pad(tensor.Square(3, 1), 1, -1, 0, 0)), //
		convOf(2, 9, 7, 5, 9, pad(tensor.Square(3, 2), 1, -3, 1, -1)),    //
		convOf(3, 6, 5, 20, 40, pad(tensor.Square(1, 1), 0, -1, 0, -4)),  //
		convOf(130, 3, 3, 33, 20, tensor.Square(3, 2).Same(3, 3)),        // a batch of training
		convOf(300, 2, 3, 3, 8, tensor.Square(2, 1)))                     // more images than a block has rows
	for i := range cases {
		cases[i].noBias = i%2 == 1
	}
	return cases
}

// vggConvolutions returns every shape of convolution in the five VGG networks, with
// -short only the fast ones.
func vggConvolutions() []linearCase {
	cases := []linearCase{
		conv(3, 2, 2, 512, 512, 1),
		conv(3, 2, 2, 512, 512, 3),
		conv(3, 4, 4, 512, 512, 1),
		conv(2, 8, 8, 256, 256, 1),
		conv(2, 32, 32, 3, 64, 3),
	}
	if testing.Short() {
		return cases
	}
	return append(cases,
		conv(2, 4, 4, 256, 512, 3),
		conv(2, 4, 4, 512, 512, 3),
		conv(2, 8, 8, 128, 256, 3),
		conv(2, 8, 8, 256, 256, 3),
		conv(2, 16, 16, 64, 128, 3),
		conv(2, 16, 16, 128, 128, 3),
		conv(2, 32, 32, 64, 64, 3))
}

func (s *suite) dense() {
	var cases []linearCase
	for _, in := range channelSweep {
		for _, out := range channelSweep {
			cases = append(cases, denseCase(batchSweep[len(cases)%len(batchSweep)], in, out))
		}
	}
	cases = append(cases, denseCase(128, 40, 24), denseCase(80, 512, 10), denseCase(2, 4096, 10), denseCase(3, 512, 4096),
		denseCase(5, 40, 24, 40), denseCase(33, 200, 130, 64, 128, 200), denseCase(128, 300, 70, 128, 300), denseCase(1, 77, 1, 64, 77),
		denseCase(4, 129, 512, 64, 128, 129), denseCase(2, 192, 1030, 64, 192))
	if !testing.Short() {
		cases = append(cases, denseCase(2, 4096, 4096))
	}
	for i := range cases {
		cases[i].noBias = i%5 == 1
	}
	s.linears(cases)
}

// inference checks plans that need not remember anything and may fuse the ReLU.
func (s *suite) inference() {
	for _, c := range []linearCase{
		conv(1, 5, 7, 3, 8, 3), conv(3, 4, 4, 17, 33, 3), conv(16, 2, 2, 64, 65, 1), conv(1, 8, 8, 64, 64, 3),
		conv(1, 2, 2, 160, 130, 3), conv(40, 4, 4, 64, 64, 3), conv(33, 2, 2, 64, 80, 3),
		denseCase(1, 65, 17), denseCase(5, 64, 100), denseCase(1, 1100, 1100),
	} {
		c.Inference = true
		for _, relu := range []bool{false, true} {
			c.Function, c.BatchNorm = rectifier(relu), !relu // a fact that is of no use here
			for _, c.Constant = range []bool{false, true} {
				s.run(fmt.Sprintf("%v_relu_%t_constant_%t", c, relu, c.Constant), func(s *suite) { s.linear(c) })
			}
		}
	}
}

// fusedFunctions checks the ReLU of plans that train, and every function that a plan of inference may
// fuse.
func (s *suite) fusedFunctions() {
	for _, c := range []linearCase{conv(3, 5, 7, 17, 33, 3), conv(40, 4, 4, 64, 64, 3), conv(33, 2, 2, 64, 80, 3),
		conv(2, 7, 7, 32, 130, 1), denseCase(5, 64, 100), denseCase(33, 200, 130, 64, 128, 200)} {
		c.Function = tensor.Rectifier()
		s.run(fmt.Sprintf("training_%v", c), func(s *suite) { s.linear(c) })
	}
	cases := []linearCase{
		conv(3, 5, 7, 17, 33, 3), denseCase(5, 64, 100), conv(9, 6, 6, 64, 64, 3), conv(2, 7, 7, 32, 130, 1), denseCase(1, 40, 70),
		convOf(2, 9, 8, 16, 64, tensor.Square(3, 2)), conv(1, 4, 4, 130, 20, 3), denseCase(130, 600, 10), conv(1, 2, 2, 64, 64, 3),
		convOf(1, 20, 20, 3, 64, tensor.Square(7, 2)),
	}
	for i, f := range functions {
		for j := range 2 {
			c := cases[(2*i+j)%len(cases)]
			c.Inference, c.Constant, c.Function, c.noBias = true, i%2 == 0, f, i%3 == 0
			s.run(fmt.Sprintf("%s_%v_constant_%t", functionName(f), c, c.Constant), func(s *suite) { s.linear(c) })
		}
	}
}

func meanSquare(x []float32) float64 {
	var squares float64
	for _, v := range x {
		squares += float64(v) * float64(v)
	}
	return squares / float64(len(x))
}

func rootMeanSquare(x []float32) float64 { return math.Sqrt(meanSquare(x)) }

func sumOf(x []float32) (sum float64) {
	for _, v := range x {
		sum += float64(v)
	}
	return sum
}
