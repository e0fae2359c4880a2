package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// network is a training step with a plan of every kind, on shapes that make many jobs and odd
// last ones.
type network struct {
	b                     *Backend
	params, grads, speeds tensor.Tensor
	step                  backend.Step
	steps                 uint64
}

func newNetwork(b *Backend) *network {
	const (
		n, h, w, c     = 24, 13, 10, 40
		ph, pw, qh, qw = 6, 5, 3, 2
		hidden         = 300
		classes        = 10
	)
	rng := rand.New(rand.NewPCG(7, 8))
	var slots []tensor.Shape
	size := 0
	slot := func(shape ...int) int {
		slots = append(slots, shape)
		size += tensor.Shape(shape).Size()
		return len(slots) - 1
	}
	kernel, bias, gamma, beta := slot(3, 3, 3, c), slot(c), slot(c), slot(c)
	kernel2, bias2, gamma2, beta2 := slot(3, 3, c, c), slot(c), slot(c), slot(c)
	dense, denseBias := slot(qh*qw*c, hidden), slot(hidden)
	dense2, denseBias2 := slot(hidden, classes), slot(classes)

	all := tensor.Shape{size}
	net := &network{b: b, params: must(b.Parameters(all)), grads: must(b.Parameters(all)), speeds: must(b.Parameters(all))}
	p, g := make([]tensor.Tensor, len(slots)), make([]tensor.Tensor, len(slots))
	at := 0
	for i, s := range slots {
		p[i], g[i] = b.View(net.params, at, s), b.View(net.grads, at, s)
		if len(s) > 1 {
			p[i] = must(b.Kernel(net.params, at, s))
		}
		at += s.Size()
	}
	fill := func(t tensor.Tensor, f func() float64) {
		x := make([]float32, t.Shape().Size())
		for i := range x {
			x[i] = float32(f())
		}
		if err := b.Write(t, x); err != nil {
			panic(err)
		}
	}
	fill(net.params, func() float64 { return 0.1 * rng.NormFloat64() })
	running := must(b.Parameters(tensor.Shape{c}))
	labels := must(b.Parameters(tensor.Shape{n}))
	fill(labels, func() float64 { return float64(rng.IntN(classes)) })

	activation := func(shape ...int) tensor.Tensor { return must(b.Activations(shape)) }
	x, x1, y1 := activation(n, h, w, 3), activation(n, h, w, c), activation(n, ph, pw, c)
	x2, y2, y3 := activation(n, ph, pw, c), activation(n, ph, pw, c), activation(n, qh, qw, c)
	flat, x4, y4, y5, logits := activation(n, qh*qw*c), activation(n, hidden), activation(n, hidden), activation(n, hidden), activation(n, classes)
	fill(x, rng.NormFloat64)

	conv := must(b.Conv2D(backend.Conv2DSpec{N: n, H: h, W: w, In: 3, Out: c, Window: tensor.Centered(3), BatchNorm: true, NoInputGrad: true}))
	norm := must(b.BatchNorm(backend.BatchNormSpec{Shape: x1.Shape(), Epsilon: 1e-3, Momentum: 0.9, Unbiased: true, Function: tensor.Rectifier(), Pool: true}))
	conv2 := must(b.Conv2D(backend.Conv2DSpec{N: n, H: ph, W: pw, In: c, Out: c, Window: tensor.Centered(3)}))
	norm2 := must(b.BatchNorm(backend.BatchNormSpec{Shape: x2.Shape(), Epsilon: 1e-3, Momentum: 0.9}))
	pool := must(b.Pool(backend.PoolSpec{Shape: x2.Shape(), Window: tensor.Square(2, 2)}))
	flatten := must(b.Flatten(y3.Shape()))
	full := must(b.Dense(backend.DenseSpec{N: n, In: qh * qw * c, Out: hidden}))
	relu := must(b.Function(x4.Shape(), tensor.Rectifier()))
	dropout := must(b.Dropout(backend.DropoutSpec{Shape: y4.Shape(), Rate: 0.5, Seed: 1}))
	full2 := must(b.Dense(backend.DenseSpec{N: n, In: hidden, Out: classes}))
	loss := must(b.Loss(backend.LossSpec{N: n, Classes: classes}))
	state := []tensor.Tensor{net.speeds}
	sgd := must(b.SGD(backend.SGDSpec{Size: size, Decay: []backend.Decay{{Offset: 0, Size: slots[kernel].Size(), Lambda: 0.01}}, Momentum: 0.9, Nesterov: true}))

	net.step = b.Record(func() {
		conv.Forward(x1, x, p[kernel], p[bias])
		norm.Forward(y1, x1, p[gamma], p[beta], running, running)
		conv2.Forward(x2, y1, p[kernel2], p[bias2])
		norm2.Forward(y2, x2, p[gamma2], p[beta2], running, running)
		pool.Forward(y3, y2)
		flatten.Forward(flat, y3)
		full.Forward(x4, flat, p[dense], p[denseBias])
		relu.Forward(y4, x4)
		dropout.Forward(y5, y4)
		full2.Forward(logits, y5, p[dense2], p[denseBias2])
		loss.Forward(logits, labels)

		loss.Backward(logits, logits, labels)
		full2.BackwardFilter(g[dense2], g[denseBias2], logits, y5)
		full2.BackwardData(y5, logits, p[dense2])
		dropout.Backward(y4, y5, y4)
		relu.Backward(x4, y4, x4)
		full.BackwardFilter(g[dense], g[denseBias], x4, flat)
		full.BackwardData(flat, x4, p[dense])
		flatten.Backward(y3, flat, y3)
		pool.Backward(y2, y3, y2)
		norm2.Backward(x2, g[gamma2], g[beta2], y2, x2, p[gamma2], p[beta2])
		conv2.BackwardFilter(g[kernel2], g[bias2], x2, y1)
		conv2.BackwardData(y1, x2, p[kernel2])
		norm.Backward(x1, g[gamma], g[beta], y1, x1, p[gamma], p[beta])
		conv.BackwardFilter(g[kernel], g[bias], x1, x)
		sgd.Step(net.params, state, net.grads)
	})
	return net
}

func (n *network) run(t testing.TB) {
	n.steps++
	if err := n.step.Run(backend.StepValues{LearningRate: 0.01, Step: n.steps}); err != nil {
		t.Fatal(err)
	}
}

// eachStep runs f for each level and precision whose kernels differ.
func eachStep(t *testing.T, f func(t *testing.T, o Options)) {
	for _, level := range ops.FloatLevels() {
		t.Run(level.String(), func(t *testing.T) { f(t, Options{Level: level}) })
	}
	for _, level := range ops.Levels() {
		t.Run("bf16/"+level.String(), func(t *testing.T) { f(t, Options{Level: level, BF16: true}) })
	}
}

func TestResultsDoNotDependOnThreads(t *testing.T) {
	eachStep(t, func(t *testing.T, o Options) {
		var want []float32
		var wantMetrics []backend.StepMetrics
		for _, threads := range []int{1, 2, 3, 5} {
			o.Threads = threads
			n := newNetwork(open(t, o))
			for range 3 {
				n.run(t)
			}
			got := make([]float32, n.params.Shape().Size())
			if err := n.b.Read(got, n.params); err != nil {
				t.Fatal(err)
			}
			metrics := must(n.step.Metrics(nil))
			if want == nil {
				want, wantMetrics = got, metrics
			}
			for i := range got {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) || got[i] != got[i] {
					t.Fatalf("%d threads: parameter %d is %g, with one thread %g", threads, i, got[i], want[i])
				}
			}
			if fmt.Sprint(metrics) != fmt.Sprint(wantMetrics) {
				t.Errorf("%d threads: metrics %v, with one thread %v", threads, metrics, wantMetrics)
			}
		}
	})
}

// TestOneImageDoesNotDependOnThreads has a convolution of which each worker takes so many columns
// that all are busy.
func TestOneImageDoesNotDependOnThreads(t *testing.T) {
	const in, out = 70, 200
	eachStep(t, func(t *testing.T, o Options) {
		var want []float32
		for _, threads := range []int{1, 2, 3, 5} {
			o.Threads = threads
			b := &benchTensors{open(t, o), rand.New(rand.NewPCG(1, 2))}
			p := must(b.Conv2D(backend.Conv2DSpec{N: 1, H: 4, W: 4, In: in, Out: out, Window: tensor.Centered(3), Inference: true, Constant: true}))
			y := b.activation(1, 4, 4, out)
			p.Forward(y, b.activation(1, 4, 4, in), b.kernel(3, 3, in, out), b.parameter(out))
			got := make([]float32, y.Shape().Size())
			if err := b.Read(got, y); err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d threads: other results than with one", threads)
			}
		}
	})
}

func TestStepAllocatesNothing(t *testing.T) {
	eachStep(t, func(t *testing.T, o Options) {
		o.Threads = 2
		n := newNetwork(open(t, o))
		// In so many runs a thread that the runtime may start counts as nothing.
		if allocs := testing.AllocsPerRun(20, func() { n.run(t) }); allocs != 0 {
			t.Errorf("%g allocations a step", allocs)
		}
	})
}
