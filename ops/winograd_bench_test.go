package ops

import (
	"math/rand/v2"
	"testing"
)

// benchWinograd runs f for each shape that F4 or Map2 can compute. It counts the operations of the
// direct algorithm, so a share of the peak may exceed 100 %.
func benchWinograd(b *testing.B, f func(l Level, w Winograd, s ConvShape) (pass func())) {
	benchConv(b, func(l Level, s ConvShape) func() {
		w := F4
		if s.H == 2 {
			w = Map2
		}
		if l == Generic || !w.Fits(s) {
			return nil
		}
		return f(l, w, s)
	})
}

func BenchmarkWinogradForward(b *testing.B) {
	benchWinograd(b, func(l Level, w Winograd, s ConvShape) func() {
		rng := rand.New(rand.NewPCG(1, 2))
		pixels := s.N * s.H * s.W
		x, y, kernel := random(rng, pixels*s.In), make([]float32, pixels*s.Out), random(rng, s.taps()*s.In*s.Out)
		jobs := WinogradJobs(w, s, 1)
		u := make([]float32, l.WinogradKernelSize(w, s))
		scratch := make([]float32, max(l.WinogradKernelScratch(), l.WinogradScratch(w, s, jobs)))
		return func() {
			for g := range s.Groups() {
				l.WinogradKernel(u, kernel, w, s, g, false, scratch)
			}
			for i := range jobs {
				l.WinogradForward(y, x, u, w, s, &jobs[i], Product{}, scratch)
			}
		}
	})
}

func BenchmarkWinogradBackwardFilter(b *testing.B) {
	benchWinograd(b, func(l Level, w Winograd, s ConvShape) func() {
		rng := rand.New(rand.NewPCG(1, 2))
		pixels := s.N * s.H * s.W
		x, dy := random(rng, pixels*s.In), random(rng, pixels*s.Out)
		jobs, splits := w.FilterJobs(s, 1)
		dw := make([][]float32, splits)
		for i := range dw {
			dw[i] = make([]float32, s.taps()*s.In*s.Out)
		}
		scratch := make([]float32, l.WinogradFilterScratch(w, s, jobs))
		return func() {
			for i := range jobs {
				l.WinogradBackwardFilter(dw[jobs[i].Split], dy, x, w, s, &jobs[i], scratch)
			}
			for _, partial := range dw[1:] {
				Add(dw[0], partial)
			}
		}
	})
}

// The transforms alone, of a block of 48 rows and 64 channels. Loads and stores limit them, so the
// figure to watch is GB/s read and written.
func BenchmarkWinogradTransform(b *testing.B) {
	const rows, n = 48, 64
	for _, w := range []Winograd{F4, F2, Map2} {
		for k, name := range []string{"input", "output", "gradient", "kernel", "fromKernel"} {
			from, to := w.sides(transform(k))
			var src, dst planes
			src.evenly(make([]float32, from*from*planeStride(rows*n)), from*from, planeStride(rows*n))
			dst.evenly(make([]float32, to*to*planeStride(rows*n)), to*to, planeStride(rows*n))
			tmp := make([]float32, tmpSize)
			for _, l := range FloatLevels() {
				b.Run(w.String()+"/"+name+"/"+l.String(), func(b *testing.B) {
					b.SetBytes(4 * rows * n * int64(from*from+to*to))
					for b.Loop() {
						l.apply(w, transform(k), &dst, &src, rows, n, n, n, 0, tmp)
					}
				})
			}
		}
	}
}
