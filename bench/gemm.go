package bench

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/fmapeak"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// products are the m, n, k of large squares, and of the dense layers of VGG at batch 128.
var products = [...][3]int{
	{512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048},
	{128, 4096, 512}, {128, 4096, 4096}, {128, 10, 4096},
}

// printGEMM prints the rate of matrix products: of the kernel on one core, of the engine's dense
// layer on all, and of gonum on one core.
func printGEMM(out *output, peaks map[ops.Level]peak, threads int) error {
	out.title("Matrix product m × k by k × n, float32, GFLOP/s and share of the level's peak",
		"at clock: the median share of the peak measured on one core right after each product,\n"+
			"because some processors lower their clock for products")
	t := out.table(text("m n k", 14), text("level", 8), number("one core", 12), number("at clock", 8),
		number(cores(threads), 12), number("gonum", 8))
	levels := ops.FloatLevels()
	if len(levels) > 1 {
		levels = levels[1:] // gonum stands for the generic one
	}
	for _, s := range products {
		m, n, k := s[0], s[1], s[2]
		flop := 2 * float64(m) * float64(n) * float64(k) / 1e9
		a, b, c := random(m*k), random(k*n), make([]float32, m*n)
		reference := flop / gonumSeconds(a, b, c, m, n, k)
		for _, level := range levels {
			scratch := make([]float32, level.GemmScratch(m, n, k))
			one, atClock := productRate(level, peaks[level].oneCore, flop, func() {
				level.Gemm(c, n, ops.Matrix{Data: a, RowStride: k, ColStride: 1},
					ops.Matrix{Data: b, RowStride: n, ColStride: 1}, m, n, k, ops.Epilogue{}, scratch)
			})
			seconds, err := denseSeconds(level, threads, m, n, k)
			if err != nil {
				return err
			}
			t.row(fmt.Sprint(m, n, k), level.String(), share(one, peaks[level].oneCore),
				fmt.Sprintf("%.0f %%", 100*atClock),
				share(flop/seconds, peaks[level].allCores), fmt.Sprintf("%.1f", reference))
		}
	}
	return nil
}

// productRate returns the rate of the fastest product, of flop billion operations, and the median
// share of the peak measured on one core right after each.
func productRate(level ops.Level, peak, flop float64, product func()) (best, atClock float64) {
	var shares []float64
	repeat(func() {
		start := time.Now()
		product()
		rate := flop / time.Since(start).Seconds()
		best = max(best, rate)
		shares = append(shares, rate/fmapeak.Now(level.String(), peak))
	})
	slices.Sort(shares)
	return best, shares[len(shares)/2]
}

// gonumSeconds returns the time of gonum's product on one core.
func gonumSeconds(a, b, c []float32, m, n, k int) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	return fastest(func() {
		gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1, a, k, b, n, 0, c, n)
	})
}

// denseSeconds returns the time of the forward pass of a dense layer.
func denseSeconds(level ops.Level, threads, m, n, k int) (float64, error) {
	b, err := cpu.Open(cpu.Options{Threads: threads, Level: level})
	if err != nil {
		return 0, err
	}
	defer b.Close()
	plan, err := b.Dense(backend.DenseSpec{N: m, In: k, Out: n})
	if err != nil {
		return 0, err
	}
	t := tensors{backend: b}
	y, x := t.activations(m, n), t.activations(m, k)
	w, bias := t.kernel(k, n), t.parameters(n)
	return t.seconds(func() { plan.Forward(y, x, w, bias) })
}

// random returns normally distributed values.
func random(n int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// tensors allocates tensors of random values, and keeps the first error.
type tensors struct {
	backend backend.Backend
	err     error
}

func (t *tensors) activations(shape ...int) tensor.Tensor {
	return t.fill(t.backend.Activations, shape)
}

func (t *tensors) parameters(shape ...int) tensor.Tensor {
	return t.fill(t.backend.Parameters, shape)
}

// kernel allocates the w of a convolution or a dense layer.
func (t *tensors) kernel(shape ...int) tensor.Tensor {
	return t.fill(func(shape tensor.Shape) (tensor.Tensor, error) {
		flat, err := t.backend.Parameters(shape)
		if err != nil {
			return nil, err
		}
		return t.backend.Kernel(flat, 0, shape)
	}, shape)
}

func (t *tensors) fill(alloc func(tensor.Shape) (tensor.Tensor, error), shape tensor.Shape) tensor.Tensor {
	if t.err != nil {
		return nil
	}
	x, err := alloc(shape)
	if err == nil {
		err = t.backend.Write(x, random(shape.Size()))
	}
	t.err = err
	return x
}

// seconds returns the time of the fastest run of f.
func (t *tensors) seconds(f func()) (float64, error) {
	if t.err != nil {
		return 0, t.err
	}
	var metrics []backend.StepMetrics
	step := t.backend.Record(f)
	best := fastest(func() {
		if t.err == nil {
			t.err = step.Run(backend.StepValues{})
		}
		if t.err == nil {
			metrics, t.err = step.Metrics(metrics[:0])
		}
	})
	return best, t.err
}
