//go:build !noasm

#include "textflag.h"

// Batch normalization of rows of channels.
//
// Each kernel goes over rows rows, stride numbers apart, and in each over the first cols
// columns, a multiple of 8; Go does the columns that are left. The parameters of the channels
// and the sums over the rows stay in the first-level cache. In Go, with
// d = x[r*stride+c] − mean[c] and z = d*scale[c] + beta[c] (fused):
//
//	columnSums   d = x[r*stride+c] − pivot[c];  sum[c] += d;  squares[c] += d*d
//	normalize    y[r*stride+c] = max(floor, z)
//	normSums     g = dy[r*stride+c] if !(z <= floor), else 0;  sum[c] += g;  product[c] += g*d
//	normGrad     g as above;  dx[r*stride+c] = scale[c]*g − a[c] − d*b[c]
//
// A NaN in z passes: MAX takes z as the operand that is the result where one is a NaN, and
// the comparison is "not less or equal".
//
// SI           row of x
// DI           row of y, dy or dx
// R13          row of dy beside dx
// R8, R9, R10  mean, scale, beta
// BX, R12      sum, product or squares; a, b
// AX, DX       column in bytes, end of the columns
// CX, R11      rows left, bytes from a row to the next
// R14, R15     what is asked for, ahead bytes from the row of x and of dy
// Y15          floor in all lanes
//
// Need AVX2 and FMA.

#define NOT_LESS_EQUAL $0x16 // unordered is true, quiet

// func columnSumsAVX2(sum, squares, x, pivot *float32, rows, cols, stride, ahead int)
TEXT ·columnSumsAVX2(SB), NOSPLIT, $0-64
	MOVQ sum+0(FP), BX
	MOVQ squares+8(FP), R12
	MOVQ x+16(FP), SI
	MOVQ pivot+24(FP), R8
	MOVQ rows+32(FP), CX
	MOVQ cols+40(FP), DX
	MOVQ stride+48(FP), R11
	MOVQ ahead+56(FP), R14
	SHLQ $2, DX
	SHLQ $2, R11
	ADDQ SI, R14

row:
	XORL AX, AX

column:
	PREFETCHT0 (R14)(AX*1)
	VMOVUPS     (SI)(AX*1), Y0
	VSUBPS      (R8)(AX*1), Y0, Y0  // d = x − pivot
	VADDPS      (BX)(AX*1), Y0, Y1
	VMOVUPS     (R12)(AX*1), Y2
	VFMADD231PS Y0, Y0, Y2
	VMOVUPS     Y1, (BX)(AX*1)      // sum += d
	VMOVUPS     Y2, (R12)(AX*1)     // squares += d*d
	ADDQ        $32, AX
	CMPQ        AX, DX
	JLT         column
	ADDQ        R11, SI
	ADDQ        R11, R14
	DECQ        CX
	JNZ         row
	VZEROUPPER
	RET

// func normalizeAVX2(y, x, mean, scale, beta *float32, rows, cols, stride, ahead int, floor float32)
TEXT ·normalizeAVX2(SB), NOSPLIT, $0-76
	MOVQ         y+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         mean+16(FP), R8
	MOVQ         scale+24(FP), R9
	MOVQ         beta+32(FP), R10
	MOVQ         rows+40(FP), CX
	MOVQ         cols+48(FP), DX
	MOVQ         stride+56(FP), R11
	MOVQ         ahead+64(FP), R14
	VBROADCASTSS floor+72(FP), Y15
	SHLQ         $2, DX
	SHLQ         $2, R11
	ADDQ         SI, R14

row:
	XORL AX, AX

column:
	PREFETCHT0 (R14)(AX*1)
	VMOVUPS     (SI)(AX*1), Y0
	VSUBPS      (R8)(AX*1), Y0, Y0
	VMOVUPS     (R10)(AX*1), Y1
	VFMADD132PS (R9)(AX*1), Y1, Y0  // z = (x − mean)*scale + beta
	VMAXPS      Y0, Y15, Y0
	VMOVUPS     Y0, (DI)(AX*1)      // y = max(floor, z)
	ADDQ        $32, AX
	CMPQ        AX, DX
	JLT         column
	ADDQ        R11, SI
	ADDQ        R11, R14
	ADDQ        R11, DI
	DECQ        CX
	JNZ         row
	VZEROUPPER
	RET

// GRADIENT gives d in Y0 and g in Y1, from dy at a register.
#define GRADIENT(dy) \
	VMOVUPS     (SI)(AX*1), Y0                \
	VSUBPS      (R8)(AX*1), Y0, Y0            \ // d = x − mean
	VMOVUPS     (R10)(AX*1), Y1               \
	VFMADD231PS (R9)(AX*1), Y0, Y1            \ // z = d*scale + beta
	VCMPPS      NOT_LESS_EQUAL, Y15, Y1, Y1   \
	VANDPS      (dy)(AX*1), Y1, Y1              // g = dy if z > floor, else 0

// func normSumsAVX2(sum, product, dy, x, mean, scale, beta *float32, rows, cols, stride, ahead int, floor float32)
TEXT ·normSumsAVX2(SB), NOSPLIT, $0-92
	MOVQ         sum+0(FP), BX
	MOVQ         product+8(FP), R12
	MOVQ         dy+16(FP), DI
	MOVQ         x+24(FP), SI
	MOVQ         mean+32(FP), R8
	MOVQ         scale+40(FP), R9
	MOVQ         beta+48(FP), R10
	MOVQ         rows+56(FP), CX
	MOVQ         cols+64(FP), DX
	MOVQ         stride+72(FP), R11
	MOVQ         ahead+80(FP), R14
	VBROADCASTSS floor+88(FP), Y15
	SHLQ         $2, DX
	SHLQ         $2, R11
	LEAQ         (DI)(R14*1), R15
	ADDQ         SI, R14

row:
	XORL AX, AX

column:
	PREFETCHT0 (R14)(AX*1)
	PREFETCHT0 (R15)(AX*1)
	GRADIENT(DI)
	VMOVUPS     (R12)(AX*1), Y3
	VADDPS      (BX)(AX*1), Y1, Y2
	VFMADD231PS Y0, Y1, Y3
	VMOVUPS     Y2, (BX)(AX*1)      // sum += g
	VMOVUPS     Y3, (R12)(AX*1)     // product += g*d
	ADDQ        $32, AX
	CMPQ        AX, DX
	JLT         column
	ADDQ        R11, SI
	ADDQ        R11, R14
	ADDQ        R11, R15
	ADDQ        R11, DI
	DECQ        CX
	JNZ         row
	VZEROUPPER
	RET

// func normGradAVX2(dx, dy, x, mean, scale, beta, a, b *float32, rows, cols, stride, ahead int, floor float32)
TEXT ·normGradAVX2(SB), NOSPLIT, $0-100
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
	MOVQ         stride+80(FP), R11
	MOVQ         ahead+88(FP), R14
	VBROADCASTSS floor+96(FP), Y15
	SHLQ         $2, DX
	SHLQ         $2, R11
	LEAQ         (R13)(R14*1), R15
	ADDQ         SI, R14

row:
	XORL AX, AX

column:
	PREFETCHT0 (R14)(AX*1)
	PREFETCHT0 (R15)(AX*1)
	GRADIENT(R13)
	VMOVUPS      (BX)(AX*1), Y2
	VFMSUB231PS  (R9)(AX*1), Y1, Y2   // scale*g − a
	VFNMADD231PS (R12)(AX*1), Y0, Y2  // … − d*b
	VMOVUPS      Y2, (DI)(AX*1)
	ADDQ         $32, AX
	CMPQ         AX, DX
	JLT          column
	ADDQ         R11, SI
	ADDQ         R11, R14
	ADDQ         R11, R15
	ADDQ         R11, DI
	ADDQ         R11, R13
	DECQ         CX
	JNZ          row
	VZEROUPPER
	RET
