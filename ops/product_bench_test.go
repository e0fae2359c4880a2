package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lamina-go/lamina/internal/fmapeak"
	"github.com/lamina-go/lamina/tensor"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// reportSpeed reports the speed of b's loop, with flop floating-point operations an iteration, also
// as a share of the peak of one core.
func reportSpeed(b *testing.B, flop, peak float64) {
	speed := flop * float64(b.N) / b.Elapsed().Seconds() / 1e9
	b.ReportMetric(speed, "GFLOP/s")
	b.ReportMetric(100*speed/peak, "%peak")
}

// peaks measures the peak of one core at every level.
func peaks() map[Level]float64 {
	peak := map[Level]float64{}
	for _, l := range FloatLevels() {
		peak[l] = fmapeak.Measure(l.String(), 1)
	}
	return peak
}

func BenchmarkGemm(b *testing.B) {
	peak := peaks()
	for _, s := range []struct{ m, n, k int }{
		{512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048},
		{128, 4096, 512}, {128, 4096, 4096}, {128, 10, 4096}, // the dense layers
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		a, bm, c := random(rng, s.m*s.k), random(rng, s.k*s.n), make([]float32, s.m*s.n)
		bytes := int64(4 * (len(a) + len(bm) + len(c)))
		name := fmt.Sprintf("%dx%dx%d", s.m, s.n, s.k)
		flop := 2 * float64(s.m) * float64(s.n) * float64(s.k)
		for _, l := range FloatLevels() {
			if l == Generic {
				continue // that is gonum
			}
			b.Run(name+"/"+l.String(), func(b *testing.B) {
				scratch := make([]float32, l.GemmScratch(s.m, s.n, s.k))
				b.SetBytes(bytes)
				for b.Loop() {
					l.Gemm(c, s.n, Matrix{a, s.k, 1}, Matrix{bm, s.n, 1}, s.m, s.n, s.k, Epilogue{}, scratch)
				}
				reportSpeed(b, flop, peak[l])
			})
		}
		b.Run(name+"/gonum", func(b *testing.B) { // on all cores
			b.SetBytes(bytes)
			for b.Loop() {
				gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, s.m, s.n, s.k, 1, a, s.k, bm, s.n, 0, c, s.n)
			}
			reportSpeed(b, flop, peak[FloatLevels()[len(FloatLevels())-1]])
		})
	}
}

// benchShapes are the 3x3 convolutions of VGG at batch 128.
var benchShapes = []struct {
	name  string
	shape ConvShape
}{
	{"block1_conv1", ConvShape{128, 32, 32, 3, 64, tensor.Centered(3)}},
	{"block1_conv2", ConvShape{128, 32, 32, 64, 64, tensor.Centered(3)}},
	{"block2_conv1", ConvShape{128, 16, 16, 64, 128, tensor.Centered(3)}},
	{"block2_conv2", ConvShape{128, 16, 16, 128, 128, tensor.Centered(3)}},
	{"block3_conv1", ConvShape{128, 8, 8, 128, 256, tensor.Centered(3)}},
	{"block3_conv2", ConvShape{128, 8, 8, 256, 256, tensor.Centered(3)}},
	{"block4_conv1", ConvShape{128, 4, 4, 256, 512, tensor.Centered(3)}},
	{"block4_conv2", ConvShape{128, 4, 4, 512, 512, tensor.Centered(3)}},
	{"block5_conv1", ConvShape{128, 2, 2, 512, 512, tensor.Centered(3)}},
}

// usefulFlop returns the operations of a pass, without those on padding.
func usefulFlop(s ConvShape) float64 {
	taps := 0
	p := s.forward()
	for _, b := range p.blocks(1, false) {
		taps += b.rows * len(b.segs)
	}
	return 2 * float64(taps) * float64(s.In) * float64(s.Out)
}

// benchConv runs f for each shape and level, on one core. f returns nil if the algorithm does not
// exist.
func benchConv(b *testing.B, f func(l Level, s ConvShape) (pass func())) {
	peak := peaks()
	for _, v := range benchShapes {
		for _, l := range FloatLevels() {
			b.Run("vgg16/"+v.name+"/"+l.String(), func(b *testing.B) {
				s := v.shape
				pass := f(l, s)
				if pass == nil {
					b.Skip("no such algorithm")
				}
				b.SetBytes(int64(4 * (s.N*s.H*s.W*(s.In+s.Out) + s.taps()*s.In*s.Out)))
				for b.Loop() {
					pass()
				}
				reportSpeed(b, usefulFlop(s), peak[l])
			})
		}
	}
}

func BenchmarkConvForward(b *testing.B) {
	benchConv(b, func(l Level, s ConvShape) func() { return forwardPass(Direct, l, s) })
}

func BenchmarkConvBackwardData(b *testing.B) {
	benchConv(b, func(l Level, s ConvShape) func() {
		rng := rand.New(rand.NewPCG(1, 2))
		dx, dy, kernel := make([]float32, s.N*s.H*s.W*s.In), random(rng, s.rows()*s.Out), random(rng, s.depth()*s.Out)
		return benchPass(Direct.InputGradient(l, s, 1), dx, dy, kernel)
	})
}

func BenchmarkConvBackwardFilter(b *testing.B) {
	benchConv(b, func(l Level, s ConvShape) func() { return kernelGradient(Direct, l, s) })
}

func forwardPass(a ConvAlgorithm[float32], l Level, s ConvShape) func() {
	rng := rand.New(rand.NewPCG(1, 2))
	x, y, kernel := random(rng, s.N*s.H*s.W*s.In), make([]float32, s.rows()*s.Out), random(rng, s.depth()*s.Out)
	return benchPass(a.Forward(l, s, 1), y, x, kernel)
}

func kernelGradient(a ConvAlgorithm[float32], l Level, s ConvShape) func() {
	rng := rand.New(rand.NewPCG(1, 2))
	x, dy := random(rng, s.N*s.H*s.W*s.In), random(rng, s.rows()*s.Out)
	return benchGradient(a.KernelGradient(l, s, 1), s.depth()*s.Out, dy, x)
}
