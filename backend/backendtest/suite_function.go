package backendtest

import (
	"fmt"
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// functions are all kinds of functions, with parameters of each kind.
var functions = []tensor.Function{
	{},
	tensor.Rectifier(),
	{Kind: tensor.ReLU, Max: 6},
	{Kind: tensor.ReLU, Alpha: 0.2},
	{Kind: tensor.ReLU, Threshold: 0.5},
	{Kind: tensor.ReLU, Alpha: 0.1, Max: 1, Threshold: -0.5},
	{Kind: tensor.ELU, Alpha: 1},
	{Kind: tensor.ELU, Alpha: 0.25},
	{Kind: tensor.SELU},
	{Kind: tensor.GELU},
	{Kind: tensor.GELUTanh},
	{Kind: tensor.SiLU},
	{Kind: tensor.Sigmoid},
	{Kind: tensor.Tanh},
	{Kind: tensor.HardSigmoid, Alpha: 0.2},
	{Kind: tensor.HardSigmoid, Alpha: 1.0 / 6},
	{Kind: tensor.HardSiLU},
	{Kind: tensor.Softplus},
	{Kind: tensor.Softsign},
	{Kind: tensor.Exponential},
	{Kind: tensor.Mish},
}

// functionName returns a name for a case.
func functionName(f tensor.Function) string {
	name := string(f.Kind)
	if name == "" {
		name = "identity"
	}
	for _, p := range []struct {
		name  string
		value float32
	}{{"alpha", f.Alpha}, {"max", f.Max}, {"threshold", f.Threshold}} {
		if p.value != 0 {
			name += fmt.Sprintf("_%s_%g", p.name, p.value)
		}
	}
	return name
}

// functionErrors returns bounds of the errors of f(z) and of f'(z) in float32, where z itself has
// an error of up to ez. A formula is allowed eight roundings of the result and of the largest of
// the terms that its sums have: where they cancel the error is that of the terms.
func functionErrors(f tensor.Function, z, ez float64) (value, derivative float64) {
	if f.Kind == tensor.HardSigmoid || f.Kind == tensor.HardSiLU {
		ez += 4 * unit * (math.Abs(z) + 4) // where α·z + 1/2 meets a bend, for an α of 1/8 and more
	}
	y, d := apply(f, z)
	bend := max(z-ez, min(float64(f.Threshold), z+ez)) // where a ReLU may jump
	for _, near := range []float64{z - ez, z + ez, bend, max(z-ez, math.Nextafter(bend, math.Inf(-1)))} {
		nearY, nearD := apply(f, near)
		value, derivative = max(value, math.Abs(nearY-y)), max(derivative, math.Abs(nearD-d))
	}
	terms, slopes := math.Abs(y), 1.0
	switch f.Kind {
	case tensor.Identity, tensor.ReLU: // rounded is the slope only
		alpha := math.Abs(float64(f.Alpha))
		terms, slopes = alpha*(math.Abs(z)+math.Abs(float64(f.Threshold))), alpha
	case tensor.ELU, tensor.SELU:
		terms, slopes = math.Abs(y)+2*max(float64(f.Alpha), 1), math.Abs(d)
	case tensor.Exponential:
		slopes = math.Abs(d)
	case tensor.GELU, tensor.GELUTanh, tensor.Mish:
		terms, slopes = 2*math.Abs(z), 2+math.Abs(z)
	case tensor.SiLU, tensor.HardSiLU:
		slopes = 2 + math.Abs(z)
	case tensor.Tanh, tensor.Softplus, tensor.HardSigmoid:
		terms = math.Abs(y) + 1
	}
	const smallest = 0x1p-126 // what is below may be 0
	return value + 8*unit*terms + smallest, derivative + 8*unit*slopes + smallest
}

// functionInputs returns n values around the bends of f, at them, and far away.
func (s *suite) functionInputs(n int, f tensor.Function) []float32 {
	x := s.normal(n, 3)
	minusZero := float32(math.Copysign(0, -1))
	copy(x, []float32{0, minusZero, f.Threshold, f.Max, 1e-30, -1e-30, 1e-4, -1e-4, 20, -20, 100, -100, 1e4, -1e4})
	x[n-1] = f.Max // in what is left over by wide registers
	return x
}

func (s *suite) functions() {
	for i, f := range functions {
		for j, shape := range append(shapeSweep(1), tensor.Shape{3, 11}, tensor.Shape{16, 100}, tensor.Shape{1, 1}) {
			if j%5 != i%5 && len(shape) == 4 { // each function with some of them
				continue
			}
			inPlace := j%2 == 0
			s.run(fmt.Sprintf("%s_%v_inplace_%t", functionName(f), shape, inPlace), func(s *suite) {
				d, ref := s.device(), s.reference()
				x, dy := rounded(d, s.functionInputs(shape.Size(), f), shape), rounded(d, s.normal(shape.Size(), 1), shape)
				plan := func(d *device) backend.Activation {
					p, err := d.Function(shape, f)
					return must(d, p, err)
				}
				y, dx := activationPasses(d, plan(d), shape, shape, 0, x, dy, inPlace)
				wantY, wantDx := activationPasses(ref, plan(ref), shape, shape, 0, x, dy, inPlace)
				near(s.T, "y", y, wantY, func(i int) float64 {
					e, _ := functionErrors(f, float64(x[i]), 0)
					return e + s.Unit*math.Abs(float64(wantY[i]))
				})
				near(s.T, "dx", dx, wantDx, func(i int) float64 {
					_, e := functionErrors(f, float64(x[i]), 0)
					return e*math.Abs(float64(dy[i])) + (unit+s.Unit)*math.Abs(float64(wantDx[i])) + 0x1p-126
				})
			})
		}
	}
}

// softmax checks the softmax of channels. With e = sumError(C) and the exponential's argument z −
// max(z) rounded to u·|z − max(z)|, a probability has the relative error 8u + 2e + (max(z) − z)·u.
func (s *suite) softmax() {
	for i, shape := range append(shapeSweep(1), tensor.Shape{3, 11}, tensor.Shape{16, 1000}, tensor.Shape{1, 1}) {
		scale := []float64{1, 20, 1e4}[i%3]
		inPlace := i%2 == 0
		s.run(fmt.Sprintf("%v_scale_%g_inplace_%t", shape, scale, inPlace), func(s *suite) {
			d, ref := s.device(), s.reference()
			x, dy := rounded(d, s.normal(shape.Size(), scale), shape), rounded(d, s.normal(shape.Size(), 1), shape)
			plan := func(d *device) backend.Activation {
				p, err := d.Softmax(shape)
				return must(d, p, err)
			}
			y, dx := activationPasses(d, plan(d), shape, shape, 0, x, dy, inPlace)
			wantY, wantDx := activationPasses(ref, plan(ref), shape, shape, 0, x, dy, inPlace)
			c := shape[len(shape)-1]
			eY, eDx := make([]float64, len(x)), make([]float64, len(x))
			p := make([]float64, c)
			for row := 0; row < len(x); row += c {
				z := widen(x[row : row+c])
				softmax(p, z)
				_, best := logSumExp(z)
				mean, eMean := 0.0, 0.0 // of dy weighted by p, of which dx is p·(dy − mean)
				for i, p := range p {
					eY[row+i] = p * (8*unit + 2*sumError(c) + (z[best]-z[i])*unit)
					mean += p * float64(dy[row+i])
					eMean += (eY[row+i] + p*sumError(c)) * math.Abs(float64(dy[row+i]))
				}
				for i, p := range p {
					difference := math.Abs(float64(dy[row+i])) + math.Abs(mean)
					eDx[row+i] = eY[row+i]*difference + p*(eMean+4*unit*difference)
				}
			}
			near(s.T, "y", y, wantY, func(i int) float64 { return eY[i] + s.Unit*math.Abs(float64(wantY[i])) + 0x1p-126 })
			near(s.T, "dx", dx, wantDx, func(i int) float64 { return eDx[i] + s.Unit*math.Abs(float64(wantDx[i])) + 0x1p-126 })
		})
	}
}
