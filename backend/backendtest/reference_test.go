package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

func open(*testing.T) backend.Backend { return Reference() }

func TestReference(t *testing.T) { Run(t, open, Options{}) }

func TestGoldenReference(t *testing.T) { Golden(t, open) }

// derivatives compares gradients that the reference computes with central differences
// of loss, to all inputs in turn. Its tensors are float64, so a step of 1e-5 leaves eight
// digits.
func derivatives(t *testing.T, loss func() float64, inputs, gradients map[string]tensor.Tensor) {
	t.Helper()
	const h = 1e-5
	for name, input := range inputs {
		x, g := own(input).data, own(gradients[name]).data
		for i, v := range x {
			x[i] = v + h
			above := loss()
			x[i] = v - h
			below := loss()
			x[i] = v
			if want := (above - below) / (2 * h); !(math.Abs(g[i]-want) <= 1e-7*(1+math.Abs(want))) {
				t.Errorf("gradient of %s: element %d is %.10g, differences give %.10g", name, i, g[i], want)
			}
		}
	}
}

// trial is the reference with a random stream.
type trial struct {
	*device
	rng *rand.Rand
}

func newTrial(t *testing.T) *trial {
	return &trial{newDevice(t, Reference()), rand.New(rand.NewPCG(8, 9))}
}

func (b *trial) random(shape ...int) tensor.Tensor {
	x := make([]float32, tensor.Shape(shape).Size())
	for i := range x {
		x[i] = float32(b.rng.NormFloat64())
	}
	return b.parameter(shape, x)
}

// once runs f as a step and returns Σ y·r.
func (b *trial) once(y, r tensor.Tensor, f func()) float64 {
	b.step(backend.StepValues{}, f)
	sum, weights := 0.0, own(r).data
	for i, v := range own(y).data {
		sum += v * weights[i]
	}
	return sum
}

func TestReferenceLinearGradients(t *testing.T) {
	for _, c := range []linearCase{
		conv(2, 3, 4, 2, 3, 3), conv(1, 1, 1, 3, 2, 3), conv(2, 1, 3, 2, 2, 3), conv(2, 3, 2, 3, 2, 1), denseCase(3, 4, 5),
	} {
		t.Run(c.String(), func(t *testing.T) {
			b := newTrial(t)
			xs, ys, ws := c.shapes()
			p := c.plan(b.device)
			x, w, bias, y, dy := b.random(xs...), b.kernelOf(b.random(ws...), 0, ws), b.random(c.Out), b.random(ys...), b.random(ys...)
			dx, dw, db := b.random(xs...), b.random(ws...), b.random(c.Out)
			b.step(backend.StepValues{}, func() {
				p.BackwardFilter(dw, db, dy, x)
				p.BackwardData(dx, dy, w)
			})
			derivatives(t, func() float64 { return b.once(y, dy, func() { p.Forward(y, x, w, bias) }) },
				map[string]tensor.Tensor{"x": x, "w": w, "b": bias},
				map[string]tensor.Tensor{"x": dx, "w": dw, "b": db})
		})
	}
}

func TestReferenceDepthwiseGradients(t *testing.T) {
	b := newTrial(t)
	win := tensor.Window{Height: 3, Width: 2, StrideH: 2, StrideW: 1}.Same(5, 4)
	plan, err := b.DepthwiseConv2D(backend.DepthwiseSpec{N: 2, H: 5, W: 4, C: 3, Multiplier: 2, Window: win})
	p := must(b.device, plan, err)
	x, w, bias, y, dy := b.random(2, 5, 4, 3), b.random(3, 2, 3, 2), b.random(6), b.random(2, 3, 4, 6), b.random(2, 3, 4, 6)
	dx, dw, db := b.random(2, 5, 4, 3), b.random(3, 2, 3, 2), b.random(6)
	b.step(backend.StepValues{}, func() {
		p.BackwardFilter(dw, db, dy, x)
		p.BackwardData(dx, dy, w)
	})
	derivatives(t, func() float64 { return b.once(y, dy, func() { p.Forward(y, x, w, bias) }) },
		map[string]tensor.Tensor{"x": x, "w": w, "b": bias},
		map[string]tensor.Tensor{"x": dx, "w": dw, "b": db})
}

// Of equal maxima SharedMaxPool gives the gradient to all, MaxPool to the first.
func TestReferencePoolShares(t *testing.T) {
	for kind, want := range map[backend.PoolKind][]float32{
		backend.MaxPool: {0, 6, 0, 0, 0, 0}, backend.SharedMaxPool: {0, 2, 2, 0, 2, 0}, backend.AveragePool: {1, 1, 1, 1, 1, 1},
	} {
		b := newTrial(t)
		shape := tensor.Shape{1, 2, 3, 1}
		plan, err := b.Pool(backend.PoolSpec{Shape: shape, Window: tensor.Window{Height: 2, Width: 3, StrideH: 1, StrideW: 1}, Kind: kind})
		p := must(b.device, plan, err)
		x, dx, dy := b.parameter(shape, []float32{1, 5, 5, 4, 5, -1}), b.random(shape...), b.parameter(tensor.Shape{1, 1, 1, 1}, []float32{6})
		b.step(backend.StepValues{}, func() { p.Backward(dx, dy, x) })
		same(t, "dx", b.read(dx), want)
	}
}

func TestReferenceBatchNormGradients(t *testing.T) {
	for _, spec := range []backend.BatchNormSpec{
		{Shape: tensor.Shape{5, 3}},
		{Shape: tensor.Shape{2, 3, 2, 3}},
		{Shape: tensor.Shape{5, 3}, Function: tensor.Rectifier()},
		{Shape: tensor.Shape{2, 5, 4, 3}, Pool: true},
		{Shape: tensor.Shape{2, 4, 5, 3}, Function: tensor.Rectifier(), Pool: true},
		{Shape: tensor.Shape{2, 3, 2, 3}, Function: tensor.Function{Kind: tensor.SiLU}},
		{Shape: tensor.Shape{2, 3, 2, 3}, Frozen: true},
		{Shape: tensor.Shape{2, 5, 4, 3}, Function: tensor.Rectifier(), Pool: true, Frozen: true},
		{Shape: tensor.Shape{5, 3}, Function: tensor.Function{Kind: tensor.GELU}, Frozen: true},
	} {
		spec.Epsilon, spec.Momentum = 1e-3, 0.9
		b := newTrial(t)
		plan, err := b.BatchNorm(spec)
		p := must(b.device, plan, err)
		ys := spec.Shape
		if spec.Pool {
			ys = pooled(ys)
		}
		x, y, dy, dx := b.random(spec.Shape...), b.random(ys...), b.random(ys...), b.random(spec.Shape...)
		gamma, beta, mean, variance := b.random(3), b.random(3), b.random(3), b.parameter(tensor.Shape{3}, []float32{0.5, 2, 1})
		dgamma, dbeta := b.random(3), b.random(3)
		forward := func() float64 {
			return b.once(y, dy, func() { p.Forward(y, x, gamma, beta, mean, variance) })
		}
		forward()
		b.step(backend.StepValues{}, func() { p.Backward(dx, dgamma, dbeta, dy, x, gamma, beta) })
		derivatives(t, forward,
			map[string]tensor.Tensor{"x": x, "gamma": gamma, "beta": beta},
			map[string]tensor.Tensor{"x": dx, "gamma": dgamma, "beta": dbeta})

		// Without γ and β, and without their gradients.
		forward = func() float64 { return b.once(y, dy, func() { p.Forward(y, x, nil, nil, mean, variance) }) }
		forward()
		b.step(backend.StepValues{}, func() { p.Backward(dx, nil, nil, dy, x, nil, nil) })
		derivatives(t, forward, map[string]tensor.Tensor{"x": x}, map[string]tensor.Tensor{"x": dx})
	}
}

func TestReferenceActivationGradients(t *testing.T) {
	shape := tensor.Shape{2, 5, 4, 3}
	flat := tensor.Shape{2, 60}
	overlapping := tensor.Window{Height: 3, Width: 2, StrideH: 2, StrideW: 1}.Same(5, 4)
	for _, c := range []struct {
		name   string
		xs, ys tensor.Shape
		open   func(*trial) (backend.Activation, error)
	}{
		{"softmax", shape, shape, func(b *trial) (backend.Activation, error) { return b.Softmax(shape) }},
		{"maxpool", shape, pooled(shape), func(b *trial) (backend.Activation, error) {
			return b.Pool(backend.PoolSpec{Shape: shape, Window: tensor.Square(2, 2)})
		}},
		{"maxpool overlapping", shape, windowOutput(shape, overlapping), func(b *trial) (backend.Activation, error) {
			return b.Pool(backend.PoolSpec{Shape: shape, Window: overlapping})
		}},
		{"shared maxpool", shape, windowOutput(shape, overlapping), func(b *trial) (backend.Activation, error) {
			return b.Pool(backend.PoolSpec{Shape: shape, Window: overlapping, Kind: backend.SharedMaxPool})
		}},
		{"averagepool", shape, windowOutput(shape, overlapping), func(b *trial) (backend.Activation, error) {
			return b.Pool(backend.PoolSpec{Shape: shape, Window: overlapping, Kind: backend.AveragePool})
		}},
		{"pad", shape, tensor.Shape{2, 8, 7, 3}, func(b *trial) (backend.Activation, error) {
			return b.Pad(backend.PadSpec{Shape: shape, Top: 1, Bottom: 2, Left: 3})
		}},
		{"flatten", shape, flat, func(b *trial) (backend.Activation, error) { return b.Flatten(shape) }},
		{"dropout", flat, flat, func(b *trial) (backend.Activation, error) {
			return b.Dropout(backend.DropoutSpec{Shape: flat, Rate: 0.4})
		}},
		{"dropout_image", shape, shape, func(b *trial) (backend.Activation, error) {
			return b.Dropout(backend.DropoutSpec{Shape: shape, Rate: 0.4})
		}},
		{"dropout_channels", shape, shape, func(b *trial) (backend.Activation, error) {
			return b.Dropout(backend.DropoutSpec{Shape: shape, Rate: 0.4, Channels: true})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newTrial(t)
			plan, err := c.open(b)
			p := must(b.device, plan, err)
			x, y, dy, dx := b.random(c.xs...), b.random(c.ys...), b.random(c.ys...), b.random(c.xs...)
			b.step(backend.StepValues{}, func() { p.Backward(dx, dy, x) })
			derivatives(t, func() float64 { return b.once(y, dy, func() { p.Forward(y, x) }) },
				map[string]tensor.Tensor{"x": x}, map[string]tensor.Tensor{"x": dx})
		})
	}
}

func TestReferenceFunctionGradients(t *testing.T) {
	shape := tensor.Shape{50, 4}
	for _, f := range functions {
		t.Run(functionName(f), func(t *testing.T) {
			b := newTrial(t)
			plan, err := b.Function(shape, f)
			p := must(b.device, plan, err)
			x, y, dy, dx := b.random(shape...), b.random(shape...), b.random(shape...), b.random(shape...)
			for i := range own(x).data {
				own(x).data[i] *= 3
			}
			b.step(backend.StepValues{}, func() { p.Backward(dx, dy, x) })
			derivatives(t, func() float64 { return b.once(y, dy, func() { p.Forward(y, x) }) },
				map[string]tensor.Tensor{"x": x}, map[string]tensor.Tensor{"x": dx})
		})
	}
}

// The values and derivatives at bends, and far from 0, as Keras has them. Its derivative of a
// hard_sigmoid at a bend, though, depends on the release.
func TestReferenceFunctionValues(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		f                   tensor.Function
		x, want, derivative float64
	}{
		{tensor.Rectifier(), 0, 0, 0},
		{tensor.Rectifier(), -inf, 0, 0},
		{tensor.Function{Kind: tensor.ReLU, Max: 6}, 6, 6, 0},
		{tensor.Function{Kind: tensor.ReLU, Max: 6}, 0, 0, 0},
		{tensor.Function{Kind: tensor.ReLU, Alpha: 0.5}, 0, 0, 0.5},
		{tensor.Function{Kind: tensor.ReLU, Alpha: 0.5}, -3, -1.5, 0.5},
		{tensor.Function{Kind: tensor.ReLU, Alpha: 0.5, Threshold: 1, Max: 6}, 0, -0.5, 0.5},
		{tensor.Function{Kind: tensor.ReLU, Alpha: 0.5, Threshold: 1, Max: 6}, 2, 2, 1},
		{tensor.Function{Kind: tensor.ReLU, Alpha: 0.5, Threshold: 1, Max: 6}, 7, 6, 0},
		{tensor.Function{Kind: tensor.ELU, Alpha: 1}, 0, 0, 1},
		{tensor.Function{Kind: tensor.ELU, Alpha: 0.5}, 0, 0, 0.5},
		{tensor.Function{Kind: tensor.SELU}, 0, 0, 1.05070099},
		{tensor.Function{Kind: tensor.SELU}, -3, -1.67056873, 0.08753061},
		{tensor.Function{Kind: tensor.GELU}, -3, -0.00404969, -0.01194565},
		{tensor.Function{Kind: tensor.GELU}, 2.5, 2.48447584, 1.03761108},
		{tensor.Function{Kind: tensor.HardSigmoid, Alpha: 0.25}, -2, 0, 0},
		{tensor.Function{Kind: tensor.HardSigmoid, Alpha: 0.25}, 2, 1, 0},
		{tensor.Function{Kind: tensor.HardSigmoid, Alpha: 0.2}, 1, 0.7, 0.2},
		{tensor.Function{Kind: tensor.HardSiLU}, -4, 0, 0},
		{tensor.Function{Kind: tensor.HardSiLU}, 4, 4, 1},
		{tensor.Function{Kind: tensor.Softplus}, 2.5, 2.57888973, 0.92414182},
		{tensor.Function{Kind: tensor.Softplus}, 1000, 1000, 1},
		{tensor.Function{Kind: tensor.Softplus}, -1000, 0, 0},
		{tensor.Function{Kind: tensor.SiLU}, -3, -0.14227762, -0.08810411},
		{tensor.Function{Kind: tensor.SiLU}, 1000, 1000, 1},
		{tensor.Function{Kind: tensor.Sigmoid}, -1000, 0, 0},
		{tensor.Function{Kind: tensor.Mish}, -2.5, -0.1968162, -0.10974357},
		{tensor.Function{Kind: tensor.Mish}, 1000, 1000, 1},
	} {
		y, d := apply(c.f, c.x)
		if !(math.Abs(y-c.want) <= 1e-7) || !(math.Abs(d-c.derivative) <= 1e-7) {
			t.Errorf("%s of %g is %g with derivative %g, want %g and %g", functionName(c.f), c.x, y, d, c.want, c.derivative)
		}
	}
}

func TestReferenceMergeGradients(t *testing.T) {
	shapes := []tensor.Shape{{2, 3, 2, 3}, {2, 3, 2, 1}, {2, 3, 2, 4}}
	same := []tensor.Shape{shapes[0], shapes[0], shapes[0]}
	for _, c := range []struct {
		name string
		xs   []tensor.Shape
		y    tensor.Shape
		open func(*trial) (backend.Merge, error)
	}{
		{"add", same, shapes[0], func(b *trial) (backend.Merge, error) {
			return b.Add(backend.AddSpec{Shape: shapes[0], Inputs: 3})
		}},
		{"add_relu", same[:2], shapes[0], func(b *trial) (backend.Merge, error) {
			return b.Add(backend.AddSpec{Shape: shapes[0], Inputs: 2, Function: tensor.Rectifier()})
		}},
		{"add_tanh", same, shapes[0], func(b *trial) (backend.Merge, error) {
			return b.Add(backend.AddSpec{Shape: shapes[0], Inputs: 3, Function: tensor.Function{Kind: tensor.Tanh}})
		}},
		{"concat", shapes, tensor.Shape{2, 3, 2, 8}, func(b *trial) (backend.Merge, error) {
			return b.Concat(backend.ConcatSpec{Shapes: shapes})
		}},
		{"concat_matrices", []tensor.Shape{{3, 2}, {3, 5}}, tensor.Shape{3, 7}, func(b *trial) (backend.Merge, error) {
			return b.Concat(backend.ConcatSpec{Shapes: []tensor.Shape{{3, 2}, {3, 5}}})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newTrial(t)
			plan, err := c.open(b)
			p := must(b.device, plan, err)
			y, dy := b.random(c.y...), b.random(c.y...)
			xs, dxs := []tensor.Tensor{}, []tensor.Tensor{}
			inputs, gradients := map[string]tensor.Tensor{}, map[string]tensor.Tensor{}
			for i, shape := range c.xs {
				xs, dxs = append(xs, b.random(shape...)), append(dxs, b.random(shape...))
				name := fmt.Sprint("x", i)
				inputs[name], gradients[name] = xs[i], dxs[i]
				if c.name[:3] == "add" {
					gradients[name] = dxs[0]
				}
			}
			b.step(backend.StepValues{}, func() { p.Backward(dxs, dy, xs) })
			derivatives(t, func() float64 { return b.once(y, dy, func() { p.Forward(y, xs) }) }, inputs, gradients)
		})
	}
}

func TestReferenceLossGradients(t *testing.T) {
	for _, weighted := range []bool{false, true} {
		for _, spec := range []backend.LossSpec{
			{N: 3, Classes: 4},
			{N: 3, Classes: 4, Smoothing: 0.1},
			{N: 3, Classes: 2, Sigmoid: true},
			{N: 3, Classes: 2, Sigmoid: true, Smoothing: 0.3},
		} {
			b := newTrial(t)
			outputs := spec.Classes
			if spec.Sigmoid {
				outputs = 1
			}
			if weighted {
				spec.Weights = b.parameter(tensor.Shape{spec.Classes}, []float32{0.5, 3, 0, 2}[:spec.Classes])
			}
			plan, err := b.Loss(spec)
			p := must(b.device, plan, err)
			last := float32(spec.Classes - 1)
			z, dz, labels := b.random(3, outputs), b.random(3, outputs), b.parameter(tensor.Shape{3}, []float32{0, last, 1})
			b.step(backend.StepValues{}, func() { p.Backward(dz, z, labels) })
			b.measured()
			derivatives(t, func() float64 {
				b.step(backend.StepValues{}, func() { p.Forward(z, labels) })
				return b.measured()[0].Loss
			}, map[string]tensor.Tensor{"z": z}, map[string]tensor.Tensor{"z": dz})
		}
	}
}

// The gradient of the penalty is what a step by the rate 1 without momentum takes off.
func TestReferencePenaltyGradient(t *testing.T) {
	b := newTrial(t)
	plan, err := b.SGD(backend.SGDSpec{Size: 6, Decay: []backend.Decay{{Offset: 1, Size: 2, Lambda: 0.25}, {Offset: 4, Size: 2, Lambda: 2}}})
	p := must(b.device, plan, err)
	w, v, g := b.random(6), b.random(6), b.parameter(tensor.Shape{6}, make([]float32, 6))
	gradient := b.parameter(tensor.Shape{6}, b.read(w))
	b.step(backend.StepValues{LearningRate: 1}, func() { p.Step(gradient, []tensor.Tensor{v}, g) })
	for i, before := range own(w).data {
		own(gradient).data[i] = before - own(gradient).data[i]
	}
	b.measured()
	derivatives(t, func() float64 {
		b.step(backend.StepValues{}, func() { p.Penalty(w) })
		return b.measured()[0].Penalty
	}, map[string]tensor.Tensor{"w": w}, map[string]tensor.Tensor{"w": gradient})
}
