//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Batch normalization of rows of channels.
//
// Each kernel walks over rows rows, stride floats apart, and in each over the first cols columns, a
// multiple of 8. Go does the columns that are left. The parameters of the channels and the sums
// over the rows stay in L1. In Go, with d = x[r*stride+c] − mean[c] and z = d*scale[c] + beta[c]
// (fused):
//
//	columnSums   sum[c] += d;  product[c] += d*d
//	normalize    out[r*stride+c] = max(floor, z)
//	normSums     g = dy[r*stride+c] if !(z <= floor), else 0;  sum[c] += g;  product[c] += g*d
//	normGrad     g as above;  out[r*stride+c] = scale[c]*g − a[c] − d*b[c]
//
// A NaN in z passes: VMAXPS takes z as the operand that is the result where one is a NaN, and the
// comparison is "not less or equal".
//
// SI, R8-R10   x, mean, scale, beta: see batchnorm_amd64.h
// DI, R13      row of out and of dy
// BX, R12      sum, product;  a, b
// AX, DX       column in bytes, end of the columns
// R11          bytes from a row to the next
// R14, R15     addresses to prefetch, prefetch bytes from the rows of x and of dy
// Y15          floor in all lanes
//
// Need AVX2 and FMA.

#define LOGSIZE 2
#include "avx2_amd64.h"
#include "batchnorm_amd64.h"

#define START \
	PARAMETERS                                 \
	STRIDE(R11)                                \
	MOVQ p_out+normArgs_out(FP), DI            \
	MOVQ p_dy+normArgs_dy(FP), R13             \
	MOVQ p_prefetch+normArgs_prefetch(FP), R14 \
	LEAQ (R13)(R14*1), R15                     \
	ADDQ SI, R14

#define NEXT \
	ADDQ R11, SI  \
	ADDQ R11, DI  \
	ADDQ R11, R13 \
	ADDQ R11, R14 \
	ADDQ R11, R15

#define COLUMNSUMS \
	PREFETCHT0  (R14)(AX*1)           \
	VMOVUPS     (SI)(AX*1), Y0        \
	VSUBPS      (R8)(AX*1), Y0, Y0    \ // d = x − mean
	VADDPS      (BX)(AX*1), Y0, Y1    \
	VMOVUPS     (R12)(AX*1), Y2       \
	VFMADD231PS Y0, Y0, Y2            \
	VMOVUPS     Y1, (BX)(AX*1)        \ // sum += d
	VMOVUPS     Y2, (R12)(AX*1)         // product += d*d

// func columnSumsAVX2(p normArgs)
TEXT ·columnSumsAVX2(SB), NOSPLIT, $0-normArgs__size
	START
	MOVQ p_sum+normArgs_sum(FP), BX
	MOVQ p_product+normArgs_product(FP), R12
	ROWS(COLUMNSUMS, NEXT)

#define NORMALIZE \
	PREFETCHT0  (R14)(AX*1)           \
	VMOVUPS     (SI)(AX*1), Y0        \
	VSUBPS      (R8)(AX*1), Y0, Y0    \
	VMOVUPS     (R10)(AX*1), Y1       \
	VFMADD132PS (R9)(AX*1), Y1, Y0    \ // z = (x − mean)*scale + beta
	VMAXPS      Y0, Y15, Y0           \
	VMOVUPS     Y0, (DI)(AX*1)          // out = max(floor, z)

// func normalizeAVX2(p normArgs)
TEXT ·normalizeAVX2(SB), NOSPLIT, $0-normArgs__size
	START
	ROWS(NORMALIZE, NEXT)

// GRADIENT leaves d in Y0 and g in Y1.
#define GRADIENT \
	PREFETCHT0  (R14)(AX*1)                 \
	PREFETCHT0  (R15)(AX*1)                 \
	VMOVUPS     (SI)(AX*1), Y0              \
	VSUBPS      (R8)(AX*1), Y0, Y0          \ // d = x − mean
	VMOVUPS     (R10)(AX*1), Y1             \
	VFMADD231PS (R9)(AX*1), Y0, Y1          \ // z = d*scale + beta
	VCMPPS      NOT_LESS_EQUAL, Y15, Y1, Y1 \
	VANDPS      (R13)(AX*1), Y1, Y1           // g = dy if z > floor, else 0

#define NORMSUMS \
	GRADIENT                          \
	VMOVUPS     (R12)(AX*1), Y3       \
	VADDPS      (BX)(AX*1), Y1, Y2    \
	VFMADD231PS Y0, Y1, Y3            \
	VMOVUPS     Y2, (BX)(AX*1)        \ // sum += g
	VMOVUPS     Y3, (R12)(AX*1)         // product += g*d

// func normSumsAVX2(p normArgs)
TEXT ·normSumsAVX2(SB), NOSPLIT, $0-normArgs__size
	START
	MOVQ p_sum+normArgs_sum(FP), BX
	MOVQ p_product+normArgs_product(FP), R12
	ROWS(NORMSUMS, NEXT)

#define NORMGRAD \
	GRADIENT                          \
	VMOVUPS      (BX)(AX*1), Y2       \
	VFMSUB231PS  (R9)(AX*1), Y1, Y2   \ // scale*g − a
	VFNMADD231PS (R12)(AX*1), Y0, Y2  \ // … − d*b
	VMOVUPS      Y2, (DI)(AX*1)

// func normGradAVX2(p normArgs)
TEXT ·normGradAVX2(SB), NOSPLIT, $0-normArgs__size
	START
	MOVQ p_a+normArgs_a(FP), BX
	MOVQ p_b+normArgs_b(FP), R12
	ROWS(NORMGRAD, NEXT)
