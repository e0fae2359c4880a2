//go:build !noasm

#include "textflag.h"
#include "compare_amd64.h"
#include "batchnorm_bf16_amd64.h"

// Sums of bf16, of n elements, a multiple of 16, at least 16; Go does the rest. In Go, for each i <
// n, with the sum in float32:
//
//    sumBF16          y[i] = max(floor, a[i] + b[i]), rounded
//    sumReLUGradBF16  d[i] = dy[i] if !(a[i] + b[i] <= 0), else 0
//
// A NaN stays one.
//
// SI, DI, R8  a, b, dy
// BX          the result
// AX, DX      offset in bytes, end
//
// What comes from memory is prefetched DISTANCE bytes ahead.
//
// Need AVX512F, BW and VL, and sumBF16 AVX512_BF16, which treats subnormals as zero.

#define DISTANCE 2048

// ROUND leaves the floats of Z0 in Y0 as bf16.
#define ROUND \
    LONG $0x487ef262; WORD $0xc072                               // VCVTNEPS2BF16 YMM0, ZMM0

// func sumBF16AVX512(y, a, b *BF16, n int, floor float32)
TEXT ·sumBF16AVX512(SB), NOSPLIT, $0-36
	MOVQ         y+0(FP), BX
	MOVQ         a+8(FP), SI
	MOVQ         b+16(FP), DI
	MOVQ         n+24(FP), DX
	VBROADCASTSS floor+32(FP), Z15
	ADDQ         DX, DX
	XORL         AX, AX

loop:
	PREFETCHT0 DISTANCE(SI)(AX*1)
	PREFETCHT0 DISTANCE(DI)(AX*1)
	WIDEN((SI)(AX*1), Z0)
	WIDEN((DI)(AX*1), Z1)
	VADDPS     Z1, Z0, Z0
	VMAXPS     Z0, Z15, Z0          // if one is a NaN the result is the second source, the sum
	ROUND
	VMOVDQU    Y0, (BX)(AX*1)
	ADDQ       $32, AX
	CMPQ       AX, DX
	JLT        loop
	VZEROUPPER
	RET

// func sumReLUGradBF16AVX512(d, dy, a, b *BF16, n int)
TEXT ·sumReLUGradBF16AVX512(SB), NOSPLIT, $0-40
	MOVQ   d+0(FP), BX
	MOVQ   dy+8(FP), R8
	MOVQ   a+16(FP), SI
	MOVQ   b+24(FP), DI
	MOVQ   n+32(FP), DX
	VXORPS X15, X15, X15
	ADDQ   DX, DX
	XORL   AX, AX

loop:
	PREFETCHT0  DISTANCE(SI)(AX*1)
	PREFETCHT0  DISTANCE(DI)(AX*1)
	PREFETCHT0  DISTANCE(R8)(AX*1)
	WIDEN((SI)(AX*1), Z0)
	WIDEN((DI)(AX*1), Z1)
	VADDPS      Z1, Z0, Z0
	VCMPPS      NOT_LESS_EQUAL, Z15, Z0, K1
	VMOVDQU16.Z (R8)(AX*1), K1, Y0
	VMOVDQU     Y0, (BX)(AX*1)
	ADDQ        $32, AX
	CMPQ        AX, DX
	JLT         loop
	VZEROUPPER
	RET
