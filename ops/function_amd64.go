//go:build !noasm

package ops

import (
	"math"

	"github.com/lamina-go/lamina/tensor"
)

// functionArgs are the arguments of the kernels of function_amd64.h. They compute n elements, a
// multiple of the elements of a vector.
type functionArgs struct {
	out, dy, x *float32 // dy of a gradient
	n          int
	kind       int
	alpha      float32
	scale      float32
	constants  *[functionConstantCount]vector
}

// vector is as many equal elements as the widest register has.
type vector [16]float32

// The kinds of functions that have kernels. package ops has the meaning of each.
const (
	kindELU = iota
	kindSELU
	kindGELU
	kindGELUTanh
	kindSiLU
	kindSigmoid
	kindTanh
	kindHardSigmoid
	kindHardSiLU
	kindSoftplus
	kindSoftsign
	kindExponential
	kindMish
)

// newFunctionArgs returns the arguments that all calls of a function share. ELU has the slope alpha
// at 0, SELU has alpha·scale below and scale above.
func newFunctionArgs(f tensor.Function) functionArgs {
	p := functionArgs{alpha: f.Alpha, scale: 1, constants: &functionConstants}
	switch f.Kind {
	case tensor.ELU:
		p.kind = kindELU
	case tensor.SELU:
		p.kind, p.alpha, p.scale = kindSELU, seluScale*seluAlpha, seluScale
	case tensor.GELU:
		p.kind = kindGELU
	case tensor.GELUTanh:
		p.kind = kindGELUTanh
	case tensor.SiLU:
		p.kind = kindSiLU
	case tensor.Sigmoid:
		p.kind = kindSigmoid
	case tensor.Tanh:
		p.kind = kindTanh
	case tensor.HardSigmoid:
		p.kind = kindHardSigmoid
	case tensor.HardSiLU:
		p.kind, p.alpha = kindHardSiLU, 1.0/6
	case tensor.Softplus:
		p.kind = kindSoftplus
	case tensor.Softsign:
		p.kind = kindSoftsign
	case tensor.Exponential:
		p.kind = kindExponential
	case tensor.Mish:
		p.kind = kindMish
	default:
		panic(errFunction)
	}
	return p
}

// The constants of the kernels, by their index in functionConstants.
const (
	constOne = iota
	constHalf
	constTwo
	constFour
	constSign
	// e^x = 2^n·e^r with r = x − n·ln 2, n = round(x/ln 2): see EXP.
	constLog2E
	constRound
	constLn2High
	constLn2Low
	constLowest
	constHighest
	constExp2
	constExp3
	constExp4
	constExp5
	constExp6
	constExp7
	// tanh x = x + x³·P(x²) for |x| < constTanhSmall.
	constTanhSmall
	constTanh3
	constTanh5
	constTanh7
	constTanh9
	constTanh11
	// Φ(−a) = e^(−a²/2)·t·P(t) with t = 1/(1 + constNormalT·a) for a ≥ 0.
	constNormalT
	constNormal1
	constNormal2
	constNormal3
	constNormal4
	constNormal5
	constNormal6
	constNormal7
	constNormal8
	constNormalDensity
	constMinusHalf
	// The argument of the sigmoid in GELUTanh.
	constCubic
	constThriceCubic
	constTwiceScale
	constSquareLimit
	// ln(1 + e) = 2·artanh(s), s = e/(2 + e), by its series s + s³/3 + s⁵/5 + …
	constThird
	constFifth
	constSeventh
	constNinth
	constEleventh
	constThirteenth
	constFifteenth
	constMishLimit
	functionConstantCount
)

// The polynomials of e^r and of tanh are those of Cephes (expf.c, tanhf.c). That of Φ is a fit with
// the relative error 1.5e-7.
var functionConstants = vectors([functionConstantCount]float32{
	constOne:  1,
	constHalf: 0.5,
	constTwo:  2,
	constFour: 4,
	constSign: float32(math.Copysign(0, -1)),

	constLog2E:   1.4426950408889634,
	constRound:   3 << 22, // what is added to it is rounded to a whole number
	constLn2High: 0.693145751953125,
	constLn2Low:  1.4286067653e-6,
	constLowest:  -104, // e^x is 0 below
	constHighest: 104,  // and infinite above
	constExp2:    5.0000001201e-1,
	constExp3:    1.6666665459e-1,
	constExp4:    4.1665795894e-2,
	constExp5:    8.3334519073e-3,
	constExp6:    1.3981999507e-3,
	constExp7:    1.9875691500e-4,

	constTanhSmall: 0.625,
	constTanh3:     -3.33332819422e-1,
	constTanh5:     1.33314422036e-1,
	constTanh7:     -5.37397155531e-2,
	constTanh9:     2.06390887954e-2,
	constTanh11:    -5.70498872745e-3,

	constNormalT:       0.3,
	constNormal1:       0.11962926,
	constNormal2:       0.12075451,
	constNormal3:       0.09991002,
	constNormal4:       0.1285731,
	constNormal5:       -0.05370533,
	constNormal6:       0.2063771,
	constNormal7:       -0.1572168,
	constNormal8:       0.03567808,
	constNormalDensity: geluScale / 2, // 1/√(2π)
	constMinusHalf:     -0.5,

	constCubic:       geluCubic,
	constThriceCubic: 3 * geluCubic,
	constTwiceScale:  2 * geluScale,
	constSquareLimit: 1e4, // of x²: beyond it the sigmoid is 0 or 1

	constThird:      1. / 3,
	constFifth:      1. / 5,
	constSeventh:    1. / 7,
	constNinth:      1. / 9,
	constEleventh:   1. / 11,
	constThirteenth: 1. / 13,
	constFifteenth:  1. / 15,
	constMishLimit:  20, // tanh(ln(1 + e^x)) is 1 from there on
})

func vectors(constants [functionConstantCount]float32) (v [functionConstantCount]vector) {
	for i, c := range constants {
		for j := range v[i] {
			v[i][j] = c
		}
	}
	return v
}

//go:noescape
func functionAVX2(p functionArgs)

//go:noescape
func functionGradAVX2(p functionArgs)

//go:noescape
func functionAVX512(p functionArgs)

//go:noescape
func functionGradAVX512(p functionArgs)

// functionChunk is how many elements one call of a kernel computes, few enough that it does not
// delay the garbage collector.
const functionChunk = chunkSize / 4

// The methods compute all elements, from AVX2 on. The last ones go through a whole vector, so that
// the value of an element does not depend on its position.

func (l Level) functionWide(y, x []float32, f tensor.Function) int {
	if l < AVX2 {
		return 0
	}
	p := newFunctionArgs(f)
	n := len(x) &^ (len(vector{}) - 1)
	for i := 0; i < n; i += functionChunk {
		p.out, p.x, p.n = &y[i], &x[i], min(functionChunk, n-i)
		l.function(p)
	}
	if n < len(x) {
		var last vector
		copy(last[:], x[n:])
		p.out, p.x, p.n = &last[0], &last[0], len(last)
		l.function(p)
		copy(y[n:], last[:])
	}
	return len(x)
}

func (l Level) functionGradWide(dx, dy, x []float32, f tensor.Function) int {
	if l < AVX2 {
		return 0
	}
	p := newFunctionArgs(f)
	n := len(x) &^ (len(vector{}) - 1)
	for i := 0; i < n; i += functionChunk {
		p.out, p.dy, p.x, p.n = &dx[i], &dy[i], &x[i], min(functionChunk, n-i)
		l.functionGrad(p)
	}
	if n < len(x) {
		var last, lastDy vector
		copy(last[:], x[n:])
		copy(lastDy[:], dy[n:])
		p.out, p.dy, p.x, p.n = &last[0], &lastDy[0], &last[0], len(last)
		l.functionGrad(p)
		copy(dx[n:], last[:])
	}
	return len(x)
}

func (l Level) function(p functionArgs) {
	if l < AVX512 {
		functionAVX2(p)
	} else {
		functionAVX512(p)
	}
}

func (l Level) functionGrad(p functionArgs) {
	if l < AVX512 {
		functionGradAVX2(p)
	} else {
		functionGradAVX512(p)
	}
}
