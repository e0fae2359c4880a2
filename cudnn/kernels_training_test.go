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
					m.loss(n, classes, m.rounded(logits), labels)
				}
			}
		}
		m.loss(5, 3, []float32{1, 1, 0, 1, 1, 0, 0, 2, 2, 0, 2, 2, 3, 3, 3}, []float32{0, 1, 1, 2, 0})
		m.loss(2, 3, []float32{100, 0, -100, -100, -100, -100}, []float32{2, 1})
	})
}

func (m *machine) loss(n, classes int, logits, labels []float32) {
	m.Helper()
	ref, shape := newReference(m.T), tensor.Shape{n, classes}
	plan, err := ref.Loss(backend.LossSpec{N: n, Classes: classes})
	if err != nil {
		m.Fatal(err)
	}
	rx, rl, rd := ref.tensor(shape, logits), ref.tensor(tensor.Shape{n}, labels), ref.tensor(shape, nil)
	want := ref.run(backend.StepValues{}, func() { plan.Forward(rx, rl); plan.Backward(rd, rx, rl) })
	wantD := ref.read(rd)

	state, metrics := m.metrics(stepState{})
	x, gl := m.activations(logits), m.floatsAt(labels, 1)
	g := geometry{[3]uint32{uint32(n), 1, 1}, [3]uint32{32, 1, 1}}
	m.launch("softmax_loss", g, metrics, state, x, gl, make([]float64, n), make([]int32, n), m.counters, n, classes)
	got := metrics[1]
	if int(got.images) != n || int(got.correct) != want.Correct || got.penalty != 0 || !(math.Abs(got.loss-want.Loss) <= 1e-12*(1+want.Loss)) {
		m.Errorf("%d rows of %d: measured %+v, want %+v", n, classes, got, want)
	}
	m.launch("softmax_grad", g, x, x, gl, n, classes) // in the place of the logits; p − 1 is rounded as a double near 1
	near(m.T, "dlogits", x.read(), wantD, func(i int) float64 { return m.unit*math.Abs(float64(wantD[i])) + 0x1p-50 })
}

// A label that is no class spoils the loss and reads nothing; a NaN among logits is never right.
func TestLossOfBadRows(t *testing.T) {
	each(t, func(m *machine) {
		for _, label := range []float32{-1, 3, 1e9, float32(math.NaN())} {
			state, metrics := m.metrics(stepState{})
			g := geometry{[3]uint32{2, 1, 1}, [3]uint32{32, 1, 1}}
			labels := m.floats([]float32{0, label})
			m.launch("softmax_loss", g, metrics, state, m.activations([]float32{2, 1, 0, 2, 1, 0}), labels, make([]float64, 2), make([]int32, 2), m.counters, 2, 3)
			if got := metrics[1]; got.loss == got.loss || got.correct > 1 && label != label {
				m.Errorf("label %g: measured %+v", label, got)
			}
		}
		state, metrics := m.metrics(stepState{})
		nan := float32(math.NaN())
		x := m.activations([]float32{nan, 1, 0, 0, 1, nan})
		g := geometry{[3]uint32{2, 1, 1}, [3]uint32{32, 1, 1}}
		labels := m.floats([]float32{0, 2})
		m.launch("softmax_loss", g, metrics, state, x, labels, make([]float64, 2), make([]int32, 2), m.counters, 2, 3)
		if got := metrics[1]; got.loss == got.loss || got.correct != 0 {
			m.Errorf("logits with NaN: measured %+v", got)
		}
		m.launch("softmax_grad", g, x, x, labels, 2, 3)
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
			{40000, 0, []paramRange{{0, 16384, 0.0005}, {16384, 3616, 0.0005}, {20000, 12, 0}, {20012, 16384, 0.01}, {36396, 3604, 0}}},
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
			squares := generic.SGD(w[from:to], v[from:to], g[from:to], ops.SGD{LearningRate: rate, Momentum: momentum, Lambda: p.lambda, Nesterov: nesterov})
			penalty += float64(p.lambda) * squares
		}
		state, metrics := m.metrics(stepState{rate: rate})
		grid := geometry{[3]uint32{uint32(len(ranges)), 1, 1}, [3]uint32{256, 1, 1}}
		m.launch("penalty", grid, gw, ranges, make([]float64, len(ranges)), metrics, state, m.counters)
		measured := metrics[1].penalty
		m.launch("sgd_step", grid, gw, gv, gg, ranges, make([]float64, len(ranges)), metrics, state, m.counters, float32(momentum), nesterov)
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
		for _, augmentation := range []cifar.Augmentation{cifar.None, cifar.WholePixel, cifar.SubPixel} {
			loader := &cifar.Loader{Images: images, NumClasses: 10, Normalization: norm, Augmentation: augmentation, Seed: 9}
			pixels, values := loader.Stored()
			for epoch := range 3 {
				for samples, labels := range loader.Samples(epoch, 0, count) {
					for want, wantLabels := range loader.Batches(epoch, 0, count) {
						y := m.activations(fill(count*3072, 5))
						m.launch("augment", geometry{[3]uint32{count, 1, 1}, [3]uint32{256, 1, 1}}, y, pixels, values, samples, cifar.Size, cifar.Size, cifar.Channels)
						near(m.T, fmt.Sprintf("images with %v", augmentation), y.read(), m.rounded(want), exact)
						near(m.T, "labels", labels, wantLabels, exact)
					}
				}
			}
		}
	})
}
