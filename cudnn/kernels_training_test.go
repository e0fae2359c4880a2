//go:build cudnn && cgo && linux

package cudnn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// metrics are three slots, of which the second is that of the step.
func (m *machine) metrics(s stepState) ([]stepState, []stepMetrics) {
	s.slot = 1
	state, metrics := []stepState{s}, []stepMetrics{{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}}
	one := geometry{[3]uint32{1, 1, 1}, [3]uint32{1, 1, 1}}
	m.launch("step_begin", one, metrics, state)
	m.Cleanup(func() {
		if metrics[0] != (stepMetrics{1, 2, 3, 4}) || metrics[2] != (stepMetrics{9, 10, 11, 12}) {
			m.Errorf("metrics of other steps changed: %v", metrics)
		}
	})
	if metrics[1] != (stepMetrics{}) {
		m.Errorf("step_begin leaves %v", metrics[1])
	}
	return state, metrics
}

func TestLossKernels(t *testing.T) {
	each(t, func(m *machine) {
		rng := rand.New(rand.NewPCG(6, 6))
		for _, n := range []int{1, 2, 33, 128, 300} {
			for _, classes := range []int{1, 2, 10, 32, 33, 100} {
				for _, scale := range []float64{1.5, 60, 1e4} {
					logits, labels := make([]float32, n*classes), make([]float32, n)
					for i := range logits {
						logits[i] = float32(rng.NormFloat64() * scale)
						if i%7 == 0 { // equal ones, also of the largest
							logits[i] = float32(2 * scale)
						}
					}
					for i := range labels {
						labels[i] = float32(rng.IntN(classes))
					}
					m.loss(backend.LossSpec{N: n, Classes: classes}, m.rounded(logits), labels, nil)
				}
			}
		}
		m.loss(backend.LossSpec{N: 5, Classes: 3}, []float32{1, 1, 0, 1, 1, 0, 0, 2, 2, 0, 2, 2, 3, 3, 3},
			[]float32{0, 1, 1, 2, 0}, nil)
		m.loss(backend.LossSpec{N: 2, Classes: 3}, []float32{100, 0, -100, -100, -100, -100}, []float32{2, 1}, nil)
		for _, smoothing := range []float32{0, 0.125} {
			for _, weights := range [][]float32{nil, {0.5, 0, 3}} {
				m.loss(backend.LossSpec{N: 4, Classes: 3, Smoothing: smoothing},
					[]float32{1, 1, 0, 3, -4, 0, 0, 2, 8, 0, 2, 2}, []float32{0, 2, 1, 2}, weights)
				m.loss(backend.LossSpec{N: 5, Classes: 2, Sigmoid: true, Smoothing: smoothing},
					[]float32{1, -3, 0, 40, 1000}, []float32{0, 0, 1, 1, 0}, weights[:min(2, len(weights))])
			}
		}
	})
}

// loss compares the kernels with the reference. weights are those of the classes, or nil.
func (m *machine) loss(spec backend.LossSpec, logits, labels, weights []float32) {
	m.Helper()
	n, classes := spec.N, spec.Classes
	ref, shape := newReference(m.T), tensor.Shape{n, len(logits) / n}
	var gw any
	if len(weights) > 0 {
		spec.Weights = ref.tensor(tensor.Shape{classes}, weights)
		gw = m.floatsAt(weights, 1)
	}
	plan, err := ref.Loss(spec)
	if err != nil {
		m.Fatal(err)
	}
	rx, rl, rd := ref.tensor(shape, logits), ref.tensor(tensor.Shape{n}, labels), ref.tensor(shape, nil)
	want := ref.run(backend.StepValues{}, func() { plan.Forward(rx, rl); plan.Backward(rd, rx, rl) })
	wantD := ref.read(rd)

	state, metrics := m.metrics(stepState{})
	x, gl := m.activations(logits), m.floatsAt(labels, 1)
	g := geometry{[3]uint32{uint32(n), 1, 1}, [3]uint32{32, 1, 1}}
	m.launch("loss", g, metrics, state, x, gl, gw, make([]float64, n), make([]int32, n), m.counters, n,
		classes, spec.Sigmoid, spec.Smoothing)
	got := metrics[1]
	if int(got.images) != n || int(got.correct) != want.Correct || got.penalty != 0 || !(math.Abs(got.loss-want.Loss) <= 1e-12*(1+want.Loss)) {
		m.Errorf("%+v: measured %+v, want %+v", spec, got, want)
	}
	m.launch("loss_grad", g, x, x, gl, gw, n, classes, spec.Sigmoid, spec.Smoothing) // in the place of the logits; p − 1 is rounded as a double near 1
	near(m.T, "dlogits", x.read(), wantD, func(i int) float64 { return m.unit*math.Abs(float64(wantD[i])) + 0x1p-50 })
}

// A label that is no class spoils the loss and reads nothing; a NaN among logits is never right.
func TestLossOfBadRows(t *testing.T) {
	each(t, func(m *machine) {
		for _, label := range []float32{-1, 3, 1e9, float32(math.NaN())} {
			state, metrics := m.metrics(stepState{})
			g := geometry{[3]uint32{2, 1, 1}, [3]uint32{32, 1, 1}}
			labels := m.floats([]float32{0, label})
			m.launch("loss", g, metrics, state, m.activations([]float32{2, 1, 0, 2, 1, 0}), labels,
				m.floats([]float32{1, 1, 1}),
				make([]float64, 2), make([]int32, 2), m.counters, 2, 3, false, float32(0))
			if got := metrics[1]; got.loss == got.loss || got.correct > 1 && label != label {
				m.Errorf("label %g: measured %+v", label, got)
			}
		}
		state, metrics := m.metrics(stepState{})
		nan := float32(math.NaN())
		x := m.activations([]float32{nan, 1, 0, 0, 1, nan})
		g := geometry{[3]uint32{2, 1, 1}, [3]uint32{32, 1, 1}}
		labels := m.floats([]float32{0, 2})
		m.launch("loss", g, metrics, state, x, labels, nil, make([]float64, 2), make([]int32, 2), m.counters,
			2, 3, false, float32(0))
		if got := metrics[1]; got.loss == got.loss || got.correct != 0 {
			m.Errorf("logits with NaN: measured %+v", got)
		}
		m.launch("loss_grad", g, x, x, labels, nil, 2, 3, false, float32(0))
		for i, v := range x.read() {
			if v == v {
				m.Errorf("gradient %d of a row with NaN is %g", i, v)
			}
		}
	})
}

// Steps are, to the bit, those of package ops without assembly, which rounds as Keras does.
func TestSGDKernels(t *testing.T) {
	var many []paramRange
	for i := range int64(600) { // more than the last block has threads
		many = append(many, paramRange{40 * i, 40, float32(i%3) / 100})
	}
	each(t, func(m *machine) {
		for _, c := range []struct {
			size, offset int
			ranges       []paramRange
		}{
			{1, 0, []paramRange{{0, 1, 0.5}}},
			{33, 0, []paramRange{{0, 33, 0}}},
			{1023, 0, []paramRange{{0, 5, 0}, {5, 17, 0.0005}, {22, 1, 0.1}, {23, 1000, 0.001}}},
			{1023, 3, []paramRange{{0, 1000, 0.01}, {1000, 23, 0}}},
			{
				40000,
				0,
				[]paramRange{{0, 16384, 0.0005}, {16384, 3616, 0.0005}, {20000, 12, 0}, {20012, 16384, 0.01},
					{36396, 3604, 0}},
			},
			{24000, 0, many},
		} {
			for _, nesterov := range []bool{true, false} {
				m.sgd(c.size, c.offset, c.ranges, nesterov)
			}
		}
	})
}

func (m *machine) sgd(size, offset int, ranges []paramRange, nesterov bool) {
	m.Helper()
	const rate, momentum = 0.03, 0.9
	rng := rand.New(rand.NewPCG(7, uint64(size)))
	normal := func(scale float64) []float32 {
		x := make([]float32, size)
		for i := range x {
			x[i] = float32(rng.NormFloat64() * scale)
		}
		return x
	}
	w, v, g := normal(0.1), normal(0.01), normal(1)
	gw, gv, gg := m.floatsAt(w, offset), m.floatsAt(v, offset), m.floatsAt(g, offset)
	generic := ops.Levels()[0]
	for range 3 {
		var penalty float64
		for _, p := range ranges {
			from, to := p.from, p.from+int64(p.size)
			squares := generic.SGD(w[from:to], v[from:to], g[from:to],
				ops.SGD{LearningRate: rate, Momentum: momentum, Lambda: p.lambda, Nesterov: nesterov})
			penalty += float64(p.lambda) * squares
		}
		state, metrics := m.metrics(stepState{rate: rate})
		grid := geometry{[3]uint32{uint32(len(ranges)), 1, 1}, [3]uint32{256, 1, 1}}
		m.launch("penalty", grid, gw, ranges, make([]float64, len(ranges)), metrics, state, m.counters)
		measured := metrics[1].penalty
		m.launch("sgd_step", grid, gw, gv, gg, ranges, make([]float64, len(ranges)), metrics, state,
			m.counters, float32(momentum), nesterov)
		name := fmt.Sprintf("%d parameters from %d, nesterov %t", size, offset, nesterov)
		same(m.T, "w of "+name, gw.values, w)
		same(m.T, "v of "+name, gv.values, v)
		same(m.T, "g of "+name, gg.values, g)
		// A thread adds up to 64 squares in float.
		if got := metrics[1].penalty - measured; !(math.Abs(measured-penalty) <= 32*0x1p-24*penalty) || !(math.Abs(got-penalty) <= 32*0x1p-24*penalty) {
			m.Errorf("penalty of %s is %g and %g, want %g", name, measured, got, penalty)
		}
	}
}

// TestAdamWKernel compares steps with the reference: the roundings of float, of no more than all
// that is added up.
func TestAdamWKernel(t *testing.T) {
	each(t, func(m *machine) {
		for _, spec := range []backend.AdamWSpec{
			{Size: 1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7},
			{Size: 5003, Decay: []backend.Decay{{Offset: 3, Size: 4500, Lambda: 0.01}}, Beta1: 0.9,
				Beta2: 0.999, Epsilon: 1e-7, WeightDecay: 0.05},
			{Size: 33, Beta1: 0, Beta2: 0.5, Epsilon: 1e-3, WeightDecay: 1},
		} {
			for _, step := range []uint64{0, 1, 1000} {
				m.adamw(spec, step)
			}
		}
	})
}

func (m *machine) adamw(spec backend.AdamWSpec, step uint64) {
	m.Helper()
	const rate, u = 0.01, 0x1p-24
	rng := rand.New(rand.NewPCG(11, uint64(spec.Size)))
	normal := func(scale float64) []float32 {
		x := make([]float32, spec.Size)
		for i := range x {
			x[i] = float32(rng.NormFloat64() * scale)
		}
		return x
	}
	w, first, second, g := normal(0.1), normal(0.1), normal(1), normal(1)
	for i, v := range second {
		second[i] = v * v
	}
	ref, shape := newReference(m.T), tensor.Shape{spec.Size}
	plan, err := ref.AdamW(spec)
	if err != nil {
		m.Fatal(err)
	}
	rw, rm, rv, rg := ref.tensor(shape, w), ref.tensor(shape, first), ref.tensor(shape, second), ref.tensor(shape, g)
	want := ref.run(backend.StepValues{LearningRate: rate, Step: step}, func() {
		plan.Step(rw,
			[]tensor.Tensor{rm, rv}, rg)
	})

	ranges := split(spec.Size, spec.Decay)
	state, metrics := m.metrics(stepState{rate: rate, step: step})
	gw, gm, gv, gg := m.floatsAt(w, 1), m.floatsAt(first, 2), m.floatsAt(second, 3), m.floatsAt(g, 1)
	m.launch("adamw_step", geometry{[3]uint32{uint32(len(ranges)), 1, 1}, [3]uint32{256, 1, 1}}, gw, gm, gv,
		gg, ranges, make([]float64, len(ranges)),
		metrics, state, m.counters, spec.Beta1, spec.Beta2, spec.Epsilon, spec.WeightDecay)
	size := func(i int) float64 { return math.Abs(float64(g[i])) + 0.1*math.Abs(float64(w[i])) }
	near(m.T, "g", gg.values, g, exact)
	near(m.T, "m", gm.values, ref.read(rm),
		func(i int) float64 { return 8 * u * (size(i) + math.Abs(float64(first[i]))) })
	near(m.T, "v", gv.values, ref.read(rv),
		func(i int) float64 { return 8 * u * (size(i)*size(i) + float64(second[i])) })
	newM, newV := ref.read(rm), ref.read(rv)
	bias := math.Sqrt(1-math.Pow(float64(spec.Beta2), float64(step+1))) / (1 - math.Pow(float64(spec.Beta1), float64(step+1)))
	near(m.T, "w", gw.values, ref.read(rw), func(i int) float64 {
		root := math.Sqrt(float64(newV[i])) + float64(spec.Epsilon)
		// m has the error above, and that of v is a relative one of no more than 8·(d² + v)/v units.
		ofM := 8 * u * (size(i) + math.Abs(float64(first[i])))
		ofV := 8 * u * (size(i)*size(i) + float64(second[i])) / max(float64(newV[i]), 1e-30)
		return 4*u*math.Abs(float64(w[i])) + rate*bias*(ofM+math.Abs(float64(newM[i]))*(8*u+ofV))/root
	})
	if got := metrics[1].penalty; !(math.Abs(got-want.Penalty) <= 64*u*want.Penalty) {
		m.Errorf("penalty %g, want %g", got, want.Penalty)
	}
}

// same fails the test unless got is want to the bit.
func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d is %g, want %g to the bit", what, i, got[i], want[i])
		}
	}
}

// Batches are, to the bit, those of package cifar.
func TestAugmentKernel(t *testing.T) {
	const count = 24
	rng := rand.New(rand.NewPCG(8, 8))
	images := cifar.Images{Pixels: make([]byte, count*3072), Labels: make([]int32, count)}
	for i := range images.Pixels {
		images.Pixels[i] = byte(rng.Uint32())
	}
	for i := range images.Labels {
		images.Labels[i] = int32(rng.IntN(10))
	}
	norm := cifar.MeanOnly()
	norm.Std = [3]float32{1, 2, 58.5}
	each(t, func(m *machine) {
		for _, augmentation := range []cifar.Augmentation{cifar.None, cifar.WholePixel, cifar.SubPixel,
			cifar.AlternatingFlip, {Flip: true, Shift: 0.2, Crop: 4, Zeros: true}} {
			loader := &cifar.Loader{Images: images, NumClasses: 10, Normalization: norm,
				Augmentation: augmentation, Seed: 9}
			pixels, values := loader.Stored()
			for epoch := range 3 {
				for samples, labels := range loader.Samples(epoch, 0, count) {
					for want, wantLabels := range loader.Batches(epoch, 0, count) {
						y := m.activations(fill(count*3072, 5))
						m.launch("augment", geometry{[3]uint32{count, 1, 1}, [3]uint32{256, 1, 1}}, y, pixels,
							values, samples, cifar.Size, cifar.Size, cifar.Channels)
						near(m.T, fmt.Sprintf("images with %v", augmentation), y.read(), m.rounded(want), exact)
						near(m.T, "labels", labels, wantLabels, exact)
					}
				}
			}
		}
	})
}
