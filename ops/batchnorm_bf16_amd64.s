//go:build !noasm

#include "textflag.h"
#include "batchnorm_bf16_amd64.h"

// Batch normalization of rows of channels, of bf16: as in batchnorm_amd64.s, where the loops are
// in Go, but x, y, dx and dy are bf16, and cols, a multiple of 16, is also the stride. The parameters and the
// sums are float32. The values before they are rounded are the same to the bit.
//
// SI           row of x
// DI           row of y, dy or dx
// R13          row of dy beside dx
// R8, R9, R10  mean, scale, beta
// BX, R12      sum, product or squares; a, b
// AX, DX       column in bytes of bf16, end of the columns
// CX           rows left
// K1, K2       masks
//
// Need AVX512F.

// func columnSumsBF16AVX512(sum, squares *float32, x *BF16, pivot *float32, rows, cols int)
TEXT ·columnSumsBF16AVX512(SB), NOSPLIT, $0-48
	MOVQ sum+0(FP), BX
	MOVQ squares+8(FP), R12
	MOVQ x+16(FP), SI
	MOVQ pivot+24(FP), R8
	MOVQ rows+32(FP), CX
	MOVQ cols+40(FP), DX
	SHLQ $1, DX

row:
	XORL AX, AX

column:
	WIDEN((SI)(AX*1), Z0)
	VSUBPS      (R8)(AX*2), Z0, Z0  // d = x − pivot
	VADDPS      (BX)(AX*2), Z0, Z1
	VMOVUPS     (R12)(AX*2), Z2
	VFMADD231PS Z0, Z0, Z2
	VMOVUPS     Z1, (BX)(AX*2)      // sum += d
	VMOVUPS     Z2, (R12)(AX*2)     // squares += d*d
	ADDQ        $32, AX
	CMPQ        AX, DX
	JLT         column
	ADDQ        DX, SI
	DECQ        CX
	JNZ         row
	VZEROUPPER
	RET

// func normalizeBF16AVX512(y, x *BF16, mean, scale, beta *float32, rows, cols int, floor float32)
TEXT ·normalizeBF16AVX512(SB), NOSPLIT, $0-60
	MOVQ         y+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         mean+16(FP), R8
	MOVQ         scale+24(FP), R9
	MOVQ         beta+32(FP), R10
	MOVQ         rows+40(FP), CX
	MOVQ         cols+48(FP), DX
	VBROADCASTSS floor+56(FP), Z15
	ROUNDING
	SHLQ         $1, DX

row:
	XORL AX, AX

column:
	WIDEN((SI)(AX*1), Z0)
	VSUBPS      (R8)(AX*2), Z0, Z0
	VMOVUPS     (R10)(AX*2), Z1
	VFMADD132PS (R9)(AX*2), Z1, Z0      // z = (x − mean)*scale + beta
	VMAXPS      Z0, Z15, Z0
	ROUND(Z0, Z1, K1, (DI)(AX*1))       // y = max(floor, z)
	ADDQ        $32, AX
	CMPQ        AX, DX
	JLT         column
	ADDQ        DX, SI
	ADDQ        DX, DI
	DECQ        CX
	JNZ         row
	VZEROUPPER
	RET

// GRADIENT gives d in Z0 and g in Z1, from dy at a register.
#define GRADIENT(dy) \
	WIDEN((SI)(AX*1), Z0)                     \
	VSUBPS      (R8)(AX*2), Z0, Z0            \ // d = x − mean
	VMOVUPS     (R10)(AX*2), Z1               \
	VFMADD231PS (R9)(AX*2), Z0, Z1            \ // z = d*scale + beta
	VCMPPS      NOT_LESS_EQUAL, Z15, Z1, K1   \
	WIDENK((dy)(AX*1), K1, Z1)                  // g = dy if z > floor, else 0

// func normSumsBF16AVX512(sum, product *float32, dy, x *BF16, mean, scale, beta *float32, rows, cols int, floor float32)
TEXT ·normSumsBF16AVX512(SB), NOSPLIT, $0-76
	MOVQ         sum+0(FP), BX
	MOVQ         product+8(FP), R12
	MOVQ         dy+16(FP), DI
	MOVQ         x+24(FP), SI
	MOVQ         mean+32(FP), R8
	MOVQ         scale+40(FP), R9
	MOVQ         beta+48(FP), R10
	MOVQ         rows+56(FP), CX
	MOVQ         cols+64(FP), DX
	VBROADCASTSS floor+72(FP), Z15
	SHLQ         $1, DX

row:
	XORL AX, AX

column:
	GRADIENT(DI)
	VMOVUPS     (R12)(AX*2), Z3
	VADDPS      (BX)(AX*2), Z1, Z2
	VFMADD231PS Z0, Z1, Z3
	VMOVUPS     Z2, (BX)(AX*2)      // sum += g
	VMOVUPS     Z3, (R12)(AX*2)     // product += g*d
	ADDQ        $32, AX
	CMPQ        AX, DX
	JLT         column
	ADDQ        DX, SI
	ADDQ        DX, DI
	DECQ        CX
	JNZ         row
	VZEROUPPER
	RET

// func normGradBF16AVX512(dx, dy, x *BF16, mean, scale, beta, a, b *float32, rows, cols int, floor float32)
TEXT ·normGradBF16AVX512(SB), NOSPLIT, $0-84
	MOVQ         dx+0(FP), DI
	MOVQ         dy+8(FP), R13
	MOVQ         x+16(FP), SI
	MOVQ         mean+24(FP), R8
	MOVQ         scale+32(FP), R9
	MOVQ         beta+40(FP), R10
	MOVQ         a+48(FP), BX
	MOVQ         b+56(FP), R12
	MOVQ         rows+64(FP), CX
	MOVQ         cols+72(FP), DX
	VBROADCASTSS floor+80(FP), Z15
	ROUNDING
	SHLQ         $1, DX

row:
	XORL AX, AX

column:
	GRADIENT(R13)
	VMOVUPS      (BX)(AX*2), Z2
	VFMSUB231PS  (R9)(AX*2), Z1, Z2     // scale*g − a
	VFNMADD231PS (R12)(AX*2), Z0, Z2    // … − d*b
	ROUND(Z2, Z3, K1, (DI)(AX*1))
	ADDQ         $32, AX
	CMPQ         AX, DX
	JLT          column
	ADDQ         DX, SI
	ADDQ         DX, DI
	ADDQ         DX, R13
	DECQ         CX
	JNZ          row
	VZEROUPPER
	RET
