// The transforms of Winograd's convolutions, written once for all vector registers. The .h file of
// an architecture defines the macros used here and V0 to V15 as registers, and includes this file.
//
// A transform is matrix · src · matrixᵀ, with the matrices of package ops (winograd_generic.go).
// First the matrix is applied to each column of src, with the result in tmp, then to each row of
// tmp, with the result in dst. The macros:
//
//	PLUS(a, b, c)   c = a + b;  MINUS(a, b, c)  c = a − b;  TIMES(a, b, c)  c = a·b
//	FMA(a, b, c)    c += a·b;   FMS(a, b, c)    c −= a·b, each rounded once
//	MOVE(a, b)      b = a;      CLEAR(a)        a = 0
//	FLOOR(a)        a = max(floor, a), after LOADFLOOR;  CONSTANT(bits, a)  all lanes of a
//	LOAD(i, v)      from element i of src;  STORE(v, i)  to element i of dst
//	LOADT, STORET   the same with tmp
//	FETCH(i), FETCHD(i)  prefetch element i of src or of dst, of the next run
//	START           loads the arguments
//	RUNCOLUMN(f, c, label), RUNROW(f, r, label)  f on each vector of a run
//	LOOP(columns, rows)  all runs of all rows, and returns
//
// A run is RUN bytes of each element. Pixels are a large power of two apart, so their lines share
// one set of L1, which has eight ways. So a column or a row goes through a whole run, with four or
// six streams at a time, before the next. Hardware prefetchers miss runs that short: the transforms
// of F4 prefetch the next run of the pixels while they compute one, into L2.

#define RUN 512 // bytes; the 36 runs of tmp leave almost half of L1

// A column of a square src, or a row of tmp, to V0, V1, …
#define COLUMN6(c) \
	LOAD(c, V0); LOAD(6+c, V1); LOAD(12+c, V2); LOAD(18+c, V3); LOAD(24+c, V4); LOAD(30+c, V5)
#define COLUMN4(c) LOAD(c, V0); LOAD(4+c, V1); LOAD(8+c, V2); LOAD(12+c, V3)
#define COLUMN3(c) LOAD(c, V0); LOAD(3+c, V1); LOAD(6+c, V2)
#define COLUMN2(c) LOAD(c, V0); LOAD(2+c, V1)
#define ROW6(r) \
	LOADT(6*r, V0); LOADT(6*r+1, V1); LOADT(6*r+2, V2); \
	LOADT(6*r+3, V3); LOADT(6*r+4, V4); LOADT(6*r+5, V5)
#define ROW4(r) LOADT(4*r, V0); LOADT(4*r+1, V1); LOADT(4*r+2, V2); LOADT(4*r+3, V3)
#define ROW3(r) LOADT(3*r, V0); LOADT(3*r+1, V1); LOADT(3*r+2, V2)
#define ROW2(r) LOADT(2*r, V0); LOADT(2*r+1, V1)

// To a column of tmp, which has k columns, or to a row of a square dst.
#define TOCOLUMN2(c, k, v0, v1) STORET(v0, 0+c); STORET(v1, k+c)
#define TOCOLUMN3(c, k, v0, v1, v2) TOCOLUMN2(c, k, v0, v1); STORET(v2, 2*k+c)
#define TOCOLUMN4(c, k, v0, v1, v2, v3) TOCOLUMN3(c, k, v0, v1, v2); STORET(v3, 3*k+c)
#define TOCOLUMN6(c, k, v0, v1, v2, v3, v4, v5) \
	TOCOLUMN4(c, k, v0, v1, v2, v3); STORET(v4, 4*k+c); STORET(v5, 5*k+c)
#define TOROW2(r, v0, v1) STORE(v0, 2*r); STORE(v1, 2*r+1)
#define TOROW3(r, v0, v1, v2) STORE(v0, 3*r); STORE(v1, 3*r+1); STORE(v2, 3*r+2)
#define TOROW4(r, v0, v1, v2, v3) STORE(v0, 4*r); STORE(v1, 4*r+1); STORE(v2, 4*r+2); STORE(v3, 4*r+3)
#define TOROW6(r, v0, v1, v2, v3, v4, v5) \
	STORE(v0, 6*r); STORE(v1, 6*r+1); STORE(v2, 6*r+2); \
	STORE(v3, 6*r+3); STORE(v4, 6*r+4); STORE(v5, 6*r+5)

// FETCHCOLUMN and FETCHROW prefetch column c of src, or row r of dst, of the next run.
#define FETCHCOLUMN6(c) FETCH(c); FETCH(6+c); FETCH(12+c); FETCH(18+c); FETCH(24+c); FETCH(30+c)
#define FETCHCOLUMN4(c) FETCH(c); FETCH(4+c); FETCH(8+c); FETCH(12+c)
#define FETCHROW4(r) FETCHD(4*r); FETCHD(4*r+1); FETCHD(4*r+2); FETCHD(4*r+3)

#define COLUMNS2(f) RUNCOLUMN(f, 0, column0); RUNCOLUMN(f, 1, column1)
#define COLUMNS3(f) COLUMNS2(f); RUNCOLUMN(f, 2, column2)
#define COLUMNS4(f) COLUMNS3(f); RUNCOLUMN(f, 3, column3)
#define COLUMNS6(f) COLUMNS4(f); RUNCOLUMN(f, 4, column4); RUNCOLUMN(f, 5, column5)
#define ROWS2(f) RUNROW(f, 0, row0); RUNROW(f, 1, row1)
#define ROWS3(f) ROWS2(f); RUNROW(f, 2, row2)
#define ROWS4(f) ROWS3(f); RUNROW(f, 3, row3)
#define ROWS6(f) ROWS4(f); RUNROW(f, 4, row4); RUNROW(f, 5, row5)

// The one-dimensional transforms of F(4x4, 3x3).

// Bᵀ of V0-V5 to V0, V10, V11, V8, V9, V5.
#define F4BTCONSTANTS \
	CONSTANT(0x3fc00000, V12) \ // 1.5
	CONSTANT(0x40000000, V13) \ // 2
	CONSTANT(0x3f000000, V14) \ // 0.5
	CONSTANT(0x40200000, V15)   // 2.5

#define F4BT \
	MINUS(V3, V1, V6)    \ // p = x3 - x1
	MINUS(V4, V2, V7)    \ // q = x4 - x2
	PLUS(V0, V4, V0)     \ // x0 + x4 + 1.5p - 2x2
	FMA(V12, V6, V0)     \
	FMS(V13, V2, V0)     \
	MINUS(V4, V1, V10)   \ // x4 - x1 + 0.5x2 + 2.5x3
	FMA(V14, V2, V10)    \
	FMA(V15, V3, V10)    \
	PLUS(V4, V1, V11)    \ // x4 + x1 + 0.5x3 - 2.5x2
	FMA(V14, V3, V11)    \
	FMS(V15, V2, V11)    \
	MOVE(V7, V8)         \ // q + 2p
	FMA(V13, V6, V8)     \
	MOVE(V7, V9)         \ // q - 0.5p
	FMS(V14, V6, V9)     \
	PLUS(V5, V1, V5)     \ // x5 + x1 - 2x3 + 1.5q
	FMS(V13, V3, V5)     \
	FMA(V12, V7, V5)

// Aᵀ of V0-V5 to V0, V8, V6, V7.
#define F4ATCONSTANTS \
	CONSTANT(0x3f000000, V9)  \ // 0.5
	CONSTANT(0x40000000, V10) \ // 2
	CONSTANT(0x3e800000, V11) \ // 0.25
	CONSTANT(0x40800000, V12) \ // 4
	CONSTANT(0x3e000000, V13) \ // 0.125
	CONSTANT(0x41000000, V14)   // 8

#define F4AT \
	PLUS(V1, V2, V6)     \ // s = m1 + m2
	MINUS(V1, V2, V7)    \ // t = m1 - m2
	PLUS(V0, V3, V0)     \ // m0 + m3 + m4 + s
	PLUS(V0, V4, V0)     \
	PLUS(V0, V6, V0)     \
	MOVE(V7, V8)         \ // t + 0.5m3 - 2m4
	FMA(V9, V3, V8)      \
	FMS(V10, V4, V8)     \
	FMA(V11, V3, V6)     \ // s + 0.25m3 + 4m4
	FMA(V12, V4, V6)     \
	PLUS(V7, V5, V7)     \ // t + m5 + 0.125m3 - 8m4
	FMA(V13, V3, V7)     \
	FMS(V14, V4, V7)

// A of V0-V3 to V0, V6, V7, V8, V9, V3.
#define F4ACONSTANTS \
	CONSTANT(0x3f000000, V10) \ // 0.5
	CONSTANT(0x40000000, V11) \ // 2
	CONSTANT(0x3e800000, V12) \ // 0.25
	CONSTANT(0x40800000, V13) \ // 4
	CONSTANT(0x3e000000, V14) \ // 0.125
	CONSTANT(0x41000000, V15)   // 8

#define F4A \
	PLUS(V0, V2, V4)     \ // y0 + y2
	PLUS(V1, V3, V5)     \ // y1 + y3
	PLUS(V4, V5, V6)     \
	MINUS(V4, V5, V7)    \
	MOVE(V0, V8)         \ // y0 + 0.5y1 + 0.25y2 + 0.125y3
	FMA(V10, V1, V8)     \
	FMA(V12, V2, V8)     \
	FMA(V14, V3, V8)     \
	MOVE(V0, V9)         \ // y0 - 2y1 + 4y2 - 8y3
	FMS(V11, V1, V9)     \
	FMA(V13, V2, V9)     \
	FMS(V15, V3, V9)

// G of V0-V2 to V0, V4, V5, V6, V7, V2.
#define F4GCONSTANTS \
	CONSTANT(0x3eaaaaab, V8)  \ // 1/3
	CONSTANT(0x3f888889, V9)  \ // 16/15
	CONSTANT(0x3f088889, V10) \ // 8/15
	CONSTANT(0x3e888889, V11) \ // 4/15
	CONSTANT(0x3e088889, V12) \ // 2/15
	CONSTANT(0x3d888889, V13)   // 1/15

#define F4G \
	PLUS(V0, V2, V3)     \ // g0 + g2
	PLUS(V3, V1, V4)     \ // (g0 + g2 + g1)/3
	TIMES(V4, V8, V4)    \
	MINUS(V1, V3, V5)    \ // (g1 - g0 - g2)/3
	TIMES(V5, V8, V5)    \
	CLEAR(V6)            \ // -16/15 g0 - 8/15 g1 - 4/15 g2
	FMS(V9, V0, V6)      \
	FMS(V10, V1, V6)     \
	FMS(V11, V2, V6)     \
	TIMES(V0, V13, V7)   \ // 1/15 g0 - 2/15 g1 + 4/15 g2
	FMS(V12, V1, V7)     \
	FMA(V11, V2, V7)

// Gᵀ of V0-V5 to V0, V6, V5; constants of G.
#define F4GT \
	PLUS(V1, V2, V6)     \ // s = u1 + u2
	MINUS(V1, V2, V7)    \ // d = u1 - u2
	FMA(V8, V7, V0)      \ // u0 + d/3 - 16/15 u3 + 1/15 u4
	FMS(V9, V3, V0)      \
	FMA(V13, V4, V0)     \
	TIMES(V6, V8, V6)    \ // s/3 - 8/15 u3 - 2/15 u4
	FMS(V10, V3, V6)     \
	FMS(V12, V4, V6)     \
	FMA(V8, V7, V5)      \ // u5 + d/3 - 4/15 u3 + 4/15 u4
	FMS(V11, V3, V5)     \
	FMA(V11, V4, V5)

// Those of F(2x2, 3x3).

// Bᵀ of V0-V3 to V4, V5, V6, V7.
#define F2BT \
	MINUS(V0, V2, V4)    \
	PLUS(V1, V2, V5)     \
	MINUS(V2, V1, V6)    \
	MINUS(V1, V3, V7)

// Aᵀ of V0-V3 to V0, V5.
#define F2AT \
	PLUS(V0, V1, V0)     \ // m0 + m1 + m2
	PLUS(V0, V2, V0)     \
	MINUS(V1, V2, V5)    \ // m1 - m2 - m3
	MINUS(V5, V3, V5)

// A of V0, V1 to V0, V4, V5, V6.
#define F2A \
	PLUS(V0, V1, V4)     \
	MINUS(V0, V1, V5)    \
	CLEAR(V6)            \
	MINUS(V6, V1, V6)

// G of V0-V2 to V0, V4, V5, V2.
#define F2GCONSTANTS CONSTANT(0x3f000000, V8) // 0.5

#define F2G \
	PLUS(V0, V2, V3)     \
	TIMES(V3, V8, V3)    \ // (g0 + g2)/2
	MOVE(V3, V4)         \
	FMA(V8, V1, V4)      \
	MOVE(V3, V5)         \
	FMS(V8, V1, V5)

// Gᵀ of V0-V3 to V0, V5, V3; constants of G.
#define F2GT \
	PLUS(V1, V2, V4)     \
	MINUS(V1, V2, V5)    \
	TIMES(V5, V8, V5)    \ // (u1 - u2)/2
	FMA(V8, V4, V0)      \ // u0 + (u1 + u2)/2
	FMA(V8, V4, V3)      // u3 + (u1 + u2)/2

// Those of Map2, for images of 2x2 pixels.

// Bᵀ of V0, V1 to V2, V1, V0, and A of them to V2, V0, V1.
#define MAP2BT PLUS(V0, V1, V2)

// Aᵀ of V0-V2 to V3, V4.
#define MAP2AT \
	PLUS(V0, V1, V3)     \
	PLUS(V0, V2, V4)

// G of V0-V2 to V1, V3, V4.
#define MAP2G \
	MINUS(V2, V1, V3)    \
	MINUS(V0, V1, V4)

// Gᵀ of V0-V2 to V2, V3, V1.
#define MAP2GT \
	MINUS(V0, V1, V3)    \
	MINUS(V3, V2, V3)

// The transforms: each has its code for a column and for a row.

#define F4INPUTCOLUMN(c) \
	COLUMN6(c); FETCHCOLUMN6(c); F4BT \
	TOCOLUMN6(c, 6, V0, V10, V11, V8, V9, V5)
#define F4INPUTROW(r) ROW6(r); F4BT; TOROW6(r, V0, V10, V11, V8, V9, V5)
TEXT f4Input<>(SB), NOSPLIT, $0-8
	START
	F4BTCONSTANTS
	LOOP(COLUMNS6(F4INPUTCOLUMN), ROWS6(F4INPUTROW))

#define F4OUTPUTCOLUMN(c) COLUMN6(c); FETCHCOLUMN6(c); F4AT; TOCOLUMN4(c, 6, V0, V8, V6, V7)
#define F4OUTPUTROW(r) \
	ROW6(r); FETCHROW4(r); F4AT; FLOOR(V0); FLOOR(V8); FLOOR(V6); FLOOR(V7) \
	TOROW4(r, V0, V8, V6, V7)
TEXT f4Output<>(SB), NOSPLIT, $0-8
	START
	F4ATCONSTANTS
	LOADFLOOR
	LOOP(COLUMNS6(F4OUTPUTCOLUMN), ROWS4(F4OUTPUTROW))

#define F4GRADIENTCOLUMN(c) \
	COLUMN4(c); FETCHCOLUMN4(c); F4A \
	TOCOLUMN6(c, 4, V0, V6, V7, V8, V9, V3)
#define F4GRADIENTROW(r) ROW4(r); F4A; TOROW6(r, V0, V6, V7, V8, V9, V3)
TEXT f4Gradient<>(SB), NOSPLIT, $0-8
	START
	F4ACONSTANTS
	LOOP(COLUMNS4(F4GRADIENTCOLUMN), ROWS6(F4GRADIENTROW))

#define F4KERNELCOLUMN(c) COLUMN3(c); F4G; TOCOLUMN6(c, 3, V0, V4, V5, V6, V7, V2)
#define F4KERNELROW(r) ROW3(r); F4G; TOROW6(r, V0, V4, V5, V6, V7, V2)
TEXT f4Kernel<>(SB), NOSPLIT, $0-8
	START
	F4GCONSTANTS
	LOOP(COLUMNS3(F4KERNELCOLUMN), ROWS6(F4KERNELROW))

#define F4FROMKERNELCOLUMN(c) COLUMN6(c); F4GT; TOCOLUMN3(c, 6, V0, V6, V5)
#define F4FROMKERNELROW(r) ROW6(r); F4GT; TOROW3(r, V0, V6, V5)
TEXT f4FromKernel<>(SB), NOSPLIT, $0-8
	START
	F4GCONSTANTS
	LOOP(COLUMNS6(F4FROMKERNELCOLUMN), ROWS3(F4FROMKERNELROW))

#define F2INPUTCOLUMN(c) COLUMN4(c); F2BT; TOCOLUMN4(c, 4, V4, V5, V6, V7)
#define F2INPUTROW(r) ROW4(r); F2BT; TOROW4(r, V4, V5, V6, V7)
TEXT f2Input<>(SB), NOSPLIT, $0-8
	START
	LOOP(COLUMNS4(F2INPUTCOLUMN), ROWS4(F2INPUTROW))

#define F2OUTPUTCOLUMN(c) COLUMN4(c); F2AT; TOCOLUMN2(c, 4, V0, V5)
#define F2OUTPUTROW(r) ROW4(r); F2AT; FLOOR(V0); FLOOR(V5); TOROW2(r, V0, V5)
TEXT f2Output<>(SB), NOSPLIT, $0-8
	START
	LOADFLOOR
	LOOP(COLUMNS4(F2OUTPUTCOLUMN), ROWS2(F2OUTPUTROW))

#define F2GRADIENTCOLUMN(c) COLUMN2(c); F2A; TOCOLUMN4(c, 2, V0, V4, V5, V6)
#define F2GRADIENTROW(r) ROW2(r); F2A; TOROW4(r, V0, V4, V5, V6)
TEXT f2Gradient<>(SB), NOSPLIT, $0-8
	START
	LOOP(COLUMNS2(F2GRADIENTCOLUMN), ROWS4(F2GRADIENTROW))

#define F2KERNELCOLUMN(c) COLUMN3(c); F2G; TOCOLUMN4(c, 3, V0, V4, V5, V2)
#define F2KERNELROW(r) ROW3(r); F2G; TOROW4(r, V0, V4, V5, V2)
TEXT f2Kernel<>(SB), NOSPLIT, $0-8
	START
	F2GCONSTANTS
	LOOP(COLUMNS3(F2KERNELCOLUMN), ROWS4(F2KERNELROW))

#define F2FROMKERNELCOLUMN(c) COLUMN4(c); F2GT; TOCOLUMN3(c, 4, V0, V5, V3)
#define F2FROMKERNELROW(r) ROW4(r); F2GT; TOROW3(r, V0, V5, V3)
TEXT f2FromKernel<>(SB), NOSPLIT, $0-8
	START
	F2GCONSTANTS
	LOOP(COLUMNS4(F2FROMKERNELCOLUMN), ROWS3(F2FROMKERNELROW))

#define MAP2INPUTCOLUMN(c) COLUMN2(c); MAP2BT; TOCOLUMN3(c, 2, V2, V1, V0)
#define MAP2INPUTROW(r) ROW2(r); MAP2BT; TOROW3(r, V2, V1, V0)
TEXT map2Input<>(SB), NOSPLIT, $0-8
	START
	LOOP(COLUMNS2(MAP2INPUTCOLUMN), ROWS3(MAP2INPUTROW))

#define MAP2OUTPUTCOLUMN(c) COLUMN3(c); MAP2AT; TOCOLUMN2(c, 3, V3, V4)
#define MAP2OUTPUTROW(r) ROW3(r); MAP2AT; FLOOR(V3); FLOOR(V4); TOROW2(r, V3, V4)
TEXT map2Output<>(SB), NOSPLIT, $0-8
	START
	LOADFLOOR
	LOOP(COLUMNS3(MAP2OUTPUTCOLUMN), ROWS2(MAP2OUTPUTROW))

#define MAP2GRADIENTCOLUMN(c) COLUMN2(c); MAP2BT; TOCOLUMN3(c, 2, V2, V0, V1)
#define MAP2GRADIENTROW(r) ROW2(r); MAP2BT; TOROW3(r, V2, V0, V1)
TEXT map2Gradient<>(SB), NOSPLIT, $0-8
	START
	LOOP(COLUMNS2(MAP2GRADIENTCOLUMN), ROWS3(MAP2GRADIENTROW))

#define MAP2KERNELCOLUMN(c) COLUMN3(c); MAP2G; TOCOLUMN3(c, 3, V1, V3, V4)
#define MAP2KERNELROW(r) ROW3(r); MAP2G; TOROW3(r, V1, V3, V4)
TEXT map2Kernel<>(SB), NOSPLIT, $0-8
	START
	LOOP(COLUMNS3(MAP2KERNELCOLUMN), ROWS3(MAP2KERNELROW))

#define MAP2FROMKERNELCOLUMN(c) COLUMN3(c); MAP2GT; TOCOLUMN3(c, 3, V2, V3, V1)
#define MAP2FROMKERNELROW(r) ROW3(r); MAP2GT; TOROW3(r, V2, V3, V1)
TEXT map2FromKernel<>(SB), NOSPLIT, $0-8
	START
	LOOP(COLUMNS3(MAP2FROMKERNELCOLUMN), ROWS3(MAP2FROMKERNELROW))

// The transforms, indexed by winogradArgs.index.
DATA transforms<>+0(SB)/8, $f4Input<>(SB)
DATA transforms<>+8(SB)/8, $f4Output<>(SB)
DATA transforms<>+16(SB)/8, $f4Gradient<>(SB)
DATA transforms<>+24(SB)/8, $f4Kernel<>(SB)
DATA transforms<>+32(SB)/8, $f4FromKernel<>(SB)
DATA transforms<>+40(SB)/8, $f2Input<>(SB)
DATA transforms<>+48(SB)/8, $f2Output<>(SB)
DATA transforms<>+56(SB)/8, $f2Gradient<>(SB)
DATA transforms<>+64(SB)/8, $f2Kernel<>(SB)
DATA transforms<>+72(SB)/8, $f2FromKernel<>(SB)
DATA transforms<>+80(SB)/8, $map2Input<>(SB)
DATA transforms<>+88(SB)/8, $map2Output<>(SB)
DATA transforms<>+96(SB)/8, $map2Gradient<>(SB)
DATA transforms<>+104(SB)/8, $map2Kernel<>(SB)
DATA transforms<>+112(SB)/8, $map2FromKernel<>(SB)
GLOBL transforms<>(SB), RODATA|NOPTR, $120
