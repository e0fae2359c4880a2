//go:build !noasm

#include "textflag.h"

// Stochastic gradient descent on n parameters, a multiple of 8, at least 8; Go does the rest.
//
//	for i := range n {
//		squares += w[i]*w[i] // in float64
//		d := dw[i] + decay*w[i]
//		v[i] = momentum*v[i] - rate*d
//		w[i] = w[i] + wV*v[i] - wG*d
//	}
//
// Each product and sum is rounded to float32, none is fused.
//
// SI, DI, R8     w, v, dw
// AX, DX         offset in bytes, end
// Y10-Y14        decay, momentum, rate, wV, wG
// Y8, Y9         sums of squares of the lower and upper four
//
// All three come from memory, and are prefetched DISTANCE bytes ahead.
//
// Need AVX2 and FMA.

#define DISTANCE 2048

// SQUARES adds the squares of the floats in Y0 (X0) to Y8 and Y9.
#define SQUARES \
	VCVTPS2PD    X0, Y5       \
	VEXTRACTF128 $1, Y0, X6   \
	VCVTPS2PD    X6, Y6       \
	VFMADD231PD  Y5, Y5, Y8   \
	VFMADD231PD  Y6, Y6, Y9

// TOTAL leaves the sum of Y8 and Y9 in X8.
#define TOTAL \
	VADDPD       Y9, Y8, Y8   \
	VEXTRACTF128 $1, Y8, X9   \
	VADDPD       X9, X8, X8   \
	VHADDPD      X8, X8, X8

// func sgdAVX2(w, v, dw *float32, n int, c sgdCoefficients) (squares float64)
TEXT ·sgdAVX2(SB), NOSPLIT, $0-64
	MOVQ         w+0(FP), SI
	MOVQ         v+8(FP), DI
	MOVQ         dw+16(FP), R8
	MOVQ         n+24(FP), DX
	VBROADCASTSS c_decay+32(FP), Y10
	VBROADCASTSS c_momentum+36(FP), Y11
	VBROADCASTSS c_rate+40(FP), Y12
	VBROADCASTSS c_wV+44(FP), Y13
	VBROADCASTSS c_wG+48(FP), Y14
	VXORPD       Y8, Y8, Y8
	VXORPD       Y9, Y9, Y9
	SHLQ         $2, DX
	XORL         AX, AX

loop:
	PREFETCHT0 DISTANCE(SI)(AX*1)
	PREFETCHT0 DISTANCE(DI)(AX*1)
	PREFETCHT0 DISTANCE(R8)(AX*1)
	VMOVUPS (SI)(AX*1), Y0
	SQUARES
	VMULPS  Y0, Y10, Y2
	VADDPS  (R8)(AX*1), Y2, Y2   // d = dw + decay*w
	VMULPS  (DI)(AX*1), Y11, Y1
	VMULPS  Y2, Y12, Y3
	VSUBPS  Y3, Y1, Y1
	VMOVUPS Y1, (DI)(AX*1)       // v = momentum*v − rate*d
	VMULPS  Y1, Y13, Y1
	VADDPS  Y1, Y0, Y0
	VMULPS  Y2, Y14, Y2
	VSUBPS  Y2, Y0, Y0
	VMOVUPS Y0, (SI)(AX*1)       // w = w + wV*v − wG*d
	ADDQ    $32, AX
	CMPQ    AX, DX
	JLT     loop
	TOTAL
	VMOVSD  X8, squares+56(FP)
	VZEROUPPER
	RET

// func sumSquaresAVX2(x *float32, n int) (sum float64)
TEXT ·sumSquaresAVX2(SB), NOSPLIT, $0-24
	MOVQ   x+0(FP), SI
	MOVQ   n+8(FP), DX
	VXORPD Y8, Y8, Y8
	VXORPD Y9, Y9, Y9
	SHLQ   $2, DX
	XORL   AX, AX

loop:
	VMOVUPS (SI)(AX*1), Y0
	SQUARES
	ADDQ    $32, AX
	CMPQ    AX, DX
	JLT     loop
	TOTAL
	VMOVSD  X8, sum+16(FP)
	VZEROUPPER
	RET
