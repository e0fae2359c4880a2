//go:build !noasm

#include "textflag.h"
#include "batchnorm_bf16_amd64.h"

// Batch normalization of rows of channels, of bf16: as in batchnorm_amd64.s, where the loops are
// in Go, but x, y, dx and dy are bf16, and cols, a multiple of 16, is also the stride. The parameters and the
// sums are float32. Before rounding, the values are the same to the bit.
//
// Four rows at a time, then one: parameters and sums are read once for the four. What limits is the
// number of operations, of which 512 bits go through two units, so the rounding is one instruction.
//
// SI           row of x
// DI           row of y or dy
// R13          row of dx
// R8, R9, R10  mean, scale, beta
// BX, R12      sum, product or squares; a, b
// AX, DX       column in bytes of bf16, end of the columns, which is also the bytes of a row
// R11, CX      bytes of three rows, rows left
// Z8-Z12       mean, scale, beta; sum, product or squares; a, b
// K1           where z is above the floor
//
// What is at SI and DI is asked for AHEAD bytes before it is needed, which is the next four rows or later ones at
// VGG's numbers of channels: large maps come from memory, and faster so.
//
// Need AVX512F and AVX512_BF16, which takes subnormal numbers as zero.

// ROUND leaves in Y0 the numbers of Z0 as bf16.
#define ROUND \
    LONG $0x487ef262; WORD $0xc072                               // VCVTNEPS2BF16 YMM0, ZMM0

#define FOUR(row) \
	row((SI), (DI), (R13))                         \
	row((SI)(DX*1), (DI)(DX*1), (R13)(DX*1))       \
	row((SI)(DX*2), (DI)(DX*2), (R13)(DX*2))       \
	row((SI)(R11*1), (DI)(R11*1), (R13)(R11*1))

#define ONE(row) row((SI), (DI), (R13))

#define NOTHING

#define AHEAD 4096

// ROWS does all rows and returns: for each column, begin loads what the rows share, row does one of
// them, end stores. The other arguments are labels.
#define ROWS(begin, row, end, four, column4, last, one, column1, done) \
	SHLQ $1, DX                   \
	LEAQ (DX)(DX*2), R11          \
	SUBQ $4, CX                   \
	JLT  last                     \
four:                             \
	XORL AX, AX                   \
column4:                          \
	PREFETCHT0 AHEAD(SI)                \
	PREFETCHT0 AHEAD(SI)(DX*1)          \
	PREFETCHT0 AHEAD(SI)(DX*2)          \
	PREFETCHT0 AHEAD(SI)(R11*1)         \
	PREFETCHT0 AHEAD(DI)                \
	PREFETCHT0 AHEAD(DI)(DX*1)          \
	PREFETCHT0 AHEAD(DI)(DX*2)          \
	PREFETCHT0 AHEAD(DI)(R11*1)         \
	begin                         \
	FOUR(row)                     \
	end                           \
	ADDQ $32, SI                  \
	ADDQ $32, DI                  \
	ADDQ $32, R13                 \
	ADDQ $32, AX                  \
	CMPQ AX, DX                   \
	JLT  column4                  \
	ADDQ R11, SI                  \
	ADDQ R11, DI                  \
	ADDQ R11, R13                 \
	SUBQ $4, CX                   \
	JGE  four                     \
last:                             \
	ADDQ $4, CX                   \
	JZ   done                     \
one:                              \
	XORL AX, AX                   \
column1:                          \
	begin                         \
	ONE(row)                      \
	end                           \
	ADDQ $32, SI                  \
	ADDQ $32, DI                  \
	ADDQ $32, R13                 \
	ADDQ $32, AX                  \
	CMPQ AX, DX                   \
	JLT  column1                  \
	DECQ CX                       \
	JNZ  one                      \
done:                             \
	VZEROUPPER                    \
	RET

#define PARAMETERS \
	VMOVUPS (R8)(AX*2), Z8    \
	VMOVUPS (R9)(AX*2), Z9    \
	VMOVUPS (R10)(AX*2), Z10

#define LOAD2 \
	VMOVUPS (BX)(AX*2), Z11   \
	VMOVUPS (R12)(AX*2), Z12

#define STORE2 \
	VMOVUPS Z11, (BX)(AX*2)   \
	VMOVUPS Z12, (R12)(AX*2)

#define COLUMNSUMS \
	VMOVUPS (R8)(AX*2), Z8    \
	LOAD2

#define COLUMNSUM(x, y, z) \
	WIDEN(x, Z0)              \
	VSUBPS      Z8, Z0, Z0    \ // d = x − pivot
	VADDPS      Z0, Z11, Z11  \ // sum += d
	VFMADD231PS Z0, Z0, Z12     // squares += d*d

// func columnSumsBF16AVX512(sum, squares *float32, x *BF16, pivot *float32, rows, cols int)
TEXT ·columnSumsBF16AVX512(SB), NOSPLIT, $0-48
	MOVQ sum+0(FP), BX
	MOVQ squares+8(FP), R12
	MOVQ x+16(FP), SI
	MOVQ SI, DI // only asked for
	MOVQ pivot+24(FP), R8
	MOVQ rows+32(FP), CX
	MOVQ cols+40(FP), DX
	ROWS(COLUMNSUMS, COLUMNSUM, STORE2, four, column4, last, one, column1, done)

#define NORMALIZE(x, y, z) \
	WIDEN(x, Z0)              \
	VSUBPS      Z8, Z0, Z0    \
	VFMADD132PS Z9, Z10, Z0   \ // z = (x − mean)*scale + beta
	VMAXPS      Z0, Z15, Z0   \
	ROUND                     \
	VMOVDQU     Y0, y           // y = max(floor, z)

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
	ROWS(PARAMETERS, NORMALIZE, NOTHING, four, column4, last, one, column1, done)

// GRADIENT gives d in Z1 and g in Z2.
#define GRADIENT(x, dy) \
	WIDEN(x, Z1)                             \
	VSUBPS      Z8, Z1, Z1                   \ // d = x − mean
	VMOVAPS     Z10, Z2                      \
	VFMADD231PS Z9, Z1, Z2                   \ // z = d*scale + beta
	VCMPPS      NOT_LESS_EQUAL, Z15, Z2, K1  \
	WIDENK(dy, K1, Z2)                         // g = dy if z > floor, else 0

// The channels' parameters, and the sums or a and b.
#define ALL \
	PARAMETERS \
	LOAD2

#define NORMSUM(x, dy, z) \
	GRADIENT(x, dy)           \
	VADDPS      Z2, Z11, Z11  \ // sum += g
	VFMADD231PS Z1, Z2, Z12     // product += g*d

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
	ROWS(ALL, NORMSUM, STORE2, four, column4, last, one, column1, done)

#define NORMGRAD(x, dy, dx) \
	GRADIENT(x, dy)            \
	VMOVAPS      Z11, Z0       \
	VFMSUB231PS  Z9, Z2, Z0    \ // scale*g − a
	VFNMADD231PS Z12, Z1, Z0   \ // … − d*b
	ROUND                      \
	VMOVDQU      Y0, dx

// func normGradBF16AVX512(dx, dy, x *BF16, mean, scale, beta, a, b *float32, rows, cols int, floor float32)
TEXT ·normGradBF16AVX512(SB), NOSPLIT, $0-84
	MOVQ         dx+0(FP), R13
	MOVQ         dy+8(FP), DI
	MOVQ         x+16(FP), SI
	MOVQ         mean+24(FP), R8
	MOVQ         scale+32(FP), R9
	MOVQ         beta+40(FP), R10
	MOVQ         a+48(FP), BX
	MOVQ         b+56(FP), R12
	MOVQ         rows+64(FP), CX
	MOVQ         cols+72(FP), DX
	VBROADCASTSS floor+80(FP), Z15
	ROWS(ALL, NORMGRAD, NOTHING, four, column4, last, one, column1, done)
