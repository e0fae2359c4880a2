// The kernels of activation functions and their gradients, written once for both vector widths. A
// .s file defines FUNCTION and FUNCTIONGRAD, the names of the kernels, and V0 to V15 as registers.
// In Go, for each i < n:
//
//	function      out[i] = f(x[i])
//	functionGrad  out[i] = dy[i]*f'(x[i])
//
// The formulas stand beside the macros; ops/function.go has them in float64. Errors are a few
// roundings of the largest term of each formula. A NaN stays one. There are no comparisons, which
// the two widths have in different forms: a mask is the sign of a difference.
//
// V4       x
// V0       the result
// V1-V3    temporaries of EXP, and of the functions with V5, V6
// V7, V8   scale, alpha
// V9       the sign bit
// V10-V15  constants of EXP; V11 is 1
// SI, DI, BX, CX  x, dy, out, constants
// AX, DX   offset in bytes, end

// K is a constant of functionConstants in all lanes.
#define K(index) (index)*64(CX)

// EXP computes V0 = e^V0. With t = x·log₂e + 3·2²² the low bits of t are n = round(x·log₂e), and t −
// 3·2²² is n as a number. 2^n is the product of two powers, so that results may be subnormal or
// infinite. x must not be above 104.
#define EXP \
	VMAXPS       V0, V10, V0               \ // if x is a NaN the result is the second source, x
	VMOVAPS      V14, V1                   \
	VFMADD231PS  V0, V15, V1               \
	VSUBPS       V14, V1, V2               \
	VFNMADD231PS V2, V13, V0               \
	VFNMADD231PS V2, V12, V0               \ // r
	VPSLLD       $23, V1, V1               \
	VPSRAD       $24, V1, V2               \
	VPSLLD       $23, V2, V2               \ // n/2, rounded down, and n − n/2 as exponents
	VPSUBD       V2, V1, V1                \
	VPADDD       V11, V1, V1               \
	VPADDD       V11, V2, V2               \
	VMOVUPS      K(const_constExp7), V3    \
	VFMADD213PS  K(const_constExp6), V0, V3 \
	VFMADD213PS  K(const_constExp5), V0, V3 \
	VFMADD213PS  K(const_constExp4), V0, V3 \
	VFMADD213PS  K(const_constExp3), V0, V3 \
	VFMADD213PS  K(const_constExp2), V0, V3 \
	VMULPS       V0, V3, V3                \
	VFMADD213PS  V0, V0, V3                \ // r²·P(r) + r
	VADDPS       V11, V3, V0               \
	VMULPS       V1, V0, V0                \
	VMULPS       V2, V0, V0

// SELECT sets b to a where m is all ones, else leaves it. It destroys a.
#define SELECT(m, a, b) \
	VANDPS  a, m, a   \
	VANDNPS b, m, b   \
	VORPS   a, b, b

// NEGATIVE sets m to all ones where the sign bit of a is set.
#define NEGATIVE(a, m) VPSRAD $31, a, m

// POSITIVE sets m to all ones where a > 0.
#define POSITIVE(a, m) \
	VXORPS m, m, m    \
	VSUBPS a, m, m    \
	NEGATIVE(m, m)

// EXPNOTPOSITIVE sets V0 = e^min(x, 0).
#define EXPNOTPOSITIVE \
	VXORPS V5, V5, V5  \
	VMINPS V4, V5, V0  \
	EXP

// EXPMINUSONE sets V0 = e^x − 1 after EXP, for x <= 0: 2^n·(e^r − 1) + (2^n − 1) does not cancel.
#define EXPMINUSONE \
	VMULPS      V2, V1, V1    \
	VSUBPS      V11, V1, V0   \
	VFMADD231PS V3, V1, V0

// EXPABS sets V0 = e^−|a|.
#define EXPABS(a) \
	VORPS V9, a, V0   \
	EXP

// LOGISTIC sets V2 = σ(a) and V1 = 1 + e from V0 = e = e^−|a|: the quotient of 1 or e, and 1 + e.
#define LOGISTIC(a) \
	VADDPS  V11, V0, V1   \
	NEGATIVE(a, V3)       \
	VANDPS  V0, V3, V2    \
	VANDNPS V11, V3, V3   \
	VORPS   V3, V2, V2    \
	VDIVPS  V1, V2, V2

// LOGISTICSLOPE sets V0 = σ'(a) = e/(1 + e)² from V0 = e and V1 = 1 + e.
#define LOGISTICSLOPE \
	VMULPS V1, V1, V1   \
	VDIVPS V1, V0, V0

#define SIGMOID \
	EXPABS(V4)        \
	LOGISTIC(V4)      \
	VMOVAPS V2, V0

#define SIGMOIDSLOPE \
	EXPABS(V4)           \
	VADDPS V11, V0, V1   \
	LOGISTICSLOPE

// x·σ
#define SILU \
	EXPABS(V4)        \
	LOGISTIC(V4)      \
	VMULPS V4, V2, V0

// σ + x·σ'
#define SILUSLOPE \
	EXPABS(V4)             \
	LOGISTIC(V4)           \
	LOGISTICSLOPE          \
	VFMADD213PS V2, V4, V0

// (1 − e)/(1 + e) with the sign of x, e = e^−2|x|; a polynomial where 1 − e would cancel.
#define TANH \
	VADDPS      V4, V4, V5                   \
	EXPABS(V5)                               \
	VADDPS      V11, V0, V1                  \
	VSUBPS      V0, V11, V2                  \
	VDIVPS      V1, V2, V0                   \
	VANDPS      V9, V4, V1                   \
	VORPS       V1, V0, V0                   \
	VMULPS      V4, V4, V1                   \
	VMOVUPS     K(const_constTanh11), V2     \
	VFMADD213PS K(const_constTanh9), V1, V2  \
	VFMADD213PS K(const_constTanh7), V1, V2  \
	VFMADD213PS K(const_constTanh5), V1, V2  \
	VFMADD213PS K(const_constTanh3), V1, V2  \
	VMULPS      V1, V2, V2                   \
	VFMADD213PS V4, V4, V2                   \
	VANDNPS     V4, V9, V3                   \
	VSUBPS      K(const_constTanhSmall), V3, V3 \
	NEGATIVE(V3, V3)                         \
	SELECT(V3, V2, V0)

// 4e/(1 + e)²
#define TANHSLOPE \
	VADDPS V4, V4, V5                 \
	EXPABS(V5)                        \
	VADDPS V11, V0, V1                \
	LOGISTICSLOPE                     \
	VMULPS K(const_constFour), V0, V0

// x, or α·(e^x − 1)
#define ELU \
	EXPNOTPOSITIVE        \
	EXPMINUSONE           \
	VMULPS  V8, V0, V0    \
	POSITIVE(V4, V3)      \
	VMOVAPS V4, V5        \
	SELECT(V3, V5, V0)

// 1, or α·e^x
#define ELUSLOPE \
	EXPNOTPOSITIVE        \
	VMULPS  V8, V0, V0    \
	POSITIVE(V4, V3)      \
	VMOVAPS V11, V5       \
	SELECT(V3, V5, V0)

// SELU's sides meet at 0, which is one with the positive: −0 + 0 = 0.
#define SELU \
	EXPNOTPOSITIVE        \
	EXPMINUSONE           \
	VMULPS  V8, V0, V1    \
	VMULPS  V7, V4, V0    \
	VXORPS  V3, V3, V3    \
	VADDPS  V4, V3, V3    \
	NEGATIVE(V3, V3)      \
	SELECT(V3, V1, V0)

#define SELUSLOPE \
	EXPNOTPOSITIVE        \
	VMULPS  V8, V0, V1    \
	VMOVAPS V7, V0        \
	VXORPS  V3, V3, V3    \
	VADDPS  V4, V3, V3    \
	NEGATIVE(V3, V3)      \
	SELECT(V3, V1, V0)

// NORMAL sets V1 = Φ(x) and V0 = e^(−x²/2).
#define NORMAL \
	VANDNPS     V4, V9, V5                    \ // |x|
	VMOVUPS     K(const_constNormalT), V6     \
	VFMADD213PS V11, V5, V6                   \
	VDIVPS      V6, V11, V6                   \ // t
	VMULPS      V4, V4, V0                    \
	VMULPS      K(const_constMinusHalf), V0, V0 \
	EXP                                       \
	VMOVUPS     K(const_constNormal8), V1     \
	VFMADD213PS K(const_constNormal7), V6, V1 \
	VFMADD213PS K(const_constNormal6), V6, V1 \
	VFMADD213PS K(const_constNormal5), V6, V1 \
	VFMADD213PS K(const_constNormal4), V6, V1 \
	VFMADD213PS K(const_constNormal3), V6, V1 \
	VFMADD213PS K(const_constNormal2), V6, V1 \
	VFMADD213PS K(const_constNormal1), V6, V1 \
	VMULPS      V6, V1, V1                    \
	VMULPS      V0, V1, V2                    \ // Φ(−|x|)
	VSUBPS      V2, V11, V1                   \
	NEGATIVE(V4, V3)                          \
	SELECT(V3, V2, V1)

// x·Φ
#define GELU \
	NORMAL            \
	VMULPS V4, V1, V0

// Φ + x·Φ'
#define GELUSLOPE \
	NORMAL                                    \
	VMULPS      K(const_constNormalDensity), V0, V0 \
	VFMADD213PS V1, V4, V0

// CUBIC sets V5 = x², V6 = a = √(8/π)·(x + 0.044715·x³) and V0 = e^−|a|.
#define CUBIC \
	VMULPS      V4, V4, V5                       \
	VMINPS      K(const_constSquareLimit), V5, V5 \
	VMOVUPS     K(const_constCubic), V6          \
	VFMADD213PS V11, V5, V6                      \
	VMULPS      V4, V6, V6                       \
	VMULPS      K(const_constTwiceScale), V6, V6 \
	EXPABS(V6)

// x·σ(a)
#define GELUTANH \
	CUBIC             \
	LOGISTIC(V6)      \
	VMULPS V4, V2, V0

// σ + x·σ'·√(8/π)·(1 + 3·0.044715·x²)
#define GELUTANHSLOPE \
	CUBIC                                        \
	LOGISTIC(V6)                                 \
	LOGISTICSLOPE                                \
	VMOVUPS     K(const_constThriceCubic), V3    \
	VFMADD213PS V11, V5, V3                      \
	VMULPS      K(const_constTwiceScale), V3, V3 \
	VMULPS      V3, V0, V0                       \
	VFMADD213PS V2, V4, V0

// HARD sets V0 = α·x + 1/2.
#define HARD \
	VMOVAPS     V8, V0                   \
	VFMADD213PS K(const_constHalf), V4, V0

#define HARDSIGMOID \
	HARD                 \
	VXORPS V1, V1, V1    \
	VMAXPS V0, V1, V0    \
	VMINPS V0, V11, V0

// α where 0 < α·x + 1/2 < 1
#define HARDSIGMOIDSLOPE \
	HARD                 \
	POSITIVE(V0, V1)     \
	VSUBPS V11, V0, V0   \
	NEGATIVE(V0, V0)     \
	VANDPS V1, V0, V0    \
	VANDPS V8, V0, V0

#define HARDSILU \
	HARDSIGMOID        \
	VMULPS V4, V0, V0

#define HARDSILUSLOPE \
	HARDSIGMOID            \
	VMOVAPS     V0, V2     \
	HARDSIGMOIDSLOPE       \
	VFMADD213PS V2, V4, V0

// max(x, 0) + ln(1 + e)
#define SOFTPLUS \
	EXPABS(V4)                                    \
	VADDPS      K(const_constTwo), V0, V1         \
	VDIVPS      V1, V0, V0                        \ // s
	VMULPS      V0, V0, V1                        \
	VMOVUPS     K(const_constFifteenth), V2       \
	VFMADD213PS K(const_constThirteenth), V1, V2  \
	VFMADD213PS K(const_constEleventh), V1, V2    \
	VFMADD213PS K(const_constNinth), V1, V2       \
	VFMADD213PS K(const_constSeventh), V1, V2     \
	VFMADD213PS K(const_constFifth), V1, V2       \
	VFMADD213PS K(const_constThird), V1, V2       \
	VMULPS      V1, V2, V2                        \
	VFMADD213PS V0, V0, V2                        \
	VADDPS      V2, V2, V2                        \
	VXORPS      V1, V1, V1                        \
	VMAXPS      V4, V1, V0                        \
	VADDPS      V2, V0, V0

#define SOFTSIGN \
	VANDNPS V4, V9, V1    \
	VADDPS  V11, V1, V1   \
	VDIVPS  V1, V4, V0

#define SOFTSIGNSLOPE \
	VANDNPS V4, V9, V1    \
	VADDPS  V11, V1, V1   \
	VMULPS  V1, V1, V1    \
	VDIVPS  V1, V11, V0

#define EXPONENTIAL \
	VMOVUPS K(const_constHighest), V5 \
	VMINPS  V4, V5, V0                \
	EXP

// MISHPARTS sets V0 = e = e^x, V2 = e·(e + 2) + 2, V1 = tanh(ln(1 + e)) = (V2 − 2)/V2.
#define MISHPARTS \
	VMOVUPS K(const_constMishLimit), V5   \
	VMINPS  V4, V5, V0                    \
	EXP                                   \
	VADDPS  K(const_constTwo), V0, V1     \
	VMULPS  V0, V1, V1                    \
	VADDPS  K(const_constTwo), V1, V2     \
	VDIVPS  V2, V1, V1

#define MISH \
	MISHPARTS         \
	VMULPS V4, V1, V0

// tanh(…) + x·4e·(1 + e)/(e·(e + 2) + 2)²
#define MISHSLOPE \
	MISHPARTS                            \
	VADDPS      V11, V0, V3              \
	VMULPS      V3, V0, V0               \
	VMULPS      K(const_constFour), V0, V0 \
	VMULPS      V2, V2, V2               \
	VDIVPS      V2, V0, V0               \
	VFMADD213PS V1, V4, V0

#define ARGUMENTS \
	MOVQ    p_out+functionArgs_out(FP), BX             \
	MOVQ    p_x+functionArgs_x(FP), SI                 \
	MOVQ    p_n+functionArgs_n(FP), DX                 \
	MOVQ    p_kind+functionArgs_kind(FP), R8           \
	MOVQ    p_constants+functionArgs_constants(FP), CX \
	VBROADCASTSS p_alpha+functionArgs_alpha(FP), V8    \
	VBROADCASTSS p_scale+functionArgs_scale(FP), V7    \
	VMOVUPS K(const_constSign), V9                     \
	VMOVUPS K(const_constLowest), V10                  \
	VMOVUPS K(const_constOne), V11                     \
	VMOVUPS K(const_constLn2Low), V12                  \
	VMOVUPS K(const_constLn2High), V13                 \
	VMOVUPS K(const_constRound), V14                   \
	VMOVUPS K(const_constLog2E), V15                   \
	SHLQ    $2, DX                                     \
	XORL    AX, AX

// IF jumps to the loop of a kind.
#define IF(kind, label) \
	CMPQ R8, $kind   \
	JEQ  label

#define VALUES(label, f) \
label:                           \
	VMOVUPS (SI)(AX*1), V4       \
	f                            \
	VMOVUPS V0, (BX)(AX*1)       \
	ADDQ    $BYTES, AX           \
	CMPQ    AX, DX               \
	JLT     label                \
	VZEROUPPER                   \
	RET

#define GRADIENTS(label, f) \
label:                           \
	VMOVUPS (SI)(AX*1), V4       \
	f                            \
	VMULPS  (DI)(AX*1), V0, V0   \
	VMOVUPS V0, (BX)(AX*1)       \
	ADDQ    $BYTES, AX           \
	CMPQ    AX, DX               \
	JLT     label                \
	VZEROUPPER                   \
	RET

#define DISPATCH \
	IF(const_kindSELU, selu)               \
	IF(const_kindGELU, gelu)               \
	IF(const_kindGELUTanh, geluTanh)       \
	IF(const_kindSiLU, silu)               \
	IF(const_kindSigmoid, sigmoid)         \
	IF(const_kindTanh, tanh)               \
	IF(const_kindHardSigmoid, hardSigmoid) \
	IF(const_kindHardSiLU, hardSilu)       \
	IF(const_kindSoftplus, softplus)       \
	IF(const_kindSoftsign, softsign)       \
	IF(const_kindExponential, exponential) \
	IF(const_kindMish, mish)

TEXT FUNCTION(SB), NOSPLIT, $0-56
	ARGUMENTS
	DISPATCH
	VALUES(elu, ELU)
	VALUES(selu, SELU)
	VALUES(gelu, GELU)
	VALUES(geluTanh, GELUTANH)
	VALUES(silu, SILU)
	VALUES(sigmoid, SIGMOID)
	VALUES(tanh, TANH)
	VALUES(hardSigmoid, HARDSIGMOID)
	VALUES(hardSilu, HARDSILU)
	VALUES(softplus, SOFTPLUS)
	VALUES(softsign, SOFTSIGN)
	VALUES(exponential, EXPONENTIAL)
	VALUES(mish, MISH)

TEXT FUNCTIONGRAD(SB), NOSPLIT, $0-56
	ARGUMENTS
	MOVQ p_dy+functionArgs_dy(FP), DI
	DISPATCH
	GRADIENTS(elu, ELUSLOPE)
	GRADIENTS(selu, SELUSLOPE)
	GRADIENTS(gelu, GELUSLOPE)
	GRADIENTS(geluTanh, GELUTANHSLOPE)
	GRADIENTS(silu, SILUSLOPE)
	GRADIENTS(sigmoid, SIGMOIDSLOPE)
	GRADIENTS(tanh, TANHSLOPE)
	GRADIENTS(hardSigmoid, HARDSIGMOIDSLOPE)
	GRADIENTS(hardSilu, HARDSILUSLOPE)
	GRADIENTS(softplus, SIGMOID)
	GRADIENTS(softsign, SOFTSIGNSLOPE)
	GRADIENTS(exponential, EXPONENTIAL)
	GRADIENTS(mish, MISHSLOPE)
