package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// rowsBenchmark has three tensors of the size of VGG's largest activations at batch 128.
type rowsBenchmark struct {
	*testing.B
	rng     *rand.Rand
	a, x, y []float32
}

// run runs f at every level, block by block of 2¹⁵ elements as the engine does. passes is the
// number of tensors that f reads or writes.
func (r *rowsBenchmark) run(name string, passes float64, f func(l Level, a, x, y []float32, n *NormGrad)) {
	for _, cols := range []int{64, 512} {
		for _, l := range FloatLevels() {
			r.Run(fmt.Sprintf("%s/%d/%v", name, cols, l), func(b *testing.B) {
				const block = 1 << 15
				n := &NormGrad{
					Norm: Norm{Mean: random(r.rng, cols), Scale: random(r.rng, cols), Beta: random(r.rng, cols)},
					A:    random(r.rng, cols), B: random(r.rng, cols),
				}
				b.SetBytes(int64(passes * 4 * float64(len(r.x))))
				for b.Loop() {
					for i := 0; i < len(r.x); i += block {
						f(l, r.a[i:i+block], r.x[i:i+block], r.y[i:i+block], n)
					}
				}
			})
		}
	}
}

func BenchmarkElementwise(b *testing.B) {
	const size = 128 * 32 * 32 * 64
	rng := rand.New(rand.NewPCG(1, 2))
	r := &rowsBenchmark{b, rng, random(rng, size), random(rng, size), random(rng, size)}
	sum, product := make([]float32, 512), make([]float32, 512)
	sums := func(n *NormGrad) ([]float32, []float32) { return sum[:len(n.Mean)], product[:len(n.Mean)] }
	keep := make([]byte, 1<<12)
	r.run("ColumnSums", 1, func(l Level, a, x, y []float32, n *NormGrad) {
		s, p := sums(n)
		l.ColumnSums(s, p, x, n.Mean)
	})
	r.run("Normalize", 2, func(l Level, a, x, y []float32, n *NormGrad) { l.Normalize(y, x, &n.Norm) })
	r.run("NormSums", 2, func(l Level, a, x, y []float32, n *NormGrad) {
		s, p := sums(n)
		l.NormSums(s, p, a, x, &n.Norm)
	})
	r.run("NormGrad", 3, func(l Level, a, x, y []float32, n *NormGrad) { l.NormGrad(x, a, x, n) })
	w := Window2x2{1 << 13, 1 << 14}
	r.run("NormalizePool", 1.25, func(l Level, a, x, y []float32, n *NormGrad) {
		l.NormalizePool(y[:1<<13], x, w, &n.Norm)
	})
	r.run("NormPoolSums", 1.25, func(l Level, a, x, y []float32, n *NormGrad) {
		s, p := sums(n)
		l.NormPoolSums(s, p, a[:1<<13], x, w, &n.Norm)
	})
	r.run("NormPoolGrad", 2.25, func(l Level, a, x, y []float32, n *NormGrad) {
		l.NormPoolGrad(x, a[:1<<13], x, w, n)
	})
	r.run("ReLU", 2, func(l Level, a, x, y []float32, n *NormGrad) { l.ReLU(y, x) })
	r.run("ReLUGrad", 3, func(l Level, a, x, y []float32, n *NormGrad) { l.ReLUGrad(x, a, x) })
	r.run("MaxPool", 1.25, func(l Level, a, x, y []float32, n *NormGrad) { l.MaxPool(y[:1<<13], x, w) })
	r.run("MaxPoolGrad", 2.25, func(l Level, a, x, y []float32, n *NormGrad) {
		l.MaxPoolGrad(x, a[:1<<13], x, w)
	})
	r.run("Dropout", 2, func(l Level, a, x, y []float32, n *NormGrad) { l.Dropout(y, x, keep, 2) })
	r.run("SGD", 5, func(l Level, a, x, y []float32, n *NormGrad) {
		l.SGD(x, y, a, SGD{LearningRate: 1e-9, Momentum: 0.9, Lambda: 1e-9, Nesterov: true})
	})
}
