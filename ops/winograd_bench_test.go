package ops

import "testing"

// benchWinograd runs f with F4 or Map2 for each shape that they fit. As for the direct algorithm,
// operations are those on pixels of the image: a share of the peak may pass 100 %.
func benchWinograd(b *testing.B, f func(a ConvAlgorithm[float32], l Level, s ConvShape) (pass func())) {
	benchConv(b, func(l Level, s ConvShape) func() {
		w := F4
		if s.H == 2 {
			w = Map2
		}
		if l == Generic || !w.Fits(s) {
			return nil
		}
		return f(w, l, s)
	})
}

func BenchmarkWinogradForward(b *testing.B) { benchWinograd(b, forwardPass) }

func BenchmarkWinogradBackwardFilter(b *testing.B) { benchWinograd(b, kernelGradient) }

// The transforms alone, of a block of 48 rows and 64 channels: they are bound by loads and stores,
// so GB/s of what they read and write shows how well they do.
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
