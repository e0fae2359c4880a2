package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// benchmarkRows runs f at every level on activations as of the VGG networks at batch 128,
// block by block of 2¹⁵ numbers as the engine does; passes is how many tensors of that
// size f reads or writes.
func benchmarkRows(b *testing.B, name string, passes float64, f func(l Level, a, x, y []float32, n *NormGrad)) {
	for _, cols := range []int{64, 512} {
		for _, l := range Levels() {
			b.Run(fmt.Sprintf("%s/%d/%v", name, cols, l), func(b *testing.B) {
				const size, block = 128 * 32 * 32 * 64, 1 << 15
				rng := rand.New(rand.NewPCG(1, 2))
				a, x, y := random(rng, size), random(rng, size), make([]float32, size)
				n := &NormGrad{
					Norm: Norm{Mean: random(rng, cols), Scale: random(rng, cols), Beta: random(rng, cols)},
					A:    random(rng, cols), B: random(rng, cols),
				}
				b.SetBytes(int64(passes * 4 * size))
				for b.Loop() {
					for i := 0; i < size; i += block {
						f(l, a[i:i+block], x[i:i+block], y[i:i+block], n)
					}
				}
			})
		}
	}
}

func BenchmarkElementwise(b *testing.B) {
	sum, product := make([]float32, 512), make([]float32, 512)
	sums := func(n *NormGrad) ([]float32, []float32) { return sum[:len(n.Mean)], product[:len(n.Mean)] }
	keep := make([]byte, 1<<12)
	benchmarkRows(b, "ColumnSums", 1, func(l Level, a, x, y []float32, n *NormGrad) {
		s, p := sums(n)
		l.ColumnSums(s, p, x, n.Mean)
	})
	benchmarkRows(b, "Normalize", 2, func(l Level, a, x, y []float32, n *NormGrad) { l.Normalize(y, x, &n.Norm) })
	benchmarkRows(b, "NormSums", 2, func(l Level, a, x, y []float32, n *NormGrad) {
		s, p := sums(n)
		l.NormSums(s, p, a, x, &n.Norm)
	})
	benchmarkRows(b, "NormGrad", 3, func(l Level, a, x, y []float32, n *NormGrad) { l.NormGrad(x, a, x, n) })
	w := Window{1 << 13, 1 << 14}
	benchmarkRows(b, "NormalizePool", 1.25, func(l Level, a, x, y []float32, n *NormGrad) { l.NormalizePool(y[:1<<13], x, w, &n.Norm) })
	benchmarkRows(b, "NormPoolSums", 1.25, func(l Level, a, x, y []float32, n *NormGrad) {
		s, p := sums(n)
		l.NormPoolSums(s, p, a[:1<<13], x, w, &n.Norm)
	})
	benchmarkRows(b, "NormPoolGrad", 2.25, func(l Level, a, x, y []float32, n *NormGrad) { l.NormPoolGrad(x, a[:1<<13], x, w, n) })
	benchmarkRows(b, "ReLU", 2, func(l Level, a, x, y []float32, n *NormGrad) { l.ReLU(y, x) })
	benchmarkRows(b, "ReLUGrad", 3, func(l Level, a, x, y []float32, n *NormGrad) { l.ReLUGrad(x, a, x) })
	benchmarkRows(b, "MaxPool", 1.25, func(l Level, a, x, y []float32, n *NormGrad) { l.MaxPool(y[:1<<13], x, w) })
	benchmarkRows(b, "MaxPoolGrad", 2.25, func(l Level, a, x, y []float32, n *NormGrad) { l.MaxPoolGrad(x, a[:1<<13], x, w) })
	benchmarkRows(b, "Dropout", 2, func(l Level, a, x, y []float32, n *NormGrad) { l.Dropout(y, x, keep, 2) })
	benchmarkRows(b, "SGD", 5, func(l Level, a, x, y []float32, n *NormGrad) {
		l.SGD(x, y, a, SGD{LearningRate: 1e-9, Momentum: 0.9, Lambda: 1e-9, Nesterov: true})
	})
}
