//go:build !noasm

#include "textflag.h"
#include "compare_amd64.h"

// Element-wise kernels on n elements, a multiple of 8, at least 8; Go does the rest. In Go, for
// each i < n:
//
//	relu         y[i] = max(0, x[i])
//	reluGrad     dx[i] = dy[i] if !(x[i] <= 0), else 0
//	maxPool      y[i] = max(x0[i], x1[i], x2[i], x3[i])
//	maxPoolBF16  the same in bf16, n a multiple of 16: elements with odd i are the upper halves of
//	             pairs, the others are shifted there
//	maxPoolGrad  dxk[i] = dy[i] for the first k with xk[i] == max(x0[i], …), else 0
//	dropout      y[i] = x[i]*scale if keep[i/8]>>(i%8)&1 == 1, else 0
//
// All but the last propagate a NaN; dropout drops it where the bit is clear. In a window with a NaN
// the gradient goes to one of the blocks, not always that of the generic form.
//
// SI, DI, R12, R13  x, or the four blocks of it
// BX, R8            y or dx, dy;  keep
// R14, R15          from x to dx in bytes, an address
// AX, DX            offset in bytes, end
//
// Need AVX2.

// func reluAVX2(y, x *float32, n int)
TEXT ·reluAVX2(SB), NOSPLIT, $0-24
	MOVQ   y+0(FP), BX
	MOVQ   x+8(FP), SI
	MOVQ   n+16(FP), DX
	SHLQ   $2, DX
	XORL   AX, AX
	VXORPS Y15, Y15, Y15

loop:
	VMOVUPS (SI)(AX*1), Y0
	VMAXPS  Y0, Y15, Y0     // if one is a NaN the result is the second source, x
	VMOVUPS Y0, (BX)(AX*1)
	ADDQ    $32, AX
	CMPQ    AX, DX
	JLT     loop
	VZEROUPPER
	RET

// func reluGradAVX2(dx, dy, x *float32, n int)
TEXT ·reluGradAVX2(SB), NOSPLIT, $0-32
	MOVQ   dx+0(FP), BX
	MOVQ   dy+8(FP), R8
	MOVQ   x+16(FP), SI
	MOVQ   n+24(FP), DX
	SHLQ   $2, DX
	XORL   AX, AX
	VXORPS Y15, Y15, Y15

loop:
	VMOVUPS (SI)(AX*1), Y0
	VCMPPS  NOT_LESS_EQUAL, Y15, Y0, Y0
	VANDPS  (R8)(AX*1), Y0, Y0
	VMOVUPS Y0, (BX)(AX*1)
	ADDQ    $32, AX
	CMPQ    AX, DX
	JLT     loop
	VZEROUPPER
	RET

#define LOAD \
	VMOVUPS (SI)(AX*1), Y0   \
	VMOVUPS (DI)(AX*1), Y1   \
	VMOVUPS (R12)(AX*1), Y2  \
	VMOVUPS (R13)(AX*1), Y3

// func maxPoolAVX2(y, x0, x1, x2, x3 *float32, n int)
TEXT ·maxPoolAVX2(SB), NOSPLIT, $0-48
	MOVQ y+0(FP), BX
	MOVQ x0+8(FP), SI
	MOVQ x1+16(FP), DI
	MOVQ x2+24(FP), R12
	MOVQ x3+32(FP), R13
	MOVQ n+40(FP), DX
	SHLQ $2, DX
	XORL AX, AX

loop:
	LOAD
	MAX(Y0, Y1, Y8)
	MAX(Y2, Y3, Y9)
	MAX(Y0, Y2, Y8)
	VMOVUPS Y0, (BX)(AX*1)
	ADDQ    $32, AX
	CMPQ    AX, DX
	JLT     loop
	VZEROUPPER
	RET

// PAIRS sets even and odd to 16 values of bf16, as float32.
#define PAIRS(x, even, odd) \
	VMOVDQU x, odd         \
	VPSLLD  $16, odd, even \
	VPAND   odd, Y15, odd

// func maxPoolBF16AVX2(y, x0, x1, x2, x3 *BF16, n int)
TEXT ·maxPoolBF16AVX2(SB), NOSPLIT, $0-48
	MOVQ     y+0(FP), BX
	MOVQ     x0+8(FP), SI
	MOVQ     x1+16(FP), DI
	MOVQ     x2+24(FP), R12
	MOVQ     x3+32(FP), R13
	MOVQ     n+40(FP), DX
	SHLQ     $1, DX
	XORL     AX, AX
	VPCMPEQD Y15, Y15, Y15
	VPSLLD   $16, Y15, Y15       // the upper halves

loop:
	PAIRS((SI)(AX*1), Y0, Y4)
	PAIRS((DI)(AX*1), Y1, Y5)
	PAIRS((R12)(AX*1), Y2, Y6)
	PAIRS((R13)(AX*1), Y3, Y7)
	MAX(Y0, Y1, Y8)
	MAX(Y2, Y3, Y9)
	MAX(Y0, Y2, Y8)
	MAX(Y4, Y5, Y8)
	MAX(Y6, Y7, Y9)
	MAX(Y4, Y6, Y8)
	VPSRLD  $16, Y0, Y0
	VPOR    Y4, Y0, Y0
	VMOVDQU Y0, (BX)(AX*1)
	ADDQ    $32, AX
	CMPQ    AX, DX
	JLT     loop
	VZEROUPPER
	RET

// ROUTE stores dx, which is what is left of dy in Y10 where x is the largest, else 0.
#define ROUTE(x, v) \
	VCMPPS  EQUAL, Y8, v, Y9      \
	VANDPS  Y9, Y10, v            \
	VANDNPS Y10, Y9, Y10          \
	LEAQ    (x)(AX*1), R15        \
	VMOVUPS v, (R15)(R14*1)

// The four blocks of dx are as far apart as those of x.
//
// func maxPoolGradAVX2(dx0, dy, x0, x1, x2, x3 *float32, n int)
TEXT ·maxPoolGradAVX2(SB), NOSPLIT, $0-56
	MOVQ dx0+0(FP), R14
	MOVQ dy+8(FP), R8
	MOVQ x0+16(FP), SI
	MOVQ x1+24(FP), DI
	MOVQ x2+32(FP), R12
	MOVQ x3+40(FP), R13
	MOVQ n+48(FP), DX
	SUBQ SI, R14
	SHLQ $2, DX
	XORL AX, AX

loop:
	LOAD
	VMAXPS  Y1, Y0, Y8
	VMAXPS  Y2, Y8, Y8
	VMAXPS  Y3, Y8, Y8             // the largest, a NaN if the last is
	VMOVUPS (R8)(AX*1), Y10
	ROUTE(SI, Y0)
	ROUTE(DI, Y1)
	ROUTE(R12, Y2)
	LEAQ    (R13)(AX*1), R15
	VMOVUPS Y10, (R15)(R14*1)      // the last block gets the rest
	ADDQ    $32, AX
	CMPQ    AX, DX
	JLT     loop
	VZEROUPPER
	RET

DATA bits<>+0(SB)/4, $1
DATA bits<>+4(SB)/4, $2
DATA bits<>+8(SB)/4, $4
DATA bits<>+12(SB)/4, $8
DATA bits<>+16(SB)/4, $16
DATA bits<>+20(SB)/4, $32
DATA bits<>+24(SB)/4, $64
DATA bits<>+28(SB)/4, $128
GLOBL bits<>(SB), RODATA|NOPTR, $32

// func dropoutAVX2(y, x *float32, keep *byte, n int, scale float32)
TEXT ·dropoutAVX2(SB), NOSPLIT, $0-36
	MOVQ         y+0(FP), BX
	MOVQ         x+8(FP), SI
	MOVQ         keep+16(FP), R8
	MOVQ         n+24(FP), DX
	VBROADCASTSS scale+32(FP), Y14
	VMOVDQU      bits<>(SB), Y15
	SHLQ         $2, DX
	XORL         AX, AX

loop:
	VPBROADCASTB (R8), Y1
	VPAND        Y15, Y1, Y1
	VPCMPEQD     Y15, Y1, Y1        // all bits of lane i where bit i is set
	VMULPS       (SI)(AX*1), Y14, Y0
	VANDPS       Y1, Y0, Y0
	VMOVUPS      Y0, (BX)(AX*1)
	INCQ         R8
	ADDQ         $32, AX
	CMPQ         AX, DX
	JLT          loop
	VZEROUPPER
	RET
