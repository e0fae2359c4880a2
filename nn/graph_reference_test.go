package nn

import (
	"math"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// plainly computes a network row by row, without fusion, each with tensors of its own, on a model
// of the reference backend.
func plainly(t *testing.T, m *Model, pixels []float32, training bool) (logits []float32) {
	t.Helper()
	n := len(pixels) / m.Input.Size()
	b := m.backend
	must := func(x tensor.Tensor, err error) tensor.Tensor {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	images := must(b.Activations(batch(n, m.Input)))
	if err := b.Write(images, pixels); err != nil {
		t.Fatal(err)
	}
	value := func(row int, values []tensor.Tensor) tensor.Tensor {
		if row < 0 {
			return images
		}
		return values[row]
	}
	weight := func(name string) tensor.Tensor {
		w, ok := m.Weight(name)
		if !ok {
			return nil
		}
		// A copy: running statistics stay as they are.
		values, err := m.get(name)
		if err != nil {
			t.Fatal(err)
		}
		x := must(b.Parameters(w.Shape))
		if err := b.Write(x, values); err != nil {
			t.Fatal(err)
		}
		return must(b.Kernel(x, 0, w.Shape))
	}
	var calls []func()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	activation := func(p backend.Activation, err error, y, x tensor.Tensor) {
		t.Helper()
		check(err)
		calls = append(calls, func() { p.Forward(y, x) })
	}
	linear := func(p backend.Conv2D, err error, y, x, w, b tensor.Tensor) {
		t.Helper()
		check(err)
		calls = append(calls, func() { p.Forward(y, x, w, b) })
	}
	conv := func(l Conv2D, y, x, w, bias tensor.Tensor) {
		t.Helper()
		in := x.Shape()
		window, err := l.window(in[1:])
		check(err)
		p, err := b.Conv2D(backend.Conv2DSpec{N: n, H: in[1], W: in[2], In: in[3], Out: l.Filters, Window: window})
		linear(p, err, y, x, w, bias)
	}
	depthwise := func(l DepthwiseConv2D, y, x, w, bias tensor.Tensor) {
		t.Helper()
		in := x.Shape()
		window, err := l.window(in[1:])
		check(err)
		p, err := b.DepthwiseConv2D(backend.DepthwiseSpec{N: n, H: in[1], W: in[2], C: in[3],
			Multiplier: l.multiplier(), Window: window})
		linear(p, err, y, x, w, bias)
	}
	global := func(kind backend.PoolKind, keepDims bool, y, x tensor.Tensor) {
		t.Helper()
		in := x.Shape()
		between := y
		if !keepDims {
			between = must(b.Activations(tensor.Shape{n, 1, 1, in[3]}))
		}
		p, err := b.Pool(backend.PoolSpec{
			Shape:  in,
			Kind:   kind,
			Window: tensor.Window{Height: in[1], Width: in[2], StrideH: 1, StrideW: 1},
		})
		activation(p, err, between, x)
		if !keepDims {
			p, err := b.Flatten(between.Shape())
			activation(p, err, y, between)
		}
	}
	var values []tensor.Tensor
	for _, row := range m.Table {
		if row.Layer == nil {
			continue
		}
		var xs []tensor.Tensor
		for _, in := range row.Inputs {
			xs = append(xs, value(in, values))
		}
		x, y := xs[0], must(b.Activations(batch(n, row.Output)))
		values = append(values, y)
		named := func(name string) tensor.Tensor { return weight(row.Name + "/" + name) }
		switch l := row.Layer.(type) {
		case Conv2D:
			conv(l, y, x, named("kernel"), named("bias"))
		case DepthwiseConv2D:
			depthwise(l, y, x, named("depthwise_kernel"), named("bias"))
		case SeparableConv2D:
			first, second := l.parts()
			shape, err := first.output(m.Network.output(row.Inputs[0]))
			check(err)
			between := must(b.Activations(batch(n, shape)))
			depthwise(first, between, x, named("depthwise_kernel"), nil)
			conv(second, y, between, named("pointwise_kernel"), named("bias"))
		case Dense:
			p, err := b.Dense(backend.DenseSpec{N: n, In: x.Shape()[1], Out: l.Units})
			linear(p, err, y, x, named("kernel"), named("bias"))
		case BatchNorm:
			infer := !training || row.Frozen || l.Inference
			p, err := b.BatchNorm(backend.BatchNormSpec{Shape: x.Shape(), Epsilon: l.epsilon(),
				Momentum: l.momentum(), Inference: infer})
			check(err)
			pass := p.Forward
			if infer {
				pass = p.Infer
			}
			gamma, beta, mean, variance := named("gamma"), named("beta"), named("moving_mean"), named("moving_variance")
			calls = append(calls, func() { pass(y, x, gamma, beta, mean, variance) })
		case ReLU:
			p, err := b.Function(x.Shape(), tensor.Rectifier())
			activation(p, err, y, x)
		case Activation:
			p, err := b.Function(x.Shape(), l.Function)
			activation(p, err, y, x)
		case Softmax:
			p, err := b.Softmax(x.Shape())
			activation(p, err, y, x)
		case MaxPool:
			window, err := l.window(x.Shape()[1:])
			check(err)
			p, err := b.Pool(backend.PoolSpec{Shape: x.Shape(), Window: window})
			activation(p, err, y, x)
		case AveragePool:
			window, err := l.window(x.Shape()[1:])
			check(err)
			p, err := b.Pool(backend.PoolSpec{Shape: x.Shape(), Window: window, Kind: backend.AveragePool})
			activation(p, err, y, x)
		case GlobalAveragePool:
			global(backend.AveragePool, l.KeepDims, y, x)
		case GlobalMaxPool:
			global(backend.MaxPool, l.KeepDims, y, x)
		case ZeroPadding:
			p, err := b.Pad(backend.PadSpec{Shape: x.Shape(), Top: l.Top, Bottom: l.Bottom, Left: l.Left,
				Right: l.Right})
			activation(p, err, y, x)
		case Flatten:
			p, err := b.Flatten(x.Shape())
			activation(p, err, y, x)
		case Dropout:
			p, err := b.Function(x.Shape(), tensor.Function{})
			activation(p, err, y, x)
		case Add:
			p, err := b.Add(backend.AddSpec{Shape: y.Shape(), Inputs: len(xs)})
			check(err)
			calls = append(calls, func() { p.Forward(y, xs) })
		case Concatenate:
			var shapes []tensor.Shape
			for _, x := range xs {
				shapes = append(shapes, x.Shape())
			}
			p, err := b.Concat(backend.ConcatSpec{Shapes: shapes})
			check(err)
			calls = append(calls, func() { p.Forward(y, xs) })
		default:
			t.Fatalf("layer %T", l)
		}
	}
	if err := b.Record(pass(calls).run).Run(backend.StepValues{}); err != nil {
		t.Fatal(err)
	}
	last := values[len(values)-1]
	logits = make([]float32, last.Shape().Size())
	if err := b.Read(logits, last); err != nil {
		t.Fatal(err)
	}
	return logits
}

// near compares values, with a tolerance relative to the largest.
func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	largest := max(float64(slices.Max(want)), -float64(slices.Min(want)))
	for i := range want {
		if !(math.Abs(float64(got[i])-float64(want[i])) <= tolerance*largest) {
			t.Errorf("%s: value %d is %v, want %v", what, i, got[i], want[i])
			return
		}
	}
}
