package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/fmapeak"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// products are m, n, k: large squares, and the dense layers of VGG at batch 128.
var products = [...][3]int{
	{512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048},
	{128, 4096, 512}, {128, 4096, 4096}, {128, 10, 4096},
}

// printGEMM prints the rate of matrix products: by the kernel on one core, by the engine, as a dense layer, on all, and by gonum on
// one core.
func printGEMM(peaks map[ops.Level]peak, threads int) error {
	fmt.Printf("\nMatrix product m × k by k × n, float32, GFLOP/s and share of the level's peak; at clock: median share of\n" +
		"the multiply-adds that one core does right after it, as some processors lower their clock for products\n")
	fmt.Printf("%-14s  %-8s  %12s  %8s  %12s  %8s\n", "m n k", "level", "one core", "at clock", cores(threads), "gonum")
	levels := ops.FloatLevels()
	if len(levels) > 1 {
		levels = levels[1:] // the generic one is gonum's
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
					ops.Matrix{Data: b, RowStride: n, ColStride: 1}, m, n, k, ops.Product{}, scratch)
			})
			seconds, err := denseSeconds(level, threads, m, n, k)
			if err != nil {
				return err
			}
			fmt.Printf("%-14s  %-8v  %12s  %6.0f %%  %12s  %8.1f\n", fmt.Sprint(m, n, k), level,
				share(one, peaks[level].oneCore), 100*atClock, share(flop/seconds, peaks[level].allCores), reference)
		}
	}
	return nil
}

// productRate returns the rate of the fastest product, which has flop billions of operations, and the median
// of its shares of the multiply-adds of one core right after it.
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

// random returns normal numbers.
func random(n int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// tensors makes tensors of random numbers, and keeps the first error.
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

// kernel makes the w of a convolution or a dense layer.
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
