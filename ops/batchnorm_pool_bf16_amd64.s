//go:build !noasm

#include "textflag.h"
#include "batchnorm_bf16_amd64.h"

// Batch normalization of bf16 with a 2x2 max pool behind it: as in batchnorm_pool_amd64.s, where
// the loops are in Go, but x, y, dx and dy are bf16, and cols, a multiple of 16, is also the stride. Values
// before they are rounded, and the block that takes g, are the same to the bit.
//
// SI, DI, R12, R13  row of each block of x
// BX                row of y or dy
// R8, R9, R10       mean, scale, beta
// R14, R15          sum, product; from x to dx in bytes, an address
// R11, CX           a, b; rows left
// AX, DX            column in bytes of bf16, end of the columns
// Z0-Z3, Z4-Z7      z, then g;  d
// Z8, Z10           best, what is left of g
// Z13, Z14          scale, beta
// K1                a mask
//
// Need AVX512F and AVX512_BF16, which takes subnormal numbers as zero.

#define EQUAL $0x00

// BLOCK gives d and z of a block.
#define BLOCK(x, d, z) \
	WIDEN((x)(AX*1), d)           \
	VSUBPS      (R8)(AX*2), d, d  \
	VMOVAPS     Z14, z            \
	VFMADD231PS Z13, d, z

// ALL_Z gives d and z of the four blocks.
#define ALL_Z \
	VMOVUPS (R9)(AX*2), Z13   \
	VMOVUPS (R10)(AX*2), Z14  \
	BLOCK(SI, Z4, Z0)         \
	BLOCK(DI, Z5, Z1)         \
	BLOCK(R12, Z6, Z2)        \
	BLOCK(R13, Z7, Z3)

// ROUTE turns the z of a block to its g: what is left of g in Z10, if z is the best.
#define ROUTE(z) \
	VCMPPS    EQUAL, Z8, z, K1   \
	VMOVAPS.Z Z10, K1, z         \
	VPXORD    z, Z10, Z10

// ALL_G gives in Z0-Z3 the g of the four blocks, of which one at most is not zero, and in Z11
// their sum, from dy at BX.
#define ALL_G \
	VMAXPS  Z1, Z0, Z8                     \
	VMAXPS  Z2, Z8, Z8                     \
	VMAXPS  Z3, Z8, Z8                     \ // best, NaN if the last is
	VCMPPS  NOT_LESS_EQUAL, Z15, Z8, K1    \
	WIDENK((BX)(AX*1), K1, Z10)            \ // g
	VMOVAPS Z10, Z11                       \
	ROUTE(Z0)                              \
	ROUTE(Z1)                              \
	ROUTE(Z2)                              \
	VMOVAPS Z10, Z3                          // the rest is that of the last block

// ROUND0 and ROUND8 leave in Y0 or Y8 the numbers of Z0 or Z8 as bf16.
#define ROUND0 \
    LONG $0x487ef262; WORD $0xc072                               // VCVTNEPS2BF16 YMM0, ZMM0

#define ROUND8 \
    LONG $0x487e5262; WORD $0xc072                               // VCVTNEPS2BF16 YMM8, ZMM8

// MAX is a = max(a, b), NaN if either is: one order of the operands gives b then, the other a.
#define MAX(a, b, t) \
	VMAXPS a, b, t  \
	VMAXPS b, a, a  \
	VPORD  t, a, a

// func normalizePoolBF16AVX512(y, x0, x1, x2, x3 *BF16, mean, scale, beta *float32, rows, cols int, floor float32)
TEXT ·normalizePoolBF16AVX512(SB), NOSPLIT, $0-84
	MOVQ         y+0(FP), BX
	MOVQ         x0+8(FP), SI
	MOVQ         x1+16(FP), DI
	MOVQ         x2+24(FP), R12
	MOVQ         x3+32(FP), R13
	MOVQ         mean+40(FP), R8
	MOVQ         scale+48(FP), R9
	MOVQ         beta+56(FP), R10
	MOVQ         rows+64(FP), CX
	MOVQ         cols+72(FP), DX
	VBROADCASTSS floor+80(FP), Z15
	SHLQ         $1, DX

row:
	XORL AX, AX

column:
	ALL_Z
	MAX(Z0, Z1, Z8)
	MAX(Z2, Z3, Z9)
	MAX(Z0, Z2, Z8)
	VMAXPS Z0, Z15, Z0
	ROUND0
	VMOVDQU Y0, (BX)(AX*1)  // y = max(floor, z...)
	ADDQ   $32, AX
	CMPQ   AX, DX
	JLT    column
	ADDQ   DX, BX
	ADDQ   DX, SI
	ADDQ   DX, DI
	ADDQ   DX, R12
	ADDQ   DX, R13
	DECQ   CX
	JNZ    row
	VZEROUPPER
	RET

// func normPoolSumsBF16AVX512(sum, product *float32, dy, x0, x1, x2, x3 *BF16, mean, scale, beta *float32, rows, cols int, floor float32)
TEXT ·normPoolSumsBF16AVX512(SB), NOSPLIT, $0-100
	MOVQ         sum+0(FP), R14
	MOVQ         product+8(FP), R15
	MOVQ         dy+16(FP), BX
	MOVQ         x0+24(FP), SI
	MOVQ         x1+32(FP), DI
	MOVQ         x2+40(FP), R12
	MOVQ         x3+48(FP), R13
	MOVQ         mean+56(FP), R8
	MOVQ         scale+64(FP), R9
	MOVQ         beta+72(FP), R10
	MOVQ         rows+80(FP), CX
	MOVQ         cols+88(FP), DX
	VBROADCASTSS floor+96(FP), Z15
	SHLQ         $1, DX

row:
	XORL AX, AX

column:
	ALL_Z
	ALL_G
	VADDPS      (R14)(AX*2), Z11, Z11
	VMOVUPS     Z11, (R14)(AX*2)  // sum += g
	VMOVUPS     (R15)(AX*2), Z12
	VFMADD231PS Z4, Z0, Z12
	VFMADD231PS Z5, Z1, Z12
	VFMADD231PS Z6, Z2, Z12
	VFMADD231PS Z7, Z3, Z12
	VMOVUPS     Z12, (R15)(AX*2)  // product += Σ g[k]*d[k]
	ADDQ        $32, AX
	CMPQ        AX, DX
	JLT         column
	ADDQ        DX, BX
	ADDQ        DX, SI
	ADDQ        DX, DI
	ADDQ        DX, R12
	ADDQ        DX, R13
	DECQ        CX
	JNZ         row
	VZEROUPPER
	RET

// GRAD stores dx of a block, R14 bytes from x.
#define GRAD(x, d, g) \
	VMOVAPS      Z11, Z8                \
	VFMSUB231PS  Z13, g, Z8             \ // scale*g − a
	VFNMADD231PS Z12, d, Z8             \ // … − d*b
	ROUND8                              \
	LEAQ         (x)(AX*1), R15         \
	VMOVDQU      Y8, (R15)(R14*1)

// The rows left stay in the frame. The four blocks of dx lie apart as those of x do.
//
// func normPoolGradBF16AVX512(dx0, dy, x0, x1, x2, x3 *BF16, mean, scale, beta, a, b *float32, rows, cols int, floor float32)
TEXT ·normPoolGradBF16AVX512(SB), NOSPLIT, $0-108
	MOVQ         dx0+0(FP), R14
	MOVQ         dy+8(FP), BX
	MOVQ         x0+16(FP), SI
	MOVQ         x1+24(FP), DI
	MOVQ         x2+32(FP), R12
	MOVQ         x3+40(FP), R13
	MOVQ         mean+48(FP), R8
	MOVQ         scale+56(FP), R9
	MOVQ         beta+64(FP), R10
	MOVQ         a+72(FP), R11
	MOVQ         b+80(FP), CX
	MOVQ         cols+96(FP), DX
	VBROADCASTSS floor+104(FP), Z15
	SUBQ         SI, R14
	SHLQ         $1, DX

row:
	XORL AX, AX

column:
	ALL_Z
	ALL_G
	VMOVUPS (R11)(AX*2), Z11
	VMOVUPS (CX)(AX*2), Z12
	GRAD(SI, Z4, Z0)
	GRAD(DI, Z5, Z1)
	GRAD(R12, Z6, Z2)
	GRAD(R13, Z7, Z3)
	ADDQ    $32, AX
	CMPQ    AX, DX
	JLT     column
	ADDQ    DX, BX
	ADDQ    DX, SI
	ADDQ    DX, DI
	ADDQ    DX, R12
	ADDQ    DX, R13
	DECQ    rows+88(FP)
	JNZ     row
	VZEROUPPER
	RET
