//go:build !noasm

#include "textflag.h"

// The float32 microkernel of AVX-512: register tile 6 x 64. tile_float32_amd64.h has its loop in Go
// and its control flow. While it multiplies, it can also pack the next panel, whose first row is
// next.stride floats + copy.lag bytes after next.at:
//
//	for i := range copy.rows {
//		for j := range 64 {
//			copy.to[i*64+j] = row[i*next.stride+j]
//		}
//	}
//
// Z0-Z23   accumulators, four for each row
// Z24-Z27  64 columns of b
// Z28      one element of a in all lanes;  Z28-Z31 a row that is copied
//
// A step is 24 FMAs (12 cycles on two ports) and 10 loads (5 cycles). Every 16 steps, while rows
// are left to copy, a row of 64 floats is prefetched and one is copied. Both are free: the FMAs
// take the time. Needs AVX512F.

#define LOGSIZE 2

#define ROW(a, z0, z1, z2, z3) \
	VBROADCASTSS a, Z28       \
	VFMADD231PS  Z24, Z28, z0 \
	VFMADD231PS  Z25, Z28, z1 \
	VFMADD231PS  Z26, Z28, z2 \
	VFMADD231PS  Z27, Z28, z3

#define COLUMNS(b) \
	VMOVUPS b, Z24    \
	VMOVUPS 64b, Z25  \
	VMOVUPS 128b, Z26 \
	VMOVUPS 192b, Z27

// The first rows of a step; each macro adds one row to the one before.
#define ROWS1(b) COLUMNS(b); ROW((SI), Z0, Z1, Z2, Z3)
#define ROWS2(b) ROWS1(b); ROW((SI)(R8*1), Z4, Z5, Z6, Z7)
#define ROWS3(b) ROWS2(b); ROW((SI)(R8*2), Z8, Z9, Z10, Z11)
#define ROWS4(b) ROWS3(b); ROW((SI)(R9*1), Z12, Z13, Z14, Z15)
#define ROWS5(b) ROWS4(b); ROW((SI)(R8*4), Z16, Z17, Z18, Z19)
#define ROWS6(b) ROWS5(b); ROW((SI)(R10*1), Z20, Z21, Z22, Z23)

#define ZERO \
	VPXORQ  Z24, Z24, Z24 \
	VMOVAPS Z24, Z25      \
	VMOVAPS Z24, Z26      \
	VMOVAPS Z24, Z27

#define COPY(z0, z1, z2, z3) \
	VMOVAPS Z24, z0 \
	VMOVAPS Z25, z1 \
	VMOVAPS Z26, z2 \
	VMOVAPS Z27, z3

#define ADD(z0, z1, z2, z3) \
	VADDPS (DI), z0, z0    \
	VADDPS 64(DI), z1, z1  \
	VADDPS 128(DI), z2, z2 \
	VADDPS 192(DI), z3, z3

// MAX takes the accumulator as the second operand, which is the result if it is a NaN.
#define MAX(z0, z1, z2, z3) \
	VMAXPS z0, Z24, z0 \
	VMAXPS z1, Z25, z1 \
	VMAXPS z2, Z26, z2 \
	VMAXPS z3, Z27, z3

#define PREFETCHNEXT(fetch, steps) \
	SUBQ    $4, AX                  \
	JGE     steps                   \
	DECQ    copy_rows+168(FP)       \
	JLT     fetch                   \
	LINES((DI))                     \
	ADDQ    next_stride+128(FP), DI \
	MOVQ    copy_lag+160(FP), DX    \
	VMOVUPS (DI)(DX*1), Z28         \
	VMOVUPS 64(DI)(DX*1), Z29       \
	VMOVUPS 128(DI)(DX*1), Z30      \
	VMOVUPS 192(DI)(DX*1), Z31      \
	MOVQ    copy_to+152(FP), DX     \
	VMOVUPS Z28, (DX)               \
	VMOVUPS Z29, 64(DX)             \
	VMOVUPS Z30, 128(DX)            \
	VMOVUPS Z31, 192(DX)            \
	ADDQ    $256, copy_to+152(FP)   \
	ADDQ    $16, AX                 \
	JMP     steps                   \
	FETCH(fetch)

#include "tile_avx512_amd64.h"
#include "tile_amd64.h"

// func panelAVX512(c argC, a argA, b argB, sum argSum, tiles argTiles,
//	end argEpilogue, next argNext, copy argCopy)
TEXT ·panelAVX512(SB), NOSPLIT, $0-176
#include "tile_float32_amd64.h"
