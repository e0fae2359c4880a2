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
	mean, rstd []float64    // of the last Forward's batch; rstd is 1/sqrt(variance + ε)
}

func (r *reference) BatchNorm(s backend.BatchNormSpec) (backend.BatchNorm, error) {
	n, h, w, c := s.Shape.NHWC()
	b := &batchNorm{ref: r, BatchNormSpec: s, n: n, h: h, w: w, c: c, y: s.Shape,
		channel: tensor.Shape{c}, mean: make([]float64, c), rstd: make([]float64, c)}
	if s.Pool {
		b.y = pooled(s.Shape)
	}
	return b, nil
}

// normalise returns z = γ·(x − mean)·rstd + β, in the shape of x.
func (b *batchNorm) normalise(x, gamma, beta, mean, rstd []float64) []float64 {
	z := make([]float64, len(x))
	for i, v := range x {
		c := i % b.c
		z[i] = gamma[c]*(v-mean[c])*rstd[c] + beta[c]
	}
	return z
}

// follow writes to y what becomes of z by the ReLU and the pool that follow.
func (b *batchNorm) follow(y, z []float64) {
	if b.Function.IsRectifier() {
		relu(z, z)
	}
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
	b.follow(yv, b.normalise(xv, b.ref.arg(gamma, b.channel), b.ref.arg(beta, b.channel), b.mean, b.rstd))
}

func (b *batchNorm) Infer(y, x, gamma, beta, mean, variance tensor.Tensor) {
	xv, yv := b.ref.arg(x, b.Shape), b.ref.arg(y, b.y)
	rstd := make([]float64, b.c)
	for c, v := range b.ref.arg(variance, b.channel) {
		rstd[c] = 1 / math.Sqrt(v+float64(b.Epsilon))
	}
	b.follow(yv, b.normalise(xv, b.ref.arg(gamma, b.channel), b.ref.arg(beta, b.channel), b.ref.arg(mean, b.channel), rstd))
}

func (b *batchNorm) Backward(dx, dgamma, dbeta, dy, x, gamma, beta tensor.Tensor) {
	if b.Inference {
		panic(errInference)
	}
	xv, dxv, dyv := b.ref.arg(x, b.Shape), b.ref.arg(dx, b.Shape), b.ref.arg(dy, b.y)
	gammaV, betaV := b.ref.arg(gamma, b.channel), b.ref.arg(beta, b.channel)
	dgammaV, dbetaV := b.ref.arg(dgamma, b.channel), b.ref.arg(dbeta, b.channel)

	z := b.normalise(xv, gammaV, betaV, b.mean, b.rstd)
	dz := dyv
	if b.Pool {
		after := z
		if b.Function.IsRectifier() {
			after = make([]float64, len(z))
			relu(after, z)
		}
		dz = make([]float64, len(z))
		maxPoolBackward(dz, dyv, after, b.Shape)
	}
	if b.Function.IsRectifier() {
		masked := make([]float64, len(z))
		reluBackward(masked, dz, z)
		dz = masked
	}

	// dz/dx of x̂ = (x − mean)·rstd goes through the mean and the variance too:
	// dx = γ·rstd·(dz − mean(dz) − x̂·mean(dz·x̂)).
	clear(dgammaV)
	clear(dbetaV)
	for i, d := range dz {
		c := i % b.c
		dgammaV[c] += d * (xv[i] - b.mean[c]) * b.rstd[c]
		dbetaV[c] += d
	}
	m := float64(b.n * b.h * b.w)
	for i, d := range dz {
		c := i % b.c
		xhat := (xv[i] - b.mean[c]) * b.rstd[c]
		dxv[i] = gammaV[c] * b.rstd[c] * (d - dbetaV[c]/m - xhat*dgammaV[c]/m)
	}
}
