package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
)

const (
	// workerCache is about how many elements a core keeps in L2 and its share of L3.
	workerCache = 1 << 19
	// weightReads is how much more a forward pass should read and write of activations than of
	// weights. Winograd's kernels are four times as large.
	weightReads = 16
	// fewImages fill the microkernels of most layers.
	fewImages = 16
)

// InferenceBatch halves the number of images while the largest layer does not fit into the caches of
// all workers. It stops where reading the weights more often would cost more than it saves, and
// where another algorithm would round differently.
func (b *Backend) InferenceBatch(s backend.InferenceSpec) int {
	n := s.N
	for n%2 == 0 && n/2 >= fewImages && n*s.Largest > workerCache*b.pool.workers &&
		n/2*s.Activations >= weightReads*s.Weights && b.alike(s, n/2) {
		n /= 2
	}
	return n
}

// alike reports whether n images are computed by the algorithms that s.N are.
func (b *Backend) alike(s backend.InferenceSpec, n int) bool {
	if b.bf16 {
		return true // there is one algorithm
	}
	for _, c := range s.Convolutions {
		few := convShape(c)
		few.N = n
		if b.convAlgorithm(passConstant, convShape(c)) != b.convAlgorithm(passConstant, few) {
			return false
		}
	}
	return true
}

func convShape(s backend.Conv2DSpec) ops.ConvShape {
	return ops.ConvShape{N: s.N, H: s.H, W: s.W, In: s.In, Out: s.Out, Window: s.Window}
}
