package cpu

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// layerBF16 is a layer in one tensor of parameters, with plans of two batches.
type layerBF16 struct {
	*benchTensors
	parameters  tensor.Tensor
	at          int // of the weights in the parameters
	shape       tensor.Shape
	w, bias     tensor.Tensor
	train, test backend.Dense // the second for inference
	x, y        [2]tensor.Tensor
}

const parametersAround = 333 // elements before and after the weights

// newLayerBF16 makes a convolution or a dense layer, of an odd number of rows.
func newLayerBF16(t *testing.T, o Options, conv bool) *layerBF16 {
	const in, out = 35, 70
	o.BF16 = true
	l := &layerBF16{
		benchTensors: &benchTensors{open(t, o), rand.New(rand.NewPCG(1, 2))},
		at:           parametersAround, shape: tensor.Shape{in, out},
	}
	if conv {
		l.shape = tensor.Shape{3, 3, in, out}
	}
	l.parameters = l.parameter(l.shape.Size() + 2*parametersAround)
	l.w, l.bias = must(l.Kernel(l.parameters, l.at, l.shape)), l.parameter(out)
	for i, n := range []int{5, 2} {
		x, y, inference := tensor.Shape{n, in}, tensor.Shape{n, out}, i == 1
		var p backend.Dense
		if conv {
			x, y = tensor.Shape{n, 3, 2, in}, tensor.Shape{n, 3, 2, out}
			p = must(l.Conv2D(backend.Conv2DSpec{N: n, H: 3, W: 2, In: in, Out: out, Window: tensor.Centered(3), Inference: inference}))
		} else {
			p = must(l.Dense(backend.DenseSpec{N: n, In: in, Out: out, Inference: inference, Constant: inference}))
		}
		l.x[i], l.y[i] = l.activation(x...), l.activation(y...)
		if inference {
			l.test = p
		} else {
			l.train = p
		}
	}
	return l
}

func (b *benchTensors) read(x tensor.Tensor) []float32 {
	values := make([]float32, x.Shape().Size())
	if err := b.Read(values, x); err != nil {
		panic(err)
	}
	return values
}

func (l *layerBF16) write(x tensor.Tensor, values []float32) {
	if err := l.Write(x, values); err != nil {
		panic(err)
	}
}

// results returns what all passes that read the weights w give, one after the other.
func (l *layerBF16) results(w tensor.Tensor) (all []float32) {
	l.train.Forward(l.y[0], l.x[0], w, l.bias)
	l.test.Forward(l.y[1], l.x[1], w, l.bias)
	dx := must(l.Activations(l.x[0].Shape()))
	l.train.BackwardData(dx, l.y[0], w)
	return slices.Concat(l.read(l.y[0]), l.read(l.y[1]), l.read(dx))
}

// step is a step of SGD on some of the parameters, divided within rows of the weights.
func (l *layerBF16) step(from, to int) {
	s := backend.SGDSpec{Size: to - from, Momentum: 0.9, Nesterov: true}
	for at := 7; at < s.Size; at += 1000 {
		s.Decay = append(s.Decay, backend.Decay{Offset: at, Size: min(29, s.Size-at), Lambda: 0.01})
	}
	v, g := l.parameter(s.Size), l.parameter(s.Size)
	plan := must(l.SGD(s))
	step := l.Record(func() { plan.Step(l.View(l.parameters, from, tensor.Shape{s.Size}), []tensor.Tensor{v}, g) })
	if err := step.Run(backend.StepValues{LearningRate: 0.1}); err != nil {
		panic(err)
	}
}

// TestWeightsOfBF16AreThoseOfNow changes the weights in each way that there is, and compares what
// comes of them with what comes of a copy of them in a tensor of its own.
func TestWeightsOfBF16AreThoseOfNow(t *testing.T) {
	for _, level := range ops.Levels() {
		for _, conv := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/conv %v", level, conv), func(t *testing.T) {
				l := newLayerBF16(t, Options{Threads: 2, Level: level}, conv)
				size, whole := l.shape.Size(), l.parameters.Shape().Size()
				check := func(what string) {
					t.Helper()
					got := l.results(l.w)
					own := must(l.Kernel(must(l.Parameters(l.shape)), 0, l.shape))
					l.write(own, l.read(l.w))
					if !slices.Equal(got, l.results(own)) {
						t.Errorf("after %s: results of other weights", what)
					}
				}
				check("nothing")
				again := own(must(l.Kernel(l.parameters, l.at, l.shape)))
				if n := len(again.root.copies); n != 1 || again.packed != own(l.w).packed {
					t.Errorf("%d copies of one matrix", n)
				}
				l.fill(l.w)
				check("a write")
				l.fill(l.View(l.parameters, 0, tensor.Shape{l.at + 1}))
				check("a write of the first")
				l.fill(l.View(l.parameters, l.at+size-1, tensor.Shape{parametersAround + 1}))
				check("a write of the last")
				l.fill(l.View(l.parameters, l.at+size/2, tensor.Shape{1}))
				check("a write of one")
				l.step(0, whole)
				check("a step")
				l.step(0, whole)
				l.step(0, whole)
				check("two steps")
				l.step(l.at, l.at+size)
				check("a step of just the weights")
				l.step(l.at+size/3, whole)
				check("a step of some elements")
				row := l.shape[len(l.shape)-1]
				l.step(l.at+4*row, l.at+9*row)
				if !own(l.w).packed.fresh {
					t.Error("a copy is stale after a step of whole pairs of rows")
				}
				check("a step of some rows")
				l.step(l.at+5*row, l.at+8*row)
				check("a step from within a pair of rows on")
				l.step(0, l.at+size-1)
				check("a step without the last")
				l.step(0, whole)
				l.fill(l.w)
				check("a step and a write")
				l.fill(l.w)
				l.step(0, whole)
				check("a write and a step")
				l.train.BackwardFilter(l.w, l.bias, l.y[0], l.x[0])
				check("a gradient")

				plan := must(l.SGD(backend.SGDSpec{Size: whole}))
				plan.Step(l.parameter(whole), []tensor.Tensor{l.parameters}, l.parameter(whole))
				check("a step whose velocities they were")

				const c = 8
				norm := must(l.BatchNorm(backend.BatchNormSpec{Shape: tensor.Shape{9, c}, Momentum: 0.5}))
				x, p := l.activation(9, c), l.parameter(c)
				channels := func(at int) tensor.Tensor { return l.View(l.parameters, l.at+at, tensor.Shape{c}) }
				norm.Forward(x, x, p, p, channels(0), p)
				check("a running mean")
				norm.Forward(x, x, p, p, p, channels(c))
				check("a running variance")
				norm.Backward(x, channels(0), p, x, x, p, p)
				check("the gradient of γ")
				norm.Backward(x, p, channels(c), x, x, p, p)
				check("the gradient of β")
				l.train.BackwardFilter(must(l.Parameters(l.shape)), l.View(l.parameters, l.at, l.bias.Shape()), l.y[0], l.x[0])
				check("the gradient of a bias")

				l.step(0, whole)
				l.fill(l.View(l.parameters, 0, tensor.Shape{l.at}))
				l.fill(l.View(l.parameters, l.at+size, tensor.Shape{parametersAround}))
				if !own(l.w).packed.fresh {
					t.Error("a copy is stale where nothing changed")
				}
			})
		}
	}
}

// TestRowsOfWeightsBF16 has plans of some rows of a layer read the copy of the whole layer.
func TestRowsOfWeightsBF16(t *testing.T) {
	const n, in, out = 5, 150, 70
	b := &benchTensors{open(t, Options{BF16: true}), rand.New(rand.NewPCG(1, 2))}
	w, bias, x, dy := b.kernel(in, out), b.parameter(out), b.activation(n, in), b.activation(n, out)
	whole := must(b.Dense(backend.DenseSpec{N: n, In: in, Out: out}))
	whole.Forward(must(b.Activations(dy.Shape())), x, w, bias)
	whole.BackwardData(x, dy, w)
	want := b.read(x)
	b.fill(x)
	for _, rows := range []backend.Rows{{From: 64, To: 128}, {From: 128, To: in}, {From: 0, To: 64}} {
		p := must(b.Dense(backend.DenseSpec{N: n, In: in, Out: out, Slice: rows}))
		p.BackwardData(x, dy, b.View(w, rows.From*out, tensor.Shape{rows.Len(), out}))
	}
	if !slices.Equal(b.read(x), want) {
		t.Error("plans of some rows compute another input gradient than one of all")
	}
	if n := len(own(w).root.copies); n != 1 {
		t.Errorf("%d copies of one matrix", n)
	}
	other := must(b.Dense(backend.DenseSpec{N: n, In: in, Out: out, Slice: backend.Rows{From: 64, To: 128}}))
	if !panics(func() { other.BackwardData(x, dy, b.View(w, 0, tensor.Shape{64, out})) }) {
		t.Error("other rows of the weights than those of the plan: no panic")
	}
	if !panics(func() { whole.Forward(dy, x, b.parameter(in, out), bias) }) {
		t.Error("weights that are not of Kernel: no panic")
	}
}

// TestMatricesOfBF16 has the same elements as matrices of two shapes, and matrices with the same
// first element.
func TestMatricesOfBF16(t *testing.T) {
	b := open(t, Options{BF16: true})
	parameters := must(b.Parameters(tensor.Shape{70, 66}))
	w := data(parameters, parameters.Shape())
	for i := range w {
		w[i] = float32(i % 256)
	}
	for range 2 {
		for _, shape := range []tensor.Shape{{70, 66}, {66, 70}, {69, 66}, {1, 66}} {
			rows, columns := shape[0], shape[1]
			kernel := own(must(b.Kernel(parameters, 0, shape)))
			for i, got := range kernel.packedBF16(rows, 0) {
				depth := ops.PackedMatrixSizeBF16(rows, 1) / 64
				panel, i := i/(64*depth), i%(64*depth)
				p, j := i/128*2+i%2, 64*panel+i%128/2
				want := float32(0)
				if p < rows && j < columns {
					want = w[p*columns+j]
				}
				if got.Float32() != want {
					t.Fatalf("%d x %d: element %d, %d is %g, want %g", rows, columns, p, j, got.Float32(), want)
				}
			}
		}
	}
	if n := len(own(parameters).root.copies); n != 4 {
		t.Errorf("%d copies of 4 matrices", n)
	}
}

func TestWeightsOfBF16WithoutMemory(t *testing.T) {
	b := open(t, Options{BF16: true})
	shape := tensor.Shape{1 << 10, 1 << 10}
	w := must(b.Parameters(shape))
	b.limit = b.Bytes()
	if _, err := b.Kernel(w, 0, shape); !errors.Is(err, backend.ErrMemory) {
		t.Errorf("error %v for more memory than there is", err)
	}
	if n := len(own(w).root.copies); n != 0 {
		t.Errorf("%d copies without memory", n)
	}
}
