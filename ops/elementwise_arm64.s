//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// Element-wise kernels that read several tensors, and the optimizers, on n elements, a multiple of
// 8, at least 8: elementwise_amd64.s and sgd_amd64.s have their loops in Go. Each product and sum
// is rounded to float32, none is fused.
//
// R0         the result
// R1-R4      a, b, dy;  x, dy;  w, v or m, v, dw
// R9         elements left
// V10-V15    coefficients
// V8, V9     sums of squares

// COEFFICIENT sets all elements of a vector.
#define COEFFICIENT(at, v) \
	MOVWU at, R10    \
	BROADCAST(10, v)

// func sumNEON(y, a, b *float32, n int)
TEXT ·sumNEON(SB), NOSPLIT, $0-32
	MOVD y+0(FP), R0
	MOVD a+8(FP), R1
	MOVD b+16(FP), R2
	MOVD n+24(FP), R9

loop:
	FLDPQ.P 32(R1), (F0, F1)
	FLDPQ.P 32(R2), (F2, F3)
	PLUS(0, 2, 0)
	PLUS(1, 3, 1)
	FSTPQ.P (F0, F1), 32(R0)
	SUBS    $8, R9
	BNE     loop
	RET

// func sumReLUNEON(y, a, b *float32, n int)
TEXT ·sumReLUNEON(SB), NOSPLIT, $0-32
	MOVD y+0(FP), R0
	MOVD a+8(FP), R1
	MOVD b+16(FP), R2
	MOVD n+24(FP), R9
	CLEAR(15)

loop:
	FLDPQ.P 32(R1), (F0, F1)
	FLDPQ.P 32(R2), (F2, F3)
	PLUS(0, 2, 0)
	PLUS(1, 3, 1)
	MAX(0, 15, 0)
	MAX(1, 15, 1)
	FSTPQ.P (F0, F1), 32(R0)
	SUBS    $8, R9
	BNE     loop
	RET

// func sumReLUGradNEON(d, dy, a, b *float32, n int)
TEXT ·sumReLUGradNEON(SB), NOSPLIT, $0-40
	MOVD d+0(FP), R0
	MOVD dy+8(FP), R3
	MOVD a+16(FP), R1
	MOVD b+24(FP), R2
	MOVD n+32(FP), R9

loop:
	FLDPQ.P 32(R1), (F0, F1)
	FLDPQ.P 32(R2), (F2, F3)
	FLDPQ.P 32(R3), (F4, F5)
	PLUS(0, 2, 0)
	PLUS(1, 3, 1)
	ATMOSTZERO(0, 0)
	ATMOSTZERO(1, 1)
	BITCLEAR(4, 0, 0)
	BITCLEAR(5, 1, 1)
	FSTPQ.P (F0, F1), 32(R0)
	SUBS    $8, R9
	BNE     loop
	RET

// GENERALRELU changes V<x>.
#define GENERALRELU(x, t) \
	MINUS(x, 11, t)   \
	MAX(t, 13, t)     \
	TIMES(10, t, t)   \ // slope*max(−MaxFloat32, x − threshold)
	GREATER(11, x, t+1) \
	SELECT(x, t, t+1) \
	MIN(12, t+1, x)

// func generalReLUNEON(y, x *float32, n int, r generalReLU)
TEXT ·generalReLUNEON(SB), NOSPLIT, $0-36
	MOVD y+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R9
	COEFFICIENT(r_slope+24(FP), 10)
	COEFFICIENT(r_threshold+28(FP), 11)
	COEFFICIENT(r_limit+32(FP), 12)
	MOVD $0xff7fffff, R10 // −MaxFloat32
	BROADCAST(10, 13)

loop:
	FLDPQ.P 32(R1), (F0, F1)
	GENERALRELU(0, 2)
	GENERALRELU(1, 4)
	FSTPQ.P (F0, F1), 32(R0)
	SUBS    $8, R9
	BNE     loop
	RET

// GENERALRELUGRAD sets V<x> to the gradient, from dy in V<dy>.
#define GENERALRELUGRAD(x, dy, t) \
	TIMES(10, dy, t)   \
	BITCLEAR(t, 14, t)  \
	ATLEAST(11, x, t+1) \
	SELECT(dy, t, t+1) \
	ATLEAST(x, 12, x)  \
	BITCLEAR(t+1, x, x)

// func generalReLUGradNEON(dx, dy, x *float32, n int, r generalReLU)
TEXT ·generalReLUGradNEON(SB), NOSPLIT, $0-44
	MOVD dx+0(FP), R0
	MOVD dy+8(FP), R2
	MOVD x+16(FP), R1
	MOVD n+24(FP), R9
	COEFFICIENT(r_slope+32(FP), 10)
	COEFFICIENT(r_threshold+36(FP), 11)
	COEFFICIENT(r_limit+40(FP), 12)
	CLEAR(15)
	EQUAL(10, 15, 14) // a slope of 0 passes nothing on, not even an infinity

loop:
	FLDPQ.P 32(R1), (F0, F1)
	FLDPQ.P 32(R2), (F2, F3)
	GENERALRELUGRAD(0, 2, 4)
	GENERALRELUGRAD(1, 3, 6)
	FSTPQ.P (F0, F1), 32(R0)
	SUBS    $8, R9
	BNE     loop
	RET

// SQUARES adds the squares of the elements of V<a> to V8 and V9.
#define SQUARES(a) \
	WIDEN(a, 16)     \
	WIDENHIGH(a, 17) \
	FMAD(16, 16, 8)  \
	FMAD(17, 17, 9)

// TOTAL leaves the sum of V8 and V9 in F8.
#define TOTAL \
	PLUSD(8, 9, 8)        \
	VMOV  V8.D[1], V9.D[0] \
	FADDD F9, F8

// Of w, m, v and dw, ADAMW changes the first three.
#define ADAMW(w, m, v, dw) \
	SQUARES(w)         \
	TIMES(10, w, 18)   \
	PLUS(dw, 18, 18)   \ // d = dw + decay*w
	MINUS(18, m, 19)   \
	TIMES(11, 19, 19)  \
	PLUS(m, 19, m)     \ // m += (d − m)*new1
	TIMES(18, 18, 18)  \
	MINUS(18, v, 18)   \
	TIMES(12, 18, 18)  \
	PLUS(v, 18, v)     \ // v += (d*d − v)*new2
	ROOT(v, 18)        \
	PLUS(18, 15, 18)   \
	TIMES(14, m, 19)   \
	DIVIDE(19, 18, 18) \ // rate*m/(√v + epsilon)
	TIMES(13, w, w)    \
	MINUS(w, 18, w)

// func adamWNEON(w, m, v, dw *float32, n int, c adamWCoefficients) (squares float64)
TEXT ·adamWNEON(SB), NOSPLIT, $0-72
	MOVD w+0(FP), R1
	MOVD m+8(FP), R2
	MOVD v+16(FP), R3
	MOVD dw+24(FP), R4
	MOVD n+32(FP), R9
	COEFFICIENT(c_decay+40(FP), 10)
	COEFFICIENT(c_new1+44(FP), 11)
	COEFFICIENT(c_new2+48(FP), 12)
	COEFFICIENT(c_keep+52(FP), 13)
	COEFFICIENT(c_rate+56(FP), 14)
	COEFFICIENT(c_epsilon+60(FP), 15)
	CLEAR(8)
	CLEAR(9)

loop:
	FLDPQ   (R1), (F0, F1)
	FLDPQ   (R2), (F2, F3)
	FLDPQ   (R3), (F4, F5)
	FLDPQ.P 32(R4), (F6, F7)
	ADAMW(0, 2, 4, 6)
	ADAMW(1, 3, 5, 7)
	FSTPQ.P (F0, F1), 32(R1)
	FSTPQ.P (F2, F3), 32(R2)
	FSTPQ.P (F4, F5), 32(R3)
	SUBS    $8, R9
	BNE     loop
	TOTAL
	FMOVD   F8, squares+64(FP)
	RET

// Of w, v and dw, SGD changes the first two.
#define SGD(w, v, dw) \
	SQUARES(w)        \
	TIMES(10, w, 18)  \
	PLUS(dw, 18, 18)  \ // d = dw + decay*w
	TIMES(11, v, v)   \
	TIMES(12, 18, 19) \
	MINUS(v, 19, v)   \ // v = momentum*v − rate*d
	TIMES(13, v, 19)  \
	PLUS(w, 19, w)    \
	TIMES(14, 18, 18) \
	MINUS(w, 18, w)     // w = w + wV*v − wG*d

// func sgdNEON(w, v, dw *float32, n int, c sgdCoefficients) (squares float64)
TEXT ·sgdNEON(SB), NOSPLIT, $0-64
	MOVD w+0(FP), R1
	MOVD v+8(FP), R2
	MOVD dw+16(FP), R3
	MOVD n+24(FP), R9
	COEFFICIENT(c_decay+32(FP), 10)
	COEFFICIENT(c_momentum+36(FP), 11)
	COEFFICIENT(c_rate+40(FP), 12)
	COEFFICIENT(c_wV+44(FP), 13)
	COEFFICIENT(c_wG+48(FP), 14)
	CLEAR(8)
	CLEAR(9)

loop:
	FLDPQ   (R1), (F0, F1)
	FLDPQ   (R2), (F2, F3)
	FLDPQ.P 32(R3), (F4, F5)
	SGD(0, 2, 4)
	SGD(1, 3, 5)
	FSTPQ.P (F0, F1), 32(R1)
	FSTPQ.P (F2, F3), 32(R2)
	SUBS    $8, R9
	BNE     loop
	TOTAL
	FMOVD   F8, squares+56(FP)
	RET

// func sumSquaresNEON(x *float32, n int) (sum float64)
TEXT ·sumSquaresNEON(SB), NOSPLIT, $0-24
	MOVD x+0(FP), R1
	MOVD n+8(FP), R9
	CLEAR(8)
	CLEAR(9)

loop:
	FLDPQ.P 32(R1), (F0, F1)
	SQUARES(0)
	SQUARES(1)
	SUBS    $8, R9
	BNE     loop
	TOTAL
	FMOVD   F8, sum+16(FP)
	RET
