//go:build !noasm

#include "textflag.h"

// Batch normalization with a 2x2 max pool behind it.
//
// As in batchnorm_amd64.s, but over four blocks at once. In Go, for row r and
// column c, where i = r*stride+c, d[k] = xk[i] − mean[c], z[k] = d[k]*scale[c] + beta[c]:
//
//	normalizePool   y[i] = max(floor, z[0], z[1], z[2], z[3])
//	normPoolSums    best = max(z...);  g = dy[i] if !(best <= floor), else 0
//	                g[k] = g for the first k with z[k] == best, else 0
//	                sum[c] += g;  product[c] += Σ g[k]*d[k]
//	normPoolGrad    g[k] as above;  dxk[i] = scale[c]*g[k] − a[c] − d[k]*b[c]
//
// Where best is a NaN, g goes to the last block.
//
// SI, DI, R12, R13  row of each block of x
// BX                row of y or dy
// R8, R9, R10       mean, scale, beta
// R14, R15          sum, product
// AX, DX            column in bytes, end of the columns
// CX, R11           rows left, bytes from a row to the next
// Y0-Y3, Y4-Y7      z, then g;  d
// Y8, Y9, Y10       best, a mask, what is left of g
// Y13, Y14, Y15     scale, beta, floor
//
// Need AVX2 and FMA.

#define EQUAL $0x00
#define NOT_LESS_EQUAL $0x16 // unordered is true, quiet

// Z gives d and z of a block.
#define Z(x, d, z) \
	VMOVUPS     (x)(AX*1), d      \
	VSUBPS      (R8)(AX*1), d, d  \
	VMOVAPS     Y14, z            \
	VFMADD231PS Y13, d, z

// ALL_Z gives d and z of the four blocks.
#define ALL_Z \
	VMOVUPS (R9)(AX*1), Y13   \
	VMOVUPS (R10)(AX*1), Y14  \
	Z(SI, Y4, Y0)             \
	Z(DI, Y5, Y1)             \
	Z(R12, Y6, Y2)            \
	Z(R13, Y7, Y3)

// ROUTE turns the z of a block to its g: what is left of g in Y10, if z is the best.
#define ROUTE(z) \
	VCMPPS  EQUAL, Y8, z, Y9  \
	VANDPS  Y9, Y10, z        \
	VANDNPS Y10, Y9, Y10

// ALL_G gives in Y0-Y3 the g of the four blocks, of which one at most is not zero, and in Y11
// their sum, from dy at BX.
#define ALL_G \
	VMAXPS Y1, Y0, Y8                       \
	VMAXPS Y2, Y8, Y8                       \
	VMAXPS Y3, Y8, Y8                       \ // best, NaN if the last is
	VCMPPS NOT_LESS_EQUAL, Y15, Y8, Y10     \
	VANDPS (BX)(AX*1), Y10, Y10             \ // g
	VMOVAPS Y10, Y11                        \
	ROUTE(Y0)                               \
	ROUTE(Y1)                               \
	ROUTE(Y2)                               \
	VMOVAPS Y10, Y3                           // the rest is that of the last block

// MAX is a = max(a, b), NaN if either is: one order of the operands gives b then, the other a.
#define MAX(a, b, t) \
	VMAXPS a, b, t  \
	VMAXPS b, a, a  \
	VORPS  t, a, a

// func normalizePoolAVX2(y, x0, x1, x2, x3, mean, scale, beta *float32, rows, cols, stride int, floor float32)
TEXT ·normalizePoolAVX2(SB), NOSPLIT, $0-92
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
	MOVQ         stride+80(FP), R11
	VBROADCASTSS floor+88(FP), Y15
	SHLQ         $2, DX
	SHLQ         $2, R11

row:
	XORL AX, AX

column:
	ALL_Z
	MAX(Y0, Y1, Y8)
	MAX(Y2, Y3, Y9)
	MAX(Y0, Y2, Y8)
	VMAXPS  Y0, Y15, Y0
	VMOVUPS Y0, (BX)(AX*1)  // y = max(floor, z...)
	ADDQ    $32, AX
	CMPQ    AX, DX
	JLT     column
	ADDQ    R11, BX
	ADDQ    R11, SI
	ADDQ    R11, DI
	ADDQ    R11, R12
	ADDQ    R11, R13
	DECQ    CX
	JNZ     row
	VZEROUPPER
	RET

// func normPoolSumsAVX2(sum, product, dy, x0, x1, x2, x3, mean, scale, beta *float32, rows, cols, stride int, floor float32)
TEXT ·normPoolSumsAVX2(SB), NOSPLIT, $0-108
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
	MOVQ         stride+96(FP), R11
	VBROADCASTSS floor+104(FP), Y15
	SHLQ         $2, DX
	SHLQ         $2, R11

row:
	XORL AX, AX

column:
	ALL_Z
	ALL_G
	VADDPS      (R14)(AX*1), Y11, Y11
	VMOVUPS     Y11, (R14)(AX*1)  // sum += g
	VMOVUPS     (R15)(AX*1), Y12
	VFMADD231PS Y4, Y0, Y12
	VFMADD231PS Y5, Y1, Y12
	VFMADD231PS Y6, Y2, Y12
	VFMADD231PS Y7, Y3, Y12
	VMOVUPS     Y12, (R15)(AX*1)  // product += Σ g[k]*d[k]
	ADDQ        $32, AX
	CMPQ        AX, DX
	JLT         column
	ADDQ        R11, BX
	ADDQ        R11, SI
	ADDQ        R11, DI
	ADDQ        R11, R12
	ADDQ        R11, R13
	DECQ        CX
	JNZ         row
	VZEROUPPER
	RET

// GRAD stores dx of a block, R14 bytes from x.
#define GRAD(x, d, g) \
	VMOVAPS      Y11, Y8                \
	VFMSUB231PS  Y13, g, Y8             \ // scale*g − a
	VFNMADD231PS Y12, d, Y8             \ // … − d*b
	LEAQ         (x)(AX*1), R15         \
	VMOVUPS      Y8, (R15)(R14*1)

// As above, but R11, CX are a and b, R14 the bytes from x to dx, R15 an address; rows
// and stride stay in the frame. The four blocks of dx lie apart as those of x do.
//
// func normPoolGradAVX2(dx0, dy, x0, x1, x2, x3, mean, scale, beta, a, b *float32, rows, cols, stride int, floor float32)
TEXT ·normPoolGradAVX2(SB), NOSPLIT, $0-116
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
	VBROADCASTSS floor+112(FP), Y15
	SUBQ         SI, R14
	SHLQ         $2, DX

row:
	XORL AX, AX

column:
	ALL_Z
	ALL_G
	VMOVUPS (R11)(AX*1), Y11
	VMOVUPS (CX)(AX*1), Y12
	GRAD(SI, Y4, Y0)
	GRAD(DI, Y5, Y1)
	GRAD(R12, Y6, Y2)
	GRAD(R13, Y7, Y3)
	ADDQ    $32, AX
	CMPQ    AX, DX
	JLT     column
	MOVQ    stride+104(FP), R15
	SHLQ    $2, R15
	ADDQ    R15, BX
	ADDQ    R15, SI
	ADDQ    R15, DI
	ADDQ    R15, R12
	ADDQ    R15, R13
	DECQ    rows+88(FP)
	JNZ     row
	VZEROUPPER
	RET
