//go:build !noasm

#include "textflag.h"
#include "compare_amd64.h"

// Element-wise kernels that read several tensors, on n elements, a multiple of 8, at least 8; Go
// does the rest. In Go, for each i < n:
//
//	sum              y[i] = a[i] + b[i]
//	sumReLU          y[i] = max(0, a[i] + b[i])
//	sumReLUGrad      d[i] = dy[i] if !(a[i] + b[i] <= 0), else 0
//	generalReLU      v := x[i]
//	                 if v < threshold { v = slope * max(-MaxFloat32, v - threshold) }
//	                 y[i] = min(limit, v)
//	generalReLUGrad  dx[i] = 0             if x[i] >= limit
//	                         slope*dy[i]   if x[i] <= threshold, 0 if slope == 0
//	                         dy[i]         else
//	adamW            squares += w[i]*w[i] // in float64
//	                 d := dw[i] + decay*w[i]
//	                 m[i] += (d - m[i]) * new1
//	                 v[i] += (d*d - v[i]) * new2
//	                 w[i] = keep*w[i] - rate*m[i]/(√v[i] + epsilon)
//
// Each product and sum is rounded to float32, none is fused. A NaN stays one.
//
// SI, DI, R8, R9  a, b, dy;  x, dy;  w, m, v, g
// BX              the result
// AX, DX          offset in bytes, end
//
// What comes from memory is prefetched DISTANCE bytes ahead.
//
// Need AVX2 and FMA.

#define DISTANCE 2048

#define LESS $0x11
#define LESS_EQUAL $0x12
#define NOT_GREATER_EQUAL $0x19 // unordered is true, quiet

DATA elementwise<>+0(SB)/4, $0xff7fffff // −MaxFloat32
GLOBL elementwise<>(SB), RODATA|NOPTR, $4

#define NEXT \
	ADDQ    $32, AX  \
	CMPQ    AX, DX   \
	JLT     loop     \
	VZEROUPPER       \
	RET

// func sumAVX2(y, a, b *float32, n int)
TEXT ·sumAVX2(SB), NOSPLIT, $0-32
	MOVQ y+0(FP), BX
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DI
	MOVQ n+24(FP), DX
	SHLQ $2, DX
	XORL AX, AX

loop:
	PREFETCHT0 DISTANCE(SI)(AX*1)
	PREFETCHT0 DISTANCE(DI)(AX*1)
	VMOVUPS    (SI)(AX*1), Y0
	VADDPS     (DI)(AX*1), Y0, Y0
	VMOVUPS    Y0, (BX)(AX*1)
	NEXT

// func sumReLUAVX2(y, a, b *float32, n int)
TEXT ·sumReLUAVX2(SB), NOSPLIT, $0-32
	MOVQ   y+0(FP), BX
	MOVQ   a+8(FP), SI
	MOVQ   b+16(FP), DI
	MOVQ   n+24(FP), DX
	SHLQ   $2, DX
	XORL   AX, AX
	VXORPS Y15, Y15, Y15

loop:
	PREFETCHT0 DISTANCE(SI)(AX*1)
	PREFETCHT0 DISTANCE(DI)(AX*1)
	VMOVUPS    (SI)(AX*1), Y0
	VADDPS     (DI)(AX*1), Y0, Y0
	VMAXPS     Y0, Y15, Y0        // if one is a NaN the result is the second source, the sum
	VMOVUPS    Y0, (BX)(AX*1)
	NEXT

// func sumReLUGradAVX2(d, dy, a, b *float32, n int)
TEXT ·sumReLUGradAVX2(SB), NOSPLIT, $0-40
	MOVQ   d+0(FP), BX
	MOVQ   dy+8(FP), R8
	MOVQ   a+16(FP), SI
	MOVQ   b+24(FP), DI
	MOVQ   n+32(FP), DX
	SHLQ   $2, DX
	XORL   AX, AX
	VXORPS Y15, Y15, Y15

loop:
	PREFETCHT0 DISTANCE(SI)(AX*1)
	PREFETCHT0 DISTANCE(DI)(AX*1)
	PREFETCHT0 DISTANCE(R8)(AX*1)
	VMOVUPS    (SI)(AX*1), Y0
	VADDPS     (DI)(AX*1), Y0, Y0
	VCMPPS     NOT_LESS_EQUAL, Y15, Y0, Y0
	VANDPS     (R8)(AX*1), Y0, Y0
	VMOVUPS    Y0, (BX)(AX*1)
	NEXT

// func generalReLUAVX2(y, x *float32, n int, r generalReLU)
TEXT ·generalReLUAVX2(SB), NOSPLIT, $0-36
	MOVQ         y+0(FP), BX
	MOVQ         x+8(FP), SI
	MOVQ         n+16(FP), DX
	VBROADCASTSS r_slope+24(FP), Y10
	VBROADCASTSS r_threshold+28(FP), Y11
	VBROADCASTSS r_limit+32(FP), Y12
	VBROADCASTSS elementwise<>+0(SB), Y13
	SHLQ         $2, DX
	XORL         AX, AX

loop:
	VMOVUPS   (SI)(AX*1), Y0
	VSUBPS    Y11, Y0, Y1
	VMAXPS    Y1, Y13, Y1
	VMULPS    Y10, Y1, Y1        // slope*(x − threshold)
	VCMPPS    LESS, Y11, Y0, Y2
	VBLENDVPS Y2, Y1, Y0, Y0
	VMINPS    Y0, Y12, Y0        // if one is a NaN the result is the second source
	VMOVUPS   Y0, (BX)(AX*1)
	NEXT

// func generalReLUGradAVX2(dx, dy, x *float32, n int, r generalReLU)
TEXT ·generalReLUGradAVX2(SB), NOSPLIT, $0-44
	MOVQ         dx+0(FP), BX
	MOVQ         dy+8(FP), DI
	MOVQ         x+16(FP), SI
	MOVQ         n+24(FP), DX
	VBROADCASTSS r_slope+32(FP), Y10
	VBROADCASTSS r_threshold+36(FP), Y11
	VBROADCASTSS r_limit+40(FP), Y12
	VXORPS       Y15, Y15, Y15
	VCMPPS       EQUAL, Y15, Y10, Y14 // a slope of 0 passes nothing on, not even an infinity
	SHLQ         $2, DX
	XORL         AX, AX

loop:
	VMOVUPS   (SI)(AX*1), Y0
	VMOVUPS   (DI)(AX*1), Y1
	VMULPS    Y10, Y1, Y2
	VANDNPS   Y2, Y14, Y2
	VCMPPS    LESS_EQUAL, Y11, Y0, Y3
	VBLENDVPS Y3, Y2, Y1, Y1
	VCMPPS    NOT_GREATER_EQUAL, Y12, Y0, Y3
	VANDPS    Y3, Y1, Y1
	VMOVUPS   Y1, (BX)(AX*1)
	NEXT

// func adamWAVX2(w, m, v, dw *float32, n int, c adamWCoefficients) (squares float64)
TEXT ·adamWAVX2(SB), NOSPLIT, $0-72
	MOVQ         w+0(FP), SI
	MOVQ         m+8(FP), DI
	MOVQ         v+16(FP), R8
	MOVQ         dw+24(FP), R9
	MOVQ         n+32(FP), DX
	VBROADCASTSS c_decay+40(FP), Y10
	VBROADCASTSS c_new1+44(FP), Y11
	VBROADCASTSS c_new2+48(FP), Y12
	VBROADCASTSS c_keep+52(FP), Y13
	VBROADCASTSS c_rate+56(FP), Y14
	VBROADCASTSS c_epsilon+60(FP), Y15
	VXORPD       Y8, Y8, Y8           // sums of squares of the lower and upper four
	VXORPD       Y9, Y9, Y9
	SHLQ         $2, DX
	XORL         AX, AX

loop:
	PREFETCHT0   DISTANCE(SI)(AX*1)
	PREFETCHT0   DISTANCE(DI)(AX*1)
	PREFETCHT0   DISTANCE(R8)(AX*1)
	PREFETCHT0   DISTANCE(R9)(AX*1)
	VMOVUPS      (SI)(AX*1), Y0
	VCVTPS2PD    X0, Y5
	VEXTRACTF128 $1, Y0, X6
	VCVTPS2PD    X6, Y6
	VFMADD231PD  Y5, Y5, Y8
	VFMADD231PD  Y6, Y6, Y9
	VMULPS       Y0, Y10, Y3
	VADDPS       (R9)(AX*1), Y3, Y3   // d = dw + decay*w
	VMOVUPS      (DI)(AX*1), Y1
	VSUBPS       Y1, Y3, Y4
	VMULPS       Y4, Y11, Y4
	VADDPS       Y4, Y1, Y1
	VMOVUPS      Y1, (DI)(AX*1)       // m += (d − m)*new1
	VMOVUPS      (R8)(AX*1), Y2
	VMULPS       Y3, Y3, Y3
	VSUBPS       Y2, Y3, Y4
	VMULPS       Y4, Y12, Y4
	VADDPS       Y4, Y2, Y2
	VMOVUPS      Y2, (R8)(AX*1)       // v += (d*d − v)*new2
	VSQRTPS      Y2, Y2
	VADDPS       Y15, Y2, Y2
	VMULPS       Y1, Y14, Y1
	VDIVPS       Y2, Y1, Y1           // rate*m/(√v + epsilon)
	VMULPS       Y0, Y13, Y0
	VSUBPS       Y1, Y0, Y0
	VMOVUPS      Y0, (SI)(AX*1)
	ADDQ         $32, AX
	CMPQ         AX, DX
	JLT          loop

	VADDPD       Y9, Y8, Y8
	VEXTRACTF128 $1, Y8, X9
	VADDPD       X9, X8, X8
	VHADDPD      X8, X8, X8
	VMOVSD       X8, squares+64(FP)
	VZEROUPPER
	RET
