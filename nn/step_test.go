package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// Steps of networks small enough to be computed here by the formulas, in float64: with which
// optimizer and which normalization a network trains is known to no other test but those that need
// golden data.

// smallData returns n images of 2x2 pixels and 2 channels, 8 values within ±1 of one class in
// three.
func smallData(n int) *Images {
	d := &Images{Height: 2, Width: 2, Channels: 2, NumClasses: 3}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		d.Labels = append(d.Labels, float32(i%3))
		for range 8 {
			d.Pixels = append(d.Pixels, 2*r.Float32()-1)
		}
	}
	return d
}

func newSmallTrainer(t *testing.T, b backend.Backend, d *Images, layers ...Layer) *Trainer {
	t.Helper()
	net := mustBuild(t, Sequential{Input: tensor.Shape{2, 2, 2}, Classes: 3, Layers: layers})
	return newTrainer(t, b, net, Config{Data: d, Validation: d, Batch: d.Len(), Schedule: Constant(0), Momentum: 0.9, Init: GlorotUniform(), Seed: 3})
}

// wideWeight returns the values of a weight.
func wideWeight(t *testing.T, m *Model, name string) []float64 {
	t.Helper()
	values, err := m.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return wide(values)
}

func wide(x []float32) (y []float64) {
	for _, v := range x {
		y = append(y, float64(v))
	}
	return y
}

func expectWeight(t *testing.T, m *Model, name string, want []float64, tolerance float64) {
	t.Helper()
	got := wideWeight(t, m, name)
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tolerance) {
			t.Errorf("%s[%d] is %v, want %v", name, i, got[i], want[i])
		}
	}
}

// probabilities returns the softmax of x·w + b for 8 values and 3 classes.
func probabilities(x, w, b []float64) (p [3]float64) {
	var sum float64
	for c := range p {
		z := b[c]
		for i, v := range x {
			z += v * w[3*i+c]
		}
		p[c] = math.Exp(z)
		sum += p[c]
	}
	for c := range p {
		p[c] /= sum
	}
	return p
}

// The optimizer is stochastic gradient descent with Nesterov momentum, and the kernel decays but
// not the bias.
func TestStepOfOptimizer(t *testing.T) {
	const n, momentum, l2 = 4, 0.9, 0.1
	d := smallData(n)
	onBackends(t, func(t *testing.T, b backend.Backend) {
		trainer := newSmallTrainer(t, b, d, Flatten{}, Dense{Name: "fc", Units: 3, L2: l2})
		w, bias := wideWeight(t, trainer.Model, "fc/kernel"), wideWeight(t, trainer.Model, "fc/bias")
		vw, vb := make([]float64, len(w)), make([]float64, len(bias))
		for _, rate := range []float64{0.1, 0.05} {
			trainer.config.Schedule = Constant(rate)
			stepMetrics(t, trainer, d, n)
			gw, gb := make([]float64, len(w)), make([]float64, len(bias))
			for k, x := range slices.Collect(slices.Chunk(wide(d.Pixels), 8)) {
				p := probabilities(x, w, bias)
				p[int(d.Labels[k])]--
				for c, v := range p {
					gb[c] += v / n
					for i := range x {
						gw[3*i+c] += x[i] * v / n
					}
				}
			}
			step := func(w, v, g []float64, lambda float64) {
				for i := range w {
					d := g[i] + 2*lambda*w[i]
					v[i] = momentum*v[i] - rate*d
					w[i] += momentum*v[i] - rate*d
				}
			}
			step(w, vw, gw, l2)
			step(bias, vb, gb, 0)
		}
		// A logit is a sum of 8 products below 1, rounded as often: it is off by 64 roundings at
		// most, the probabilities and so the gradient by half of that, of which a step takes 0.19
		// to the weights. There are two, which round values below 2 a few times themselves.
		const tolerance = 32 * 0x1p-24
		expectWeight(t, trainer.Model, "fc/kernel", w, tolerance)
		expectWeight(t, trainer.Model, "fc/bias", bias, tolerance)
	})
}

// Without settings the running statistics move by a hundredth and 0.001 is added to the variance,
// which is measured without bias for images, and with it for vectors, as Keras 2 does.
func TestStepOfBatchNorm(t *testing.T) {
	const n = 3
	d := smallData(n)
	for name, c := range map[string]struct {
		first, second Layer
		channels      int
		unbiased      bool
	}{
		"images":  {BatchNorm{Name: "bn"}, Flatten{}, 2, true},
		"vectors": {Flatten{}, BatchNorm{Name: "bn"}, 8, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := float64(n * 8 / c.channels) // values of a channel
			mean, variance := make([]float64, c.channels), make([]float64, c.channels)
			for i, v := range wide(d.Pixels) {
				mean[i%c.channels] += v / m
			}
			normalized := wide(d.Pixels)
			for i := range normalized {
				normalized[i] -= mean[i%c.channels]
				variance[i%c.channels] += normalized[i] * normalized[i] / m
			}
			for i := range normalized {
				normalized[i] /= math.Sqrt(variance[i%c.channels] + 1e-3)
			}
			for i := range variance { // the running statistics start at 0 and 1
				if c.unbiased {
					variance[i] *= m / (m - 1)
				}
				mean[i], variance[i] = 0.01*mean[i], 0.99+0.01*variance[i]
			}
			onBackends(t, func(t *testing.T, b backend.Backend) {
				trainer := newSmallTrainer(t, b, d, c.first, c.second, Dense{Name: "fc", Units: 3})
				w, bias := wideWeight(t, trainer.Model, "fc/kernel"), wideWeight(t, trainer.Model, "fc/bias")
				var loss float64
				for k, x := range slices.Collect(slices.Chunk(normalized, 8)) {
					loss -= math.Log(probabilities(x, w, bias)[int(d.Labels[k])]) / n
				}
				got := stepMetrics(t, trainer, d, n).Loss
				// A normalized number is within about ±2 and off by 8 roundings of that, and 8 more
				// come with the products and their sum: a logit is off by 8·16 of 2, and the loss
				// by twice as much.
				if !(math.Abs(got-loss) <= 2*8*16*2*0x1p-24) {
					t.Errorf("loss %v, want %v", got, loss)
				}
				// The statistics are sums of a hundredth of what is below 1 and of the old one,
				// rounded three times.
				expectWeight(t, trainer.Model, "bn/moving_mean", mean, 4*0x1p-24)
				expectWeight(t, trainer.Model, "bn/moving_variance", variance, 4*0x1p-24)
			})
		})
	}
}
