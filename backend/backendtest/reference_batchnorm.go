package backendtest

import (
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

type batchNorm struct {
	ref *reference
	backend.BatchNormSpec
	n, h, w, c int
	y          tensor.Shape
	channel    tensor.Shape // of γ, β and the statistics
	mean, rstd []float64    // that the last Forward used; rstd is 1/sqrt(variance + ε)
}

func (r *reference) BatchNorm(s backend.BatchNormSpec) (backend.BatchNorm, error) {
	if err := s.Function.Check(); err != nil {
		return nil, err
	}
	if s.Pool && s.Function != (tensor.Function{}) && !s.Function.IsRectifier() {
		panic(errPooledFunction)
	}
	n, h, w, c := s.Shape.NHWC()
	b := &batchNorm{ref: r, BatchNormSpec: s, n: n, h: h, w: w, c: c, y: s.Shape,
		channel: tensor.Shape{c}, mean: make([]float64, c), rstd: make([]float64, c)}
	if s.Pool {
		b.y = pooled(s.Shape)
	}
	return b, nil
}

// optional returns the values of t, a tensor (C,), or where it is nil C times the value missing.
func (b *batchNorm) optional(t tensor.Tensor, missing float64) []float64 {
	if t != nil {
		return b.ref.arg(t, b.channel)
	}
	values := make([]float64, b.c)
	for i := range values {
		values[i] = missing
	}
	return values
}

// normalise returns z = γ·(x − mean)·rstd + β, in the shape of x.
func (b *batchNorm) normalise(x []float64, gamma, beta tensor.Tensor, mean, rstd []float64) []float64 {
	gammaV, betaV := b.optional(gamma, 1), b.optional(beta, 0)
	z := make([]float64, len(x))
	for i, v := range x {
		c := i % b.c
		z[i] = gammaV[c]*(v-mean[c])*rstd[c] + betaV[c]
	}
	return z
}

// follow writes to y what becomes of z by the function and the pool that follow.
func (b *batchNorm) follow(y, z []float64) {
	function(z, z, b.Function)
	if b.Pool {
		maxPool(y, z, b.Shape)
	} else {
		copy(y, z)
	}
}

func (b *batchNorm) Forward(y, x, gamma, beta, mean, variance tensor.Tensor) {
	if b.Inference {
		panic(errInference)
	}
	xv, yv := b.ref.arg(x, b.Shape), b.ref.arg(y, b.y)
	runMean, runVariance := b.ref.arg(mean, b.channel), b.ref.arg(variance, b.channel)
	if b.Frozen {
		copy(b.mean, runMean)
		b.setRstd(b.rstd, runVariance)
		b.follow(yv, b.normalise(xv, gamma, beta, b.mean, b.rstd))
		return
	}
	m := float64(b.n * b.h * b.w)
	factor := 1.0
	if b.Unbiased {
		factor = m / max(m-1, 1)
	}
	keep := float64(b.Momentum)
	if b.Fresh != nil && b.ref.arg(b.Fresh, tensor.Shape{1})[0] == 1 {
		steps := float64(b.ref.values.Step)
		keep = min(keep, 1-10/(steps+10))
	}
	for c := range b.c {
		var sum, squares float64
		for i := c; i < len(xv); i += b.c {
			sum += xv[i]
		}
		mean := sum / m
		for i := c; i < len(xv); i += b.c {
			squares += (xv[i] - mean) * (xv[i] - mean)
		}
		variance := squares / m
		b.mean[c], b.rstd[c] = mean, 1/math.Sqrt(variance+float64(b.Epsilon))
		runMean[c] = keep*runMean[c] + (1-keep)*mean
		runVariance[c] = keep*runVariance[c] + (1-keep)*factor*variance
	}
	b.follow(yv, b.normalise(xv, gamma, beta, b.mean, b.rstd))
}

// setRstd computes rstd from a running variance.
func (b *batchNorm) setRstd(rstd, variance []float64) {
	for c, v := range variance {
		rstd[c] = 1 / math.Sqrt(v+float64(b.Epsilon))
	}
}

func (b *batchNorm) Infer(y, x, gamma, beta, mean, variance tensor.Tensor) {
	xv, yv := b.ref.arg(x, b.Shape), b.ref.arg(y, b.y)
	rstd := make([]float64, b.c)
	b.setRstd(rstd, b.ref.arg(variance, b.channel))
	b.follow(yv, b.normalise(xv, gamma, beta, b.ref.arg(mean, b.channel), rstd))
}

func (b *batchNorm) Backward(dx, dgamma, dbeta, dy, x, gamma, beta tensor.Tensor) {
	if b.Inference {
		panic(errInference)
	}
	xv, dxv, dyv := b.ref.arg(x, b.Shape), b.ref.arg(dx, b.Shape), b.ref.arg(dy, b.y)
	gammaV := b.optional(gamma, 1)
	dgammaV, dbetaV := b.optional(dgamma, 0), b.optional(dbeta, 0)

	z := b.normalise(xv, gamma, beta, b.mean, b.rstd)
	dz := make([]float64, len(z))
	copy(dz, dyv)
	if b.Pool {
		after := make([]float64, len(z))
		function(after, z, b.Function)
		maxPoolBackward(dz, dyv, after, b.Shape)
	}
	functionBackward(dz, dz, z, b.Function)

	clear(dgammaV)
	clear(dbetaV)
	for i, d := range dz {
		c := i % b.c
		dgammaV[c] += d * (xv[i] - b.mean[c]) * b.rstd[c]
		dbetaV[c] += d
	}
	// dz/dx of x̂ = (x − mean)·rstd goes through the mean and the variance too, unless they are
	// constants: dx = γ·rstd·(dz − mean(dz) − x̂·mean(dz·x̂)).
	m := float64(b.n * b.h * b.w)
	for i, d := range dz {
		c := i % b.c
		if !b.Frozen {
			xhat := (xv[i] - b.mean[c]) * b.rstd[c]
			d -= dbetaV[c]/m + xhat*dgammaV[c]/m
		}
		dxv[i] = gammaV[c] * b.rstd[c] * d
	}
}
