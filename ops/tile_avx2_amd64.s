//go:build !noasm

#include "textflag.h"

// The float32 microkernel of AVX2: register tile 6 x 16. tile_float32_amd64.h has its loop in Go
// and its control flow.
//
// Y0-Y11    accumulators, two for each row
// Y12, Y13  16 columns of b
// Y14, Y15  one element of a in all lanes, alternating
//
// A step is 12 FMAs (6 cycles on two ports) and 8 loads (4 cycles). Needs AVX2 and FMA.

#define LOGSIZE 2

#define ACC1(f) f(Y0, Y1)
#define ACC2(f) f(Y2, Y3)
#define ACC3(f) f(Y4, Y5)
#define ACC4(f) f(Y6, Y7)
#define ACC5(f) f(Y8, Y9)
#define ACC6(f) f(Y10, Y11)

#define ROW(a, t, y0, y1) \
	VBROADCASTSS a, t       \
	VFMADD231PS  Y12, t, y0 \
	VFMADD231PS  Y13, t, y1

#define COLUMNS(b) \
	VMOVUPS b, Y12 \
	VMOVUPS 32b, Y13

// The first rows of a step; each macro adds one row to the one before.
#define ROWS1(b) COLUMNS(b); ROW((SI), Y14, Y0, Y1)
#define ROWS2(b) ROWS1(b); ROW((SI)(R8*1), Y15, Y2, Y3)
#define ROWS3(b) ROWS2(b); ROW((SI)(R8*2), Y14, Y4, Y5)
#define ROWS4(b) ROWS3(b); ROW((SI)(R9*1), Y15, Y6, Y7)
#define ROWS5(b) ROWS4(b); ROW((SI)(R8*4), Y14, Y8, Y9)
#define ROWS6(b) ROWS5(b); ROW((SI)(R10*1), Y15, Y10, Y11)

#define ZERO \
	VXORPS Y12, Y12, Y12 \
	VXORPS Y13, Y13, Y13

#define COPY(y0, y1) \
	VMOVAPS Y12, y0 \
	VMOVAPS Y13, y1

#define ADD(y0, y1) \
	VADDPS (DI), y0, y0 \
	VADDPS 32(DI), y1, y1

#define STORE(y0, y1) \
	VMOVUPS y0, (DI) \
	VMOVUPS y1, 32(DI)

// MAX takes the accumulator as the second operand, which is the result if it is a NaN.
#define MAX(y0, y1) \
	VMAXPS y0, Y12, y0 \
	VMAXPS y1, Y12, y1

#define PREFETCHROW(row) PREFETCHT0 row

#define PREFETCHNEXT(fetch, steps) \
	SUBQ $4, AX \
	JGE  steps  \
	FETCH(fetch)

#include "tile_amd64.h"

// func panelAVX2(c argC, a argA, b argB, sum argSum, tiles argTiles,
//	end argEpilogue, next argNext, copy argCopy)
TEXT ·panelAVX2(SB), NOSPLIT, $0-176
#include "tile_float32_amd64.h"
