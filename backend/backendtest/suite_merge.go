package backendtest

import (
	"fmt"
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// sharing is which tensors of a Merge are one.
type sharing int

const (
	sharesNothing sharing = iota
	sharesInput           // the gradients are in the memory of the inputs
	sharesOutput          // that of the first input is dy; where it may, y is the last input
)

// mergePasses runs Forward and Backward on a backend. Gradients that are not wanted are nil.
func mergePasses(d *device, p backend.Merge, xs []tensor.Shape, ys tensor.Shape, in [][]float32, dy []float32,
	share sharing, yIsInput bool, wanted []bool) (y []float32, dxs [][]float32) {
	inputs := make([]tensor.Tensor, len(xs))
	for i, shape := range xs {
		inputs[i] = d.activation(shape, in[i])
	}
	yt := d.empty(ys)
	if yIsInput {
		yt = inputs[len(inputs)-1]
	}
	d.step(backend.StepValues{}, func() { p.Forward(yt, inputs) })
	y = d.read(yt)
	for i, x := range inputs {
		if x == yt {
			d.write(x, in[i])
		}
		d.unchanged(fmt.Sprint("x", i), x, in[i])
	}
	dyt := d.activation(ys, dy)
	gradients := make([]tensor.Tensor, len(wanted))
	for i := range wanted {
		switch {
		case !wanted[i]:
		case share == sharesInput:
			gradients[i] = inputs[i]
		case share == sharesOutput && i == 0 && xs[0].Equal(ys):
			gradients[i] = dyt
		default:
			gradients[i] = d.empty(xs[i])
		}
	}
	d.step(backend.StepValues{}, func() { p.Backward(gradients, dyt, inputs) })
	dxs = make([][]float32, len(wanted))
	for i, dx := range gradients {
		if dx != nil {
			dxs[i] = d.read(dx)
		}
	}
	if gradients[0] != dyt {
		d.unchanged("dy", dyt, dy)
	}
	return y, dxs
}

// add checks sums of two tensors and more. A sum of n terms has n − 1 roundings of no more than the
// sum of their absolute values.
func (s *suite) add() {
	for i, shape := range append(shapeSweep(1), tensor.Shape{3, 11}, tensor.Shape{16, 100}, tensor.Shape{1, 1}) {
		fs := []tensor.Function{{}, tensor.Rectifier(), functions[i%len(functions)]}
		for j, f := range fs {
			spec := backend.AddSpec{Shape: shape, Inputs: []int{2, 2, 3, 5}[(i+j)%4], Function: f}
			share := sharing((i + j) % 3)
			s.run(fmt.Sprintf("%s_%v_inputs_%d_sharing_%d", functionName(f), shape, spec.Inputs, share), func(s *suite) {
				d, ref := s.device(), s.reference()
				var shapes []tensor.Shape
				var in [][]float32
				for range spec.Inputs {
					shapes, in = append(shapes, shape), append(in, rounded(d, s.normal(shape.Size(), 1), shape))
				}
				for i := range in[0] {
					if i%7 == 0 { // sums at the bend of a ReLU
						in[1][i] = -in[0][i]
					}
				}
				dy := rounded(d, s.normal(shape.Size(), 1), shape)
				passes := func(d *device) ([]float32, []float32) {
					plan, err := d.Add(spec)
					yIsInput := share == sharesOutput && f == (tensor.Function{})
					y, dxs := mergePasses(d, must(d, plan, err), shapes, shape, in, dy, share, yIsInput, []bool{true})
					return y, dxs[0]
				}
				y, dx := passes(d)
				wantY, wantDx := passes(ref)
				errors := func(i int) (value, derivative float64) {
					var z, terms float64
					for _, x := range in {
						z += float64(x[i])
						terms += math.Abs(float64(x[i]))
					}
					ez := float64(spec.Inputs-1) * unit * terms
					if spec.Inputs == 2 { // rounded once, so the sign is right
						ez = unit * math.Abs(z)
					}
					return functionErrors(f, z, ez)
				}
				near(s.T, "y", y, wantY, func(i int) float64 {
					e, _ := errors(i)
					return e + s.Unit*math.Abs(float64(wantY[i]))
				})
				near(s.T, "dx", dx, wantDx, func(i int) float64 {
					_, e := errors(i)
					return e*math.Abs(float64(dy[i])) + (unit+s.Unit)*math.Abs(float64(wantDx[i])) + 0x1p-126
				})
			})
		}
	}
	s.run("gradient that is not wanted", func(s *suite) {
		shape := tensor.Shape{2, 3}
		d := s.device()
		x := rounded(d, s.normal(6, 1), shape)
		plan, err := d.Add(backend.AddSpec{Shape: shape, Inputs: 2})
		mergePasses(d, must(d, plan, err), []tensor.Shape{shape, shape}, shape, [][]float32{x, x}, x, sharesNothing, false, []bool{false})
	})
}

func (s *suite) concat() {
	for i, shape := range append(shapeSweep(1), tensor.Shape{3, 11}, tensor.Shape{16, 100}, tensor.Shape{1, 1}) {
		var shapes []tensor.Shape
		for j := range 1 + i%4 {
			x := append(tensor.Shape(nil), shape...)
			x[len(x)-1] = channelSweep[(i+3*j)%len(channelSweep)]
			shapes = append(shapes, x)
		}
		share := sharing(i % 2)
		s.run(fmt.Sprintf("%v_sharing_%d", shapes, share), func(s *suite) {
			d, ref := s.device(), s.reference()
			var in [][]float32
			var wanted []bool
			for j, x := range shapes {
				in, wanted = append(in, rounded(d, s.normal(x.Size(), 1), x)), append(wanted, (i+j)%3 > 0)
			}
			ys := concatenated(shapes)
			dy := rounded(d, s.normal(ys.Size(), 1), ys)
			passes := func(d *device) ([]float32, [][]float32) {
				plan, err := d.Concat(backend.ConcatSpec{Shapes: shapes})
				return mergePasses(d, must(d, plan, err), shapes, ys, in, dy, share, false, wanted)
			}
			y, dxs := passes(d)
			wantY, wantDxs := passes(ref)
			near(s.T, "y", y, wantY, exact)
			for j := range dxs {
				near(s.T, fmt.Sprint("dx", j), dxs[j], wantDxs[j], exact)
			}
		})
	}
}
