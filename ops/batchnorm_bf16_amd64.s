//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Batch normalization of rows of channels, in bf16: as in batchnorm_amd64.s, where the loops are in
// Go. But x, dy and out are bf16, and cols, a multiple of 16, is also the stride. Parameters and
// sums are float32. Before rounding, values are the same to the bit as in float32.
//
// Four rows at a time, then one: parameters and sums are read once for the four. The number of
// operations is the limit, since 512 bits go through two units. So the rounding is one instruction.
//
// SI, R8-R10   x, mean, scale, beta: see batchnorm_amd64.h
// DI, R13      row of dy or out, row of out beside dy
// BX, R12      sum, product;  a, b
// AX, DX       column in bytes of bf16, end of the columns, which is also the bytes of a row
// R11, CX      bytes of three rows, rows left
// Z8-Z12       mean, scale, beta;  sum, product or a, b
// K1           where z is above the floor
//
// SI and DI are prefetched DISTANCE bytes ahead, which is the next four rows or later ones at VGG's
// numbers of channels: large activations come from memory, and faster this way.
//
// Need AVX512F and AVX512_BF16, which treats subnormals as zero.

#define LOGSIZE 1
#include "avx512_amd64.h"
#include "batchnorm_amd64.h"
#include "batchnorm_bf16_amd64.h"

#define DISTANCE 4096

// ROUND leaves the floats of Z0 in Y0 as bf16.
#define ROUND \
    LONG $0x487ef262; WORD $0xc072                               // VCVTNEPS2BF16 YMM0, ZMM0

#define FOUR(row) \
	row((SI), (DI), (R13))                   \
	row((SI)(DX*1), (DI)(DX*1), (R13)(DX*1)) \
	row((SI)(DX*2), (DI)(DX*2), (R13)(DX*2)) \
	row((SI)(R11*1), (DI)(R11*1), (R13)(R11*1))

#define ONE(row) row((SI), (DI), (R13))

#define PREFETCH(r) \
	PREFETCHT0 DISTANCE(r)       \
	PREFETCHT0 DISTANCE(r)(DX*1) \
	PREFETCHT0 DISTANCE(r)(DX*2) \
	PREFETCHT0 DISTANCE(r)(R11*1)

#define NEXTCOLUMN \
	ADDQ $32, SI  \
	ADDQ $32, DI  \
	ADDQ $32, R13 \
	ADDQ $32, AX  \
	CMPQ AX, DX

// FOURROWS does all rows and returns. For each column, begin loads what the rows share, row does
// one of them, end stores.
#define FOURROWS(begin, row, end) \
	MOVQ p_rows+normArgs_rows(FP), CX \
	LEAQ (DX)(DX*2), R11              \
	SUBQ $4, CX                       \
	JLT  last                         \
four:                                 \
	XORL AX, AX                       \
column4:                              \
	PREFETCH(SI)                      \
	PREFETCH(DI)                      \
	begin                             \
	FOUR(row)                         \
	end                               \
	NEXTCOLUMN                        \
	JLT  column4                      \
	ADDQ R11, SI                      \
	ADDQ R11, DI                      \
	ADDQ R11, R13                     \
	SUBQ $4, CX                       \
	JGE  four                         \
last:                                 \
	ADDQ $4, CX                       \
	JZ   done                         \
one:                                  \
	XORL AX, AX                       \
column1:                              \
	begin                             \
	ONE(row)                          \
	end                               \
	NEXTCOLUMN                        \
	JLT  column1                      \
	DECQ CX                           \
	JNZ  one                          \
done:                                 \
	VZEROUPPER                        \
	RET

#define NOTHING

#define CHANNELS \
	VMOVUPS (R8)(AX*2), Z8 \
	VMOVUPS (R9)(AX*2), Z9 \
	VMOVUPS (R10)(AX*2), Z10

#define LOADPAIR \
	VMOVUPS (BX)(AX*2), Z11 \
	VMOVUPS (R12)(AX*2), Z12

#define STOREPAIR \
	VMOVUPS Z11, (BX)(AX*2) \
	VMOVUPS Z12, (R12)(AX*2)

#define COLUMNSUMS \
	VMOVUPS (R8)(AX*2), Z8 \
	LOADPAIR

#define COLUMNSUM(x, y, z) \
	WIDEN(x, Z0)              \
	VSUBPS      Z8, Z0, Z0    \ // d = x − mean
	VADDPS      Z0, Z11, Z11  \ // sum += d
	VFMADD231PS Z0, Z0, Z12     // product += d*d

// func columnSumsBF16AVX512(p normArgs)
TEXT ·columnSumsBF16AVX512(SB), NOSPLIT, $0-normArgs__size
	PARAMETERS
	MOVQ SI, DI // only prefetched
	MOVQ p_sum+normArgs_sum(FP), BX
	MOVQ p_product+normArgs_product(FP), R12
	FOURROWS(COLUMNSUMS, COLUMNSUM, STOREPAIR)

#define NORMALIZE(x, out, z) \
	WIDEN(x, Z0)              \
	VSUBPS      Z8, Z0, Z0    \
	VFMADD132PS Z9, Z10, Z0   \ // z = (x − mean)*scale + beta
	VMAXPS      Z0, Z15, Z0   \
	ROUND                     \
	VMOVDQU     Y0, out         // out = max(floor, z)

// func normalizeBF16AVX512(p normArgs)
TEXT ·normalizeBF16AVX512(SB), NOSPLIT, $0-normArgs__size
	PARAMETERS
	MOVQ p_out+normArgs_out(FP), DI
	FOURROWS(CHANNELS, NORMALIZE, NOTHING)

// GRADIENT gives d in Z1 and g in Z2.
#define GRADIENT(x, dy) \
	WIDEN(x, Z1)                             \
	VSUBPS      Z8, Z1, Z1                   \ // d = x − mean
	VMOVAPS     Z10, Z2                      \
	VFMADD231PS Z9, Z1, Z2                   \ // z = d*scale + beta
	VCMPPS      NOT_LESS_EQUAL, Z15, Z2, K1  \
	WIDENK(dy, K1, Z2)                         // g = dy if z > floor, else 0

#define ALL \
	CHANNELS \
	LOADPAIR

#define NORMSUM(x, dy, z) \
	GRADIENT(x, dy)           \
	VADDPS      Z2, Z11, Z11  \ // sum += g
	VFMADD231PS Z1, Z2, Z12     // product += g*d

// func normSumsBF16AVX512(p normArgs)
TEXT ·normSumsBF16AVX512(SB), NOSPLIT, $0-normArgs__size
	PARAMETERS
	MOVQ p_dy+normArgs_dy(FP), DI
	MOVQ p_sum+normArgs_sum(FP), BX
	MOVQ p_product+normArgs_product(FP), R12
	FOURROWS(ALL, NORMSUM, STOREPAIR)

#define NORMGRAD(x, dy, out) \
	GRADIENT(x, dy)            \
	VMOVAPS      Z11, Z0       \
	VFMSUB231PS  Z9, Z2, Z0    \ // scale*g − a
	VFNMADD231PS Z12, Z1, Z0   \ // … − d*b
	ROUND                      \
	VMOVDQU      Y0, out

// func normGradBF16AVX512(p normArgs)
TEXT ·normGradBF16AVX512(SB), NOSPLIT, $0-normArgs__size
	PARAMETERS
	MOVQ p_dy+normArgs_dy(FP), DI
	MOVQ p_out+normArgs_out(FP), R13
	MOVQ p_a+normArgs_a(FP), BX
	MOVQ p_b+normArgs_b(FP), R12
	FOURROWS(ALL, NORMGRAD, NOTHING)
