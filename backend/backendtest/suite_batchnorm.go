package backendtest

import (
	"fmt"
	"math"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// normData are the inputs of the passes of a BatchNorm plan, normResults their results. A plan
// without γ or β has nil for it and its gradient.
type (
	normData struct {
		x, gamma, beta, mean, variance, dy []float32
		fresh                              []float32 // of the spec, or nil
		noParamGrads                       bool      // dγ and dβ are not wanted
		step                               uint64
	}
	normResults struct{ y, mean, variance, inferred, dx, dgamma, dbeta []float32 }
)

// normPasses runs Infer, Forward and Backward on a backend.
func normPasses(d *device, spec backend.BatchNormSpec, in normData, inPlace bool) normResults {
	_, _, _, c := spec.Shape.NHWC()
	channel, ys := tensor.Shape{c}, spec.Shape
	if spec.Pool {
		ys = pooled(spec.Shape)
	}
	if in.fresh != nil {
		spec.Fresh = d.parameter(tensor.Shape{1}, in.fresh)
	}
	plan, err := d.BatchNorm(spec)
	p := must(d, plan, err)
	x, y := d.activation(spec.Shape, in.x), d.empty(ys)
	optional := func(x []float32) tensor.Tensor {
		if x == nil {
			return nil
		}
		return d.parameter(channel, x)
	}
	gamma, beta := optional(in.gamma), optional(in.beta)
	mean, variance := d.parameter(channel, in.mean), d.parameter(channel, in.variance)
	var out normResults

	d.step(backend.StepValues{}, func() { p.Infer(y, x, gamma, beta, mean, variance) })
	out.inferred = d.read(y)
	d.unchanged("mean", mean, in.mean)
	d.unchanged("variance", variance, in.variance)
	if !spec.Inference {
		d.step(backend.StepValues{Step: in.step}, func() { p.Forward(y, x, gamma, beta, mean, variance) })
		out.y, out.mean, out.variance = d.read(y), d.read(mean), d.read(variance)
		d.unchanged("x", x, in.x)

		dy, dx := d.write(y, in.dy), x
		if !inPlace {
			dx = d.empty(spec.Shape)
		}
		dgamma, dbeta := optional(in.gamma), optional(in.beta) // of old contents, which must be forgotten
		if in.noParamGrads {
			dgamma, dbeta = nil, nil
		}
		d.step(backend.StepValues{}, func() { p.Backward(dx, dgamma, dbeta, dy, x, gamma, beta) })
		out.dx = d.read(dx)
		if dgamma != nil {
			out.dgamma = d.read(dgamma)
		}
		if dbeta != nil {
			out.dbeta = d.read(dbeta)
		}
		d.unchanged("dy", dy, in.dy)
	}
	if spec.Inference || !inPlace {
		d.unchanged("x", x, in.x)
	}
	if gamma != nil {
		d.unchanged("gamma", gamma, in.gamma)
	}
	if beta != nil {
		d.unchanged("beta", beta, in.beta)
	}
	if spec.Frozen {
		d.unchanged("mean", mean, in.mean)
		d.unchanged("variance", variance, in.variance)
	}
	return out
}

// normBounds bounds the errors of a BatchNorm in float32. Per channel, with m elements,
// Σ over the channel, e = sumError(m) and u the unit roundoff:
//
//	mean      e·Σ|x|/m
//	variance  2e·Σx²/m                           as Σx²/m − mean², the worst formula in use
//	rstd      r·(variance's/(2(variance + ε)) + 4u)
//	x̂         r·(mean's + 4u(|x| + |mean|)) + |x̂|·rstd's/r
//
// and then, by the formulas of the gradients, whatever these errors touch. The factors
// of u count the roundings of one element, whether by (x − mean)·r·γ + β or as a·x + b.
type normBounds struct {
	spec               backend.BatchNormSpec
	c, m               int
	x, z               []float64
	gamma, mean, rstd  []float64
	eMean, eVar, eRstd []float64 // eRstd is relative
}

// newNormBounds takes the statistics of the batch, or running ones, which are exact.
func newNormBounds(spec backend.BatchNormSpec, in normData, running bool) *normBounds {
	_, _, _, c := spec.Shape.NHWC()
	k := &normBounds{spec: spec, c: c, m: len(in.x) / c, x: widen(in.x), gamma: orConstant(in.gamma, c, 1),
		mean: widen(in.mean), rstd: make([]float64, c),
		eMean: make([]float64, c), eVar: make([]float64, c), eRstd: make([]float64, c)}
	m, e := float64(k.m), sumError(k.m)
	for c := range k.c {
		variance := float64(in.variance[c])
		if !running {
			var sum, sumAbs, squares, deviations float64
			for i := c; i < len(k.x); i += k.c {
				sum += k.x[i]
				sumAbs += math.Abs(k.x[i])
				squares += k.x[i] * k.x[i]
			}
			k.mean[c] = sum / m
			for i := c; i < len(k.x); i += k.c {
				deviations += (k.x[i] - k.mean[c]) * (k.x[i] - k.mean[c])
			}
			variance = deviations / m
			k.eMean[c], k.eVar[c] = e*sumAbs/m, 2*e*squares/m
		}
		variance += float64(spec.Epsilon)
		k.rstd[c] = 1 / math.Sqrt(variance)
		k.eRstd[c] = k.eVar[c]/(2*variance) + 4*unit
	}
	k.z = make([]float64, len(k.x))
	beta := orConstant(in.beta, k.c, 0)
	for i := range k.z {
		k.z[i] = k.gamma[i%k.c]*k.xhat(i) + beta[i%k.c]
	}
	return k
}

// orConstant returns the parameters x, or if they are nil c times v.
func orConstant(x []float32, c int, v float64) []float64 {
	if x != nil {
		return widen(x)
	}
	y := make([]float64, c)
	for i := range y {
		y[i] = v
	}
	return y
}

func widen(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func (k *normBounds) xhat(i int) float64 { return (k.x[i] - k.mean[i%k.c]) * k.rstd[i%k.c] }

// shifted returns r·(|x| + |mean|), what is rounded where x̂ is split.
func (k *normBounds) shifted(i int) float64 {
	return k.rstd[i%k.c] * (math.Abs(k.x[i]) + math.Abs(k.mean[i%k.c]))
}

func (k *normBounds) ofXhat(i int) float64 {
	c := i % k.c
	return k.rstd[c]*k.eMean[c] + 4*unit*k.shifted(i) + math.Abs(k.xhat(i))*k.eRstd[c]
}

// ofZ bounds the error of z = γ·x̂ + β.
func (k *normBounds) ofZ(i int) float64 {
	g := math.Abs(k.gamma[i%k.c])
	beta := k.z[i] - k.gamma[i%k.c]*k.xhat(i)
	return g*k.ofXhat(i) + 4*unit*(math.Abs(beta)+g*math.Abs(k.xhat(i)))
}

// ofY bounds the error of the result: a maximum does not make it larger.
func (k *normBounds) ofY() []float64 {
	ez := make([]float64, len(k.z))
	for i := range ez {
		ez[i], _ = functionErrors(k.spec.Function, k.z[i], k.ofZ(i))
	}
	if !k.spec.Pool {
		return ez
	}
	ey := make([]float64, pooled(k.spec.Shape).Size())
	eachWindow(k.spec.Shape, func(y int, x [4]int) { ey[y] = max(ez[x[0]], ez[x[1]], ez[x[2]], ez[x[3]]) })
	return ey
}

// decide sets dy to 0 where rounding may decide where it goes: at the bends of the function and
// between almost equal elements of a window.
func (k *normBounds) decide(dy []float32) (undecided int) {
	check := func(y int, window []int) {
		best := window[0]
		for _, i := range window {
			if k.z[i] > k.z[best] {
				best = i
			}
		}
		dead := k.spec.Function.IsRectifier() && k.z[best] < -k.ofZ(best)
		constant := k.gamma[best%k.c] == 0 // then z is β to the bit
		unclear := k.spec.Function.IsRectifier() && !constant && math.Abs(k.z[best]) <= k.ofZ(best)
		for _, i := range window {
			different := k.x[i] != k.x[best] && !constant
			unclear = unclear || different && !dead && k.z[best]-k.z[i] <= k.ofZ(best)+k.ofZ(i)
		}
		if unclear {
			dy[y] = 0
			undecided++
		}
	}
	if k.spec.Pool {
		eachWindow(k.spec.Shape, func(y int, x [4]int) { check(y, x[:]) })
		return undecided
	}
	for i, z := range k.z {
		_, below := apply(k.spec.Function, z-k.ofZ(i))
		_, above := apply(k.spec.Function, z+k.ofZ(i))
		if math.Abs(above-below) > 0.05 && k.gamma[i%k.c] != 0 { // if γ is 0, z is β to the bit
			dy[i] = 0
			undecided++
		}
	}
	return undecided
}

// ofDz bounds the error of dz = dy·f'(z), for a function other than max(0, x): decide has left no
// error to that.
func (k *normBounds) ofDz(dy []float32) []float64 {
	e := make([]float64, len(k.z))
	if k.spec.Function.Kind == tensor.Identity || k.spec.Function.IsRectifier() {
		return e
	}
	for i, d := range dy {
		if d != 0 {
			_, derivative := functionErrors(k.spec.Function, k.z[i], k.ofZ(i))
			e[i] = derivative * math.Abs(float64(d))
		}
	}
	return e
}

// ofGradients bounds the errors of dγ, dβ and dx, given dz, the gradient before the
// function and the pool, and its errors:
//
//	dβ = Σdz, dγ = Σdz·x̂, dx = γ·r·(dz − dβ/m − x̂·dγ/m), or γ·r·dz if it is frozen
func (k *normBounds) ofGradients(dz, eDz []float64) (eDgamma, eDbeta, eDx []float64) {
	eDgamma, eDbeta, eDx = make([]float64, k.c), make([]float64, k.c), make([]float64, len(dz))
	dgamma, dbeta := make([]float64, k.c), make([]float64, k.c)
	e, m := sumError(k.m), float64(k.m)
	for i, d := range dz {
		c := i % k.c
		dbeta[c] += d
		dgamma[c] += d * k.xhat(i)
		eDbeta[c] += e*math.Abs(d) + eDz[i]
		eDgamma[c] += math.Abs(d)*(k.ofXhat(i)+e*k.shifted(i)) + eDz[i]*math.Abs(k.xhat(i))
	}
	for i, d := range dz {
		c := i % k.c
		terms, inner := math.Abs(d), eDz[i]
		if !k.spec.Frozen {
			xhat := math.Abs(k.xhat(i))
			terms += math.Abs(dbeta[c])/m + (xhat+k.shifted(i))*math.Abs(dgamma[c])/m
			inner += eDbeta[c]/m + xhat*eDgamma[c]/m + k.ofXhat(i)*math.Abs(dgamma[c])/m
		}
		eDx[i] = math.Abs(k.gamma[c]) * k.rstd[c] * (inner + 4*unit*terms + k.eRstd[c]*terms)
	}
	return eDgamma, eDbeta, eDx
}

// normVariant is which parameters of a BatchNorm there are.
type normVariant struct {
	fresh                                   []float32 // the element of BatchNormSpec.Fresh, or nil
	withoutGamma, withoutBeta, noParamGrads bool
}

// normCase checks one shape against the reference.
func (s *suite) normCase(spec backend.BatchNormSpec, inPlace bool, v normVariant, step uint64) {
	d, ref := s.device(), s.reference()
	_, _, _, c := spec.Shape.NHWC()
	ys := spec.Shape
	if spec.Pool {
		ys = pooled(spec.Shape)
	}
	in := normData{
		x:     s.normal(spec.Shape.Size(), 1),
		gamma: s.normal(c, 1), beta: s.normal(c, 0.5), // negative γ too
		mean: s.normal(c, 0.5), variance: s.normal(c, 0.5),
		dy:    rounded(d, s.normal(ys.Size(), 1), ys),
		fresh: v.fresh, step: step, noParamGrads: v.noParamGrads,
	}
	offset := s.normal(c, 1)
	for i := range in.x {
		in.x[i] += offset[i%c]
		if i%c == 1 && !v.withoutBeta { // a channel of one value, so of variance 0; without β at the bend of a ReLU
			in.x[i] = offset[1]
		}
	}
	in.x = rounded(d, in.x, spec.Shape)
	for i, v := range in.variance {
		in.variance[i] = 0.5 + v*v
	}
	if c > 2 {
		in.gamma[2] = 0
	}
	if v.withoutGamma {
		in.gamma = nil
	}
	if v.withoutBeta {
		in.beta = nil
	}
	bounds := newNormBounds(spec, in, spec.Frozen)
	if n := bounds.decide(in.dy); n > 4+len(in.dy)/8 {
		s.Errorf("the case proves little: rounding decides on %d of %d gradients", n, len(in.dy))
	}

	got, want := normPasses(d, spec, in, inPlace), normPasses(ref, spec, in, inPlace)
	activation := func(want []float32, e []float64) func(int) float64 {
		return func(i int) float64 { return e[i] + s.Unit*math.Abs(float64(want[i])) }
	}
	near(s.T, "y of Infer", got.inferred, want.inferred, activation(want.inferred, newNormBounds(spec, in, true).ofY()))
	if spec.Inference {
		return
	}
	near(s.T, "y", got.y, want.y, activation(want.y, bounds.ofY()))
	moved := 1 - float64(spec.Momentum)
	if v.fresh != nil && v.fresh[0] != 0 {
		moved = max(moved, 10/float64(step+10))
	}
	near(s.T, "mean", got.mean, want.mean, func(c int) float64 {
		return moved*bounds.eMean[c] + 4*unit*(math.Abs(float64(in.mean[c]))+moved*math.Abs(bounds.mean[c]))
	})
	near(s.T, "variance", got.variance, want.variance, func(c int) float64 {
		return moved*2*bounds.eVar[c] + 4*unit*float64(want.variance[c]) // the factor m/(m−1) is at most 2
	})
	dz := widen(in.dy)
	if spec.Pool {
		dz = make([]float64, len(in.x))
		after := make([]float64, len(in.x))
		function(after, bounds.z, spec.Function)
		maxPoolBackward(dz, widen(in.dy), after, spec.Shape)
	}
	functionBackward(dz, dz, bounds.z, spec.Function)
	eDgamma, eDbeta, eDx := bounds.ofGradients(dz, bounds.ofDz(in.dy))
	near(s.T, "dgamma", got.dgamma, want.dgamma, func(c int) float64 { return eDgamma[c] })
	near(s.T, "dbeta", got.dbeta, want.dbeta, func(c int) float64 { return eDbeta[c] })
	near(s.T, "dx", got.dx, want.dx, activation(want.dx, eDx))
}

func (s *suite) batchNorm() {
	var specs []backend.BatchNormSpec
	add := func(shape ...int) {
		i := len(specs)
		specs = append(specs, backend.BatchNormSpec{Shape: shape, Epsilon: 1e-3, Momentum: []float32{0.99, 0.9, 0}[i%3],
			Unbiased: i%2 == 0, Function: rectifier(i%4 < 2), Pool: i%3 > 0 && len(shape) == 4 && shape[1] > 1 && shape[2] > 1})
	}
	for _, c := range channelSweep {
		for range imageSweep {
			i := len(specs)
			image := imageSweep[i%len(imageSweep)]
			add(batchSweep[i%len(batchSweep)], image[0], image[1], c)
		}
		add(batchSweep[c%len(batchSweep)], c)
		add(2, c)
	}
	add(128, 2, 2, 512)
	add(128, 10)
	add(4, 4096)
	add(2, 4, 4, 512)
	add(2, 32, 32, 64)
	if !testing.Short() {
		for range 4 { // with each of ReLU and pool
			add(2, 16, 16, 128)
			add(3, 8, 8, 256)
		}
		add(16, 32, 32, 64)
	}
	for i, spec := range specs {
		spec.Inference = i%10 == 9
		name := fmt.Sprintf("%v_relu_%t_pool_%t", spec.Shape, spec.Function.IsRectifier(), spec.Pool)
		v := normVariant{fresh: [][]float32{nil, {0}, {1}, {1}}[i%4]}
		s.run(name, func(s *suite) { s.normCase(spec, i%2 == 0, v, uint64(i)) })
	}
	for i, shape := range append(shapeSweep(2), tensor.Shape{128, 10}, tensor.Shape{2, 7}) {
		spec := backend.BatchNormSpec{Shape: shape, Epsilon: 1e-3, Momentum: 0.9, Frozen: i%2 == 0, Function: functions[i%len(functions)]}
		if spec.Function.Kind == tensor.Identity || spec.Function.IsRectifier() {
			spec.Pool = len(shape) == 4
		}
		s.normVariants(spec, i)
		spec.Function, spec.Pool = rectifier(i%3 > 0), len(shape) == 4 && i%4 > 1
		s.normVariants(spec, i)
	}
	s.run("running statistics", (*suite).runningStatistics)
}

// normVariants checks a plan whose statistics are frozen, or that lacks parameters.
func (s *suite) normVariants(spec backend.BatchNormSpec, i int) {
	v := normVariant{withoutGamma: i%5 == 1 || i%5 == 2, withoutBeta: i%5 == 2 || i%5 == 3, noParamGrads: i%3 == 0}
	name := fmt.Sprintf("%v_%s_pool_%t_frozen_%t_%+v", spec.Shape, functionName(spec.Function), spec.Pool, spec.Frozen, v)
	s.run(name, func(s *suite) { s.normCase(spec, i%4 < 2, v, uint64(i)) })
}

// runningStatistics replays a step, whose number and Fresh are not those of its recording.
func (s *suite) runningStatistics() {
	d := s.device()
	const momentum = 0.15
	shape, one := tensor.Shape{2, 1}, tensor.Shape{1}
	x, y := d.empty(shape), d.empty(shape)
	gamma, beta := d.parameter(one, []float32{1}), d.parameter(one, []float32{0})
	mean, variance := d.parameter(one, []float32{100}), d.parameter(one, []float32{1000})
	fresh := d.parameter(one, []float32{1})
	plan, err := d.BatchNorm(backend.BatchNormSpec{Shape: shape, Epsilon: 1e-3, Momentum: momentum, Fresh: fresh})
	p := must(d, plan, err)
	for t, batch := range []struct {
		x                      []float32
		fresh                  float32
		wantMean, wantVariance float64
	}{
		{[]float32{1, 3}, 1, 2, 1},
		{[]float32{2, 6}, 1, (2 + 10*4) / 11., (1 + 10*4) / 11.},
		{[]float32{9, 9}, 1, 0.15*42/11 + 0.85*9, 0.15 * 41 / 11}, // 2/12 is above the momentum
		{[]float32{0, 2}, 0, 0.15*(0.15*42/11+0.85*9) + 0.85*1, 0.15*0.15*41/11 + 0.85*1},
	} {
		if err := d.Write(x, batch.x); err != nil {
			s.Fatal(err)
		}
		if err := d.Write(fresh, []float32{batch.fresh}); err != nil {
			s.Fatal(err)
		}
		d.replay("running statistics", backend.StepValues{Step: uint64(t)}, func() { p.Forward(y, x, gamma, beta, mean, variance) })
		near(s.T, "mean", d.read(mean), []float32{float32(batch.wantMean)}, func(int) float64 { return 8 * unit * batch.wantMean })
		near(s.T, "variance", d.read(variance), []float32{float32(batch.wantVariance)}, func(int) float64 { return 8 * unit * batch.wantVariance })
	}
}
