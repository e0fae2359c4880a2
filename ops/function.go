package ops

import (
	"math"

	"github.com/lamina-go/lamina/tensor"
)

const errFunction = "ops: unknown function"

// Function sets y[i] = f(x[i]). y may be x.
func (l Level) Function(y, x []float32, f tensor.Function) {
	if len(y) != len(x) {
		panic(errLength)
	}
	switch {
	case f.Kind == tensor.Identity:
		copy(y, x)
	case f.IsRectifier():
		l.ReLU(y, x)
	case f.Kind == tensor.ReLU:
		l.generalReLU(y, x, newGeneralReLU(f))
	default:
		done := l.functionWide(y, x, f)
		value := formulaOf(f.Kind).value
		for i := done; i < len(x); i++ {
			y[i] = float32(value(float64(x[i]), float64(f.Alpha)))
		}
	}
}

// FunctionGrad sets dx[i] = dy[i]·f'(x[i]). At a bend f' is as package backend defines it. dx may
// be dy or x.
func (l Level) FunctionGrad(dx, dy, x []float32, f tensor.Function) {
	if len(dx) != len(x) || len(dy) != len(x) {
		panic(errLength)
	}
	switch {
	case f.Kind == tensor.Identity:
		copy(dx, dy)
	case f.IsRectifier():
		l.ReLUGrad(dx, dy, x)
	case f.Kind == tensor.ReLU:
		l.generalReLUGrad(dx, dy, x, newGeneralReLU(f))
	default:
		done := l.functionGradWide(dx, dy, x, f)
		derivative := formulaOf(f.Kind).derivative
		for i := done; i < len(x); i++ {
			if d := derivative(float64(x[i]), float64(f.Alpha)); d == 0 {
				dx[i] = 0 // for a dy that is not finite, too
			} else {
				dx[i] = float32(float64(dy[i]) * d)
			}
		}
	}
}

// generalReLU are the parameters of a tensor.ReLU: the slope below the threshold, and the largest
// value, which may be infinite.
type generalReLU struct{ slope, threshold, limit float32 }

func newGeneralReLU(f tensor.Function) generalReLU {
	r := generalReLU{f.Alpha, f.Threshold, f.Max}
	if f.Max == 0 {
		r.limit = float32(math.Inf(1))
	}
	return r
}

func (l Level) generalReLU(y, x []float32, r generalReLU) {
	for i := l.generalReLUWide(y, x, r); i < len(x); i++ {
		v := x[i]
		if v < r.threshold {
			v = r.slope * max(v-r.threshold, -math.MaxFloat32) // 0 times an infinity is no number
		}
		y[i] = min(v, r.limit)
	}
}

func (l Level) generalReLUGrad(dx, dy, x []float32, r generalReLU) {
	for i := l.generalReLUGradWide(dx, dy, x, r); i < len(x); i++ {
		switch v := x[i]; {
		case v >= r.limit || v <= r.threshold && r.slope == 0:
			dx[i] = 0
		case v <= r.threshold:
			dx[i] = r.slope * dy[i]
		default:
			dx[i] = dy[i]
		}
	}
}

// formula is a function and its derivative. alpha is tensor.Function.Alpha.
type formula struct {
	value, derivative func(x, alpha float64) float64
}

// formulaOf returns the formula of a function other than the identity and ReLU.
func formulaOf(kind tensor.FunctionKind) *formula {
	f := formulas[kind]
	if f == nil {
		panic(errFunction)
	}
	return f
}

// The constants of SELU (https://arxiv.org/abs/1706.02515).
const (
	seluAlpha = 1.6732632423543772848170429916717
	seluScale = 1.0507009873554804934193349852946
)

// geluCubic is the coefficient of x³ in GELUTanh, and geluScale √(2/π).
const (
	geluCubic = 0.044715
	geluScale = 0.79788456080286535587989211986876
)

var formulas = map[tensor.FunctionKind]*formula{
	tensor.ELU: {
		func(x, alpha float64) float64 {
			if x > 0 {
				return x
			}
			return alpha * math.Expm1(x)
		},
		func(x, alpha float64) float64 {
			if x > 0 {
				return 1
			}
			return alpha * math.Exp(x)
		},
	},
	tensor.SELU: {
		func(x, _ float64) float64 {
			if x >= 0 {
				return seluScale * x
			}
			return seluScale * seluAlpha * math.Expm1(x)
		},
		func(x, _ float64) float64 {
			if x >= 0 {
				return seluScale
			}
			return seluScale * seluAlpha * math.Exp(x)
		},
	},
	tensor.GELU: {
		func(x, _ float64) float64 { return x * normalCumulative(x) },
		func(x, _ float64) float64 {
			return normalCumulative(x) + x*math.Exp(-x*x/2)*(geluScale/2) // √(2/π)/2 = 1/√(2π)
		},
	},
	tensor.GELUTanh: {
		func(x, _ float64) float64 { return x * sigmoid(2*geluScale*(x+geluCubic*x*x*x)) },
		func(x, _ float64) float64 {
			s := sigmoid(2 * geluScale * (x + geluCubic*x*x*x))
			return s + x*s*(1-s)*2*geluScale*(1+3*geluCubic*x*x)
		},
	},
	tensor.SiLU: {
		func(x, _ float64) float64 { return x * sigmoid(x) },
		func(x, _ float64) float64 { s := sigmoid(x); return s + x*s*(1-s) },
	},
	tensor.Sigmoid: {
		func(x, _ float64) float64 { return sigmoid(x) },
		func(x, _ float64) float64 { return sigmoid(x) * sigmoid(-x) },
	},
	tensor.Tanh: {
		func(x, _ float64) float64 { return math.Tanh(x) },
		func(x, _ float64) float64 { t := math.Tanh(x); return (1 - t) * (1 + t) },
	},
	tensor.HardSigmoid: {hardSigmoid, hardSigmoidSlope},
	tensor.HardSiLU: {
		func(x, _ float64) float64 { return x * hardSigmoid(x, 1.0/6) },
		func(x, _ float64) float64 { return hardSigmoid(x, 1.0/6) + x*hardSigmoidSlope(x, 1.0/6) },
	},
	tensor.Softplus: {
		func(x, _ float64) float64 { return softplus(x) },
		func(x, _ float64) float64 { return sigmoid(x) },
	},
	tensor.Softsign: {
		func(x, _ float64) float64 { return x / (1 + math.Abs(x)) },
		func(x, _ float64) float64 { d := 1 + math.Abs(x); return 1 / (d * d) },
	},
	tensor.Exponential: {
		func(x, _ float64) float64 { return math.Exp(x) },
		func(x, _ float64) float64 { return math.Exp(x) },
	},
	tensor.Mish: {
		func(x, _ float64) float64 { return x * math.Tanh(softplus(x)) },
		func(x, _ float64) float64 {
			t := math.Tanh(softplus(x))
			return t + x*(1-t)*(1+t)*sigmoid(x)
		},
	},
}

// sigmoid returns 1/(1 + e^−x).
func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// softplus returns ln(1 + e^x), which does not overflow.
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// normalCumulative returns the share of a normal distribution below x.
func normalCumulative(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func hardSigmoid(x, slope float64) float64 { return min(max(slope*x+0.5, 0), 1) }

func hardSigmoidSlope(x, slope float64) float64 {
	if y := slope*x + 0.5; y <= 0 || y >= 1 {
		return 0
	}
	return slope
}
