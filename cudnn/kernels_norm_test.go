//go:build cudnn && cgo && linux

package cudnn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// normPlan is a BatchNorm by the kernels, as a backend would launch them.
type normPlan struct {
	*machine
	backend.BatchNormSpec
	n, h, w, c int
	saved      *floats
	fresh      []float32 // of one element, or nil
	step       uint64
}

func (p *normPlan) rows() int { return p.n * p.h * p.w }

// function starts a kernel with a Floor, or, where the plan has another function, that of any.
func (p *normPlan) function(name string, g geometry, args ...any) {
	p.Helper()
	if isFloor(p.Function) {
		p.launch(name, g, append(args, p.Function.IsRectifier())...)
	} else {
		p.launch(name+"_function", g, append(args, functionArgs(p.Function)...)...)
	}
}

func (p *normPlan) apply(y, x *activations) {
	if p.Pool {
		p.launch("bn_apply_pool", p.columns(p.n*(p.h/2)*(p.w/2), p.c, false), y, x, p.saved, p.n, p.h, p.w, p.c, p.Function.IsRectifier())
	} else {
		p.function("bn_apply", p.columns(p.rows(), p.c, false), y, x, p.saved, int64(p.rows()), p.c)
	}
}

func (p *normPlan) forward(y, x *activations, gamma, beta, mean, variance *floats) {
	if p.Frozen {
		p.infer(y, x, gamma, beta, mean, variance)
		return
	}
	g := p.columns(p.rows(), p.c, true)
	p.launch("bn_statistics", g, p.saved, mean, variance, gamma, beta, x, p.partials(g, p.c), p.counters,
		int64(p.rows()), p.c, p.Epsilon, p.Momentum, p.Unbiased, p.fresh, nil, []stepState{{step: p.step}})
	p.apply(y, x)
}

func (p *normPlan) infer(y, x *activations, gamma, beta, mean, variance *floats) {
	p.launch("bn_running", p.elements(p.c), p.saved, gamma, beta, mean, variance, p.c, p.Epsilon)
	p.apply(y, x)
}

func (p *normPlan) backward(dx *activations, dgamma, dbeta *floats, dy, x *activations) {
	if p.Pool {
		g := p.columns(p.n*(p.h/2)*(p.w/2), p.c, true)
		p.launch("bn_grad_sums_pool", g, dgamma, dbeta, p.saved, dy, x, p.partials(g, p.c), p.counters, p.n, p.h, p.w, p.c, p.Frozen, p.Function.IsRectifier())
		g = p.columns(p.n*((p.h+1)/2)*((p.w+1)/2), p.c, false)
		p.launch("bn_grad_pool", g, dx, dy, x, p.saved, p.n, p.h, p.w, p.c, p.Function.IsRectifier())
		return
	}
	g := p.columns(p.rows(), p.c, true)
	p.function("bn_grad_sums", g, dgamma, dbeta, p.saved, dy, x, p.partials(g, p.c), p.counters, int64(p.rows()), p.c, p.Frozen)
	p.function("bn_grad", p.columns(p.rows(), p.c, false), dx, dy, x, p.saved, int64(p.rows()), p.c)
}

// normShapes has channels on both sides of vectors and of blocks of columns, and odd images.
var normShapes = []tensor.Shape{
	{1, 1}, {3, 5}, {2, 10}, {128, 10}, {33, 64}, {4, 129}, {5, 2048},
	{1, 1, 1, 8}, {2, 3, 5, 3}, {3, 5, 4, 8}, {2, 4, 4, 12}, {1, 7, 9, 33}, {2, 6, 7, 64}, {3, 8, 6, 65}, {1, 2, 2, 512}, {16, 32, 32, 8}, {9, 32, 32, 3},
}

// TestNormKernels compares batch normalization with the reference, on numbers whose sums are exact
// in float, so that tolerances are a few roundings of what is added up. Windows have equal numbers.
func TestNormKernels(t *testing.T) {
	each(t, func(m *machine) {
		for i, shape := range normShapes {
			for _, f := range []tensor.Function{{}, tensor.Rectifier(), {Kind: tensor.ReLU, Alpha: 0.25}} {
				for _, pool := range []bool{false, true} {
					if pool && (len(shape) == 2 || shape[1] == 1 || !isFloor(f)) {
						continue
					}
					spec := backend.BatchNormSpec{Shape: shape, Epsilon: 1e-3, Momentum: 0.9, Unbiased: i%2 == 0, Function: f, Pool: pool, Frozen: i%5 == 2}
					m.Run(fmt.Sprintf("%v_relu_%v_pool_%t", shape, f, pool), func(t *testing.T) {
						one := *m
						one.T = t
						one.norm(spec, i%3 == 0, [][]float32{nil, {0}, {1}, {1}}[i%4], uint64(i/4))
					})
				}
			}
		}
	})
}

// norm is TestNormKernels of one shape. fresh is the element of BatchNormSpec.Fresh, or nil.
func (m *machine) norm(spec backend.BatchNormSpec, inPlace bool, fresh []float32, step uint64) {
	n, h, w, c := spec.Shape.NHWC()
	rng := rand.New(rand.NewPCG(uint64(n*h*w), uint64(c)))
	ys := spec.Shape
	if spec.Pool {
		ys = tensor.Shape{n, h / 2, w / 2, c}
	}
	channels := tensor.Shape{c}
	normal := func(n int, mean, deviation float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(mean + deviation*rng.NormFloat64())
		}
		return x
	}
	quarters := func(n, largest int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.IntN(2*largest+1)-largest) / 4
		}
		return x
	}
	x, dy := quarters(spec.Shape.Size(), 12), quarters(ys.Size(), 10)
	for i := range x {
		switch i % c {
		case 1:
			x[i] = 2.5 // variance 0
		case 2:
			x[i] += 16 // far from 0, and exact in bfloat16
		}
	}
	gamma, beta, mean, variance := normal(c, 0, 1), normal(c, 0, 0.5), normal(c, 0, 0.5), normal(c, 2, 0.1)
	if c > 3 {
		gamma[3] = 0
	}

	ref := newReference(m.T)
	if fresh != nil {
		spec.Fresh = ref.tensor(tensor.Shape{1}, fresh)
	}
	plan, err := ref.BatchNorm(spec)
	if err != nil {
		m.Fatal(err)
	}
	rx, ry := ref.tensor(spec.Shape, x), ref.tensor(ys, nil)
	var rgamma, rbeta tensor.Tensor
	var ggamma, gbeta *floats
	plain := n*h*w%3 == 0 // without γ and β
	if plain {
		gamma, beta = fill(c, 1), fill(c, 0)
	} else {
		rgamma, rbeta = ref.tensor(channels, gamma), ref.tensor(channels, beta)
		ggamma, gbeta = m.floatsAt(gamma, 1), m.floatsAt(beta, 3) // as ranges of all parameters they begin anywhere
	}
	rmean, rvariance := ref.tensor(channels, mean), ref.tensor(channels, variance)
	rdx, rdgamma, rdbeta := ref.tensor(spec.Shape, nil), ref.tensor(channels, nil), ref.tensor(channels, nil)
	ref.run(backend.StepValues{}, func() { plan.Infer(ry, rx, rgamma, rbeta, rmean, rvariance) })
	wantInferred := ref.read(ry)
	ref.run(backend.StepValues{Step: step}, func() { plan.Forward(ry, rx, rgamma, rbeta, rmean, rvariance) })
	wantY := ref.read(ry)
	ref.run(backend.StepValues{}, func() { plan.Backward(rdx, rdgamma, rdbeta, ref.tensor(ys, dy), rx, rgamma, rbeta) })

	p := &normPlan{m, spec, n, h, w, c, m.floats(fill(6*c, float32(math.NaN()))), fresh, step}
	gx, gy := m.activations(x), m.activations(fill(ys.Size(), 77))
	gmean, gvariance := m.floatsAt(mean, 2), m.floatsAt(variance, 1)
	gdgamma, gdbeta := m.floatsAt(fill(c, 5), 1), m.floatsAt(fill(c, 5), 3)
	p.infer(gy, gx, ggamma, gbeta, gmean, gvariance)

	// Bounds for each channel: of |x̂| and of its terms |x| + |mean|, both times γ.
	const u = 0x1p-24
	bound := func(mean, variance []float64) func(stored float32, i int) float64 {
		return func(stored float32, i int) float64 {
			c := i % c
			r := 1 / math.Sqrt(variance[c]+1e-3)
			return 8*u*(math.Abs(float64(gamma[c]))*r*(20+math.Abs(mean[c]))+math.Abs(float64(beta[c]))) + m.unit*math.Abs(float64(stored))
		}
	}
	running := bound(widen(mean), widen(variance))
	near(m.T, "inferred", gy.read(), wantInferred, func(i int) float64 { return running(wantInferred[i], i) })

	p.forward(gy, gx, ggamma, gbeta, gmean, gvariance)
	batchMean, batchVariance := moments(x, c)
	if spec.Frozen {
		batchMean, batchVariance = widen(mean), widen(variance)
	}
	ofY := bound(batchMean, batchVariance)
	near(m.T, "y", gy.read(), wantY, func(i int) float64 { return ofY(wantY[i], i) })
	wantMean, wantVariance := ref.read(rmean), ref.read(rvariance)
	fast := 0.0 // the share of the batch above that of the momentum, with the errors of its sums
	if fresh != nil && fresh[0] != 0 {
		fast = max(0, 10/float64(step+10)-float64(1-spec.Momentum))
	}
	near(m.T, "running mean", gmean.values, wantMean, func(i int) float64 { return 2 * u * (math.Abs(float64(mean[i])) + math.Abs(batchMean[i])) })
	near(m.T, "running variance", gvariance.values, wantVariance, func(i int) float64 {
		return 2*u*float64(wantVariance[i]) + fast*32*u*batchVariance[i]
	})
	near(m.T, "x", gx.read(), x, exact)

	gdy, gdx := m.activations(dy), gx
	if !inPlace {
		gdx = m.activations(fill(len(x), 99))
	}
	p.backward(gdx, gdgamma, gdbeta, gdy, gx)
	near(m.T, "dy", gdy.read(), dy, exact)
	if !plain {
		near(m.T, "gamma", ggamma.values, gamma, exact)
		near(m.T, "beta", gbeta.values, beta, exact)
	}
	rows := float64(n * h * w)
	wantDgamma, wantDbeta := ref.read(rdgamma), ref.read(rdbeta)
	near(m.T, "dbeta", gdbeta.values, wantDbeta, func(i int) float64 { return u * math.Abs(float64(wantDbeta[i])) })
	// Σ dy·(x − mean): as many roundings as the √ of the rows, of no more than Σ 2.5·(|x| +
	// |mean|).
	eDgamma := func(c int) float64 {
		return (8 + 4*math.Sqrt(rows)) * u * rows * 2.5 * (20 + math.Abs(batchMean[c])) / math.Sqrt(batchVariance[c]+1e-3)
	}
	near(m.T, "dgamma", gdgamma.values, wantDgamma, eDgamma)
	wantDx := ref.read(rdx)
	near(m.T, "dx", gdx.read(), wantDx, func(i int) float64 {
		c := i % c
		r := 1 / math.Sqrt(batchVariance[c]+1e-3)
		shifted := r * (20 + math.Abs(batchMean[c]))
		terms := 2.5 + math.Abs(float64(wantDbeta[c]))/rows + shifted*math.Abs(float64(wantDgamma[c]))/rows
		return math.Abs(float64(gamma[c]))*r*(8*u*terms+shifted*eDgamma(c)/rows) + m.unit*math.Abs(float64(wantDx[i]))
	})
}

func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// moments returns the mean and the variance of each channel.
func moments(x []float32, c int) (mean, variance []float64) {
	mean, variance = make([]float64, c), make([]float64, c)
	rows := float64(len(x) / c)
	for i, v := range x {
		mean[i%c] += float64(v) / rows
	}
	for i, v := range x {
		d := float64(v) - mean[i%c]
		variance[i%c] += d * d / rows
	}
	return mean, variance
}

// A mean far larger than the deviation costs nothing, for x − pivot is exact. A first row, the
// pivot, that is 50 deviations from the others multiplies the rounding of their squares by 50².
func TestStatisticsFarFromZero(t *testing.T) {
	each(t, func(m *machine) {
		if m.suffix == "_bf16" {
			return // which cannot hold such numbers
		}
		const rows, c = 20000, 12
		rng := rand.New(rand.NewPCG(1, 1))
		x := make([]float32, rows*c)
		for i := range x {
			x[i] = float32([]float64{1, 100, -1000, 1e4}[i%4] + rng.NormFloat64())
		}
		for i := range c {
			if i%3 == 0 {
				x[i] += 50
			}
		}
		mean, variance := m.floats(fill(c, 0)), m.floats(fill(c, 0))
		saved := m.floats(fill(6*c, 0))
		g := m.columns(rows, c, true)
		m.launch("bn_statistics", g, saved, mean, variance, m.floats(fill(c, 1)), m.floats(fill(c, 0)), m.activations(x), m.partials(g, c), m.counters,
			int64(rows), c, float32(1e-3), float32(0), true, nil, nil, []stepState{{}})
		wantMean, wantVariance := moments(x, c)
		const u = 0x1p-24
		for i := range c {
			ofMean, ofVariance := 2*u*math.Abs(wantMean[i]), 32*u
			if i%3 == 0 {
				ofMean, ofVariance = ofMean+32*u*50, 32*u*50*50
			}
			if got, want := float64(mean.values[i]), wantMean[i]; !(math.Abs(got-want) <= ofMean) {
				m.Errorf("mean of channel %d is %g, want %g", i, got, want)
			}
			if got, want := float64(variance.values[i]), wantVariance[i]*rows/(rows-1); !(math.Abs(got-want) <= ofVariance*want) {
				m.Errorf("variance of channel %d is %g, want %g", i, got, want)
			}
		}
	})
}

// Sums are the same bits in each run, and a NaN in one channel stays in it.
func TestSumsRepeat(t *testing.T) {
	each(t, func(m *machine) {
		for _, c := range []int{5, 64} {
			const rows = 3000
			rng := rand.New(rand.NewPCG(2, 2))
			x := make([]float32, rows*c)
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			x[700*c+3] = float32(math.NaN())
			gx, g := m.activations(x), m.columns(rows, c, true)
			var first []float32
			for range 6 {
				sum, mean, variance := m.floats(fill(c, 0)), m.floats(fill(c, 0)), m.floats(fill(c, 0))
				m.launch("column_sums", g, sum, gx, m.partials(g, c), m.counters, int64(rows), c)
				m.launch("bn_statistics", g, m.floats(fill(6*c, 0)), mean, variance, m.floats(fill(c, 1)), m.floats(fill(c, 0)), gx, m.partials(g, c), m.counters,
					int64(rows), c, float32(1e-3), float32(0.5), false, nil, nil, []stepState{{}})
				all := slices.Concat(sum.values, mean.values, variance.values)
				for i, v := range all {
					if (v != v) != (i%c == 3) {
						m.Fatalf("element %d of the sums is %g", i, v)
					}
				}
				if first == nil {
					first = all
				}
				near(m.T, "sums", all, first, exact)
			}
		}
	})
}

func TestBiasKernels(t *testing.T) {
	each(t, func(m *machine) {
		for _, shape := range normShapes {
			n, h, w, c := shape.NHWC()
			rows := n * h * w
			x, bias := make([]float32, rows*c), make([]float32, c)
			for i := range x {
				x[i] = float32(i*7%23 - 11)
			}
			for i := range bias {
				bias[i] = float32(i%5 - 2)
			}
			x[0] = float32(math.NaN())
			for _, bias := range [][]float32{bias, make([]float32, c)} {
				for _, relu := range []bool{false, true} {
					biased := func(x []float32) []float32 {
						want := slices.Clone(x)
						for i := range want {
							want[i] += bias[i%c]
							if relu {
								want[i] = max(0, want[i])
							}
						}
						return want
					}
					g := m.columns(rows, c, false)
					y := m.activations(x)
					m.launch("add_bias", g, y, m.floatsAt(bias, 1), int64(rows), c, relu)
					near(m.T, "y", y.read(), biased(x), exact)

					products := slices.Clone(x) // which activations cannot hold
					for i := range products {
						products[i] += float32(i%64) / 4096
					}
					y = m.activations(fill(rows*c, 5))
					m.launch("bias_of", g, y, m.floats(products), m.floatsAt(bias, 1), int64(rows), c, relu)
					near(m.T, "y of products", y.read(), m.rounded(biased(products)), exact)
				}
			}
			x[0] = 1
			sums := make([]float32, c)
			for i, v := range x {
				sums[i%c] += v
			}
			got, g := m.floatsAt(fill(c, 9), 1), m.columns(rows, c, true)
			m.launch("column_sums", g, got, m.activations(x), m.partials(g, c), m.counters, int64(rows), c)
			near(m.T, "sums", got.values, sums, exact)
		}
	})
}
