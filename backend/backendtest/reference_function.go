package backendtest

import (
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// The constants of SELU (https://arxiv.org/abs/1706.02515).
const (
	seluAlpha = 1.6732632423543772848170429916717
	seluScale = 1.0507009873554804934193349852946
)

// hardSigmoid returns slope·x + 1/2, limited to [0, 1], and its derivative.
func hardSigmoid(x, slope float64) (y, derivative float64) {
	switch y := slope*x + 0.5; {
	case y <= 0:
		return 0, 0
	case y >= 1:
		return 1, 0
	default: // or NaN
		return y, slope
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// apply returns f(x) and f'(x). A NaN stays one in f(x).
func apply(f tensor.Function, x float64) (y, derivative float64) {
	alpha, limit, threshold := float64(f.Alpha), float64(f.Max), float64(f.Threshold)
	exponential := func(alpha, scale float64) (y, derivative float64) {
		return scale * alpha * math.Expm1(x), scale * alpha * math.Exp(x)
	}
	switch f.Kind {
	case tensor.Identity:
		return x, 1
	case tensor.ReLU:
		switch {
		case limit > 0 && x >= limit:
			return limit, 0
		case x > threshold:
			return x, 1
		case x == threshold:
			return x, alpha
		case x != x:
			return x, 0
		case alpha == 0: // also times an infinity
			return 0, 0
		default:
			return alpha * (x - threshold), alpha
		}
	case tensor.ELU:
		if x > 0 {
			return x, 1
		}
		return exponential(alpha, 1)
	case tensor.SELU:
		if x >= 0 {
			return seluScale * x, seluScale
		}
		return exponential(seluAlpha, seluScale)
	case tensor.GELU:
		cumulative := math.Erfc(-x/math.Sqrt2) / 2
		return x * cumulative, cumulative + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case tensor.GELUTanh:
		const c = 0.044715
		k := math.Sqrt(2 / math.Pi)
		t := math.Tanh(k * (x + c*x*x*x))
		return x * (1 + t) / 2, (1+t)/2 + x*(1-t*t)*k*(1+3*c*x*x)/2
	case tensor.SiLU:
		s := sigmoid(x)
		return x * s, s + x*s*(1-s)
	case tensor.Sigmoid:
		s := sigmoid(x)
		return s, s * sigmoid(-x)
	case tensor.Tanh:
		t := math.Tanh(x)
		return t, (1 - t) * (1 + t)
	case tensor.HardSigmoid:
		return hardSigmoid(x, alpha)
	case tensor.HardSiLU:
		s, ds := hardSigmoid(x, 1.0/6)
		return x * s, s + x*ds
	case tensor.Softplus:
		return softplus(x), sigmoid(x)
	case tensor.Softsign:
		d := 1 + math.Abs(x)
		return x / d, 1 / (d * d)
	case tensor.Exponential:
		return math.Exp(x), math.Exp(x)
	case tensor.Mish:
		t := math.Tanh(softplus(x))
		return x * t, t + x*(1-t*t)*sigmoid(x)
	}
	panic(errFunction)
}

// function computes y = f(x), where y may be x.
func function(y, x []float64, f tensor.Function) {
	for i, v := range x {
		y[i], _ = apply(f, v)
	}
}

// functionBackward computes dx = dy·f'(x), where dx may be dy or x. What f makes constant passes
// nothing on, not even an infinity.
func functionBackward(dx, dy, x []float64, f tensor.Function) {
	for i, v := range x {
		if _, d := apply(f, v); d == 0 {
			dx[i] = 0
		} else {
			dx[i] = dy[i] * d
		}
	}
}

func (r *reference) Function(shape tensor.Shape, f tensor.Function) (backend.Activation, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	return &activation{r, shape, shape,
		func(y, x []float64) { function(y, x, f) },
		func(dx, dy, x []float64) { functionBackward(dx, dy, x, f) }}, nil
}

// softmax computes the softmax of a row z.
func softmax(p, z []float64) {
	lse, _ := logSumExp(z)
	for i, v := range z {
		p[i] = math.Exp(v - lse)
	}
}

func (r *reference) Softmax(shape tensor.Shape) (backend.Activation, error) {
	_, _, _, c := shape.NHWC()
	return &activation{r, shape, shape,
		func(y, x []float64) {
			for i := 0; i < len(x); i += c {
				softmax(y[i:i+c], x[i:i+c])
			}
		},
		func(dx, dy, x []float64) {
			p := make([]float64, c)
			for i := 0; i < len(x); i += c {
				softmax(p, x[i:i+c])
				mean := 0.0 // of dy, weighted by p
				for j, p := range p {
					mean += p * dy[i+j]
				}
				for j, p := range p {
					dx[i+j] = p * (dy[i+j] - mean)
				}
			}
		}}, nil
}
