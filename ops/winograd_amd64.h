// The transforms of Winograd's convolutions, written once for both widths of vectors: the
// .s files that include this define V0 to V15 as registers, BYTES as their size, WIDTH as
// BYTES/4, and the functions' names.
//
// Every function computes, for rows rows of n numbers, a multiple of WIDTH,
//
//	for r := range rows {
//		for i := 0; i < n; i += RUN/4 { // or what is left
//			tmp = matrix · src[…][r*srcStep+i:]         // column by column
//			dst[…][r*dstStep+i:] = tmp · matrixᵀ        // row by row
//		}
//	}
//
// where src and dst are square tables of pointers, row by row, and an element is a run of vectors.
// The matrices, of package ops, are the macros at the beginning; each has its constants.
//
// DI, SI   dst and src: tables of pointers;  AX a pointer
// R9, R8   offset in bytes from the pointers of dst and of src
// R10, R13 tmp, aligned to 64 bytes, and a vector of it
// CX, DX   bytes left of a row, rows left
// BX, R14  bytes of a run, and left of it
// R11, R12 dstStep, srcStep in bytes from the end of a row to the next
//
// Pixels stand a large power of two apart, so their lines have one place in the cache, which holds
// eight: a column or a row goes through a whole run, four or six streams at a time, before the next. So short
// a run the processor does not foresee: F4's transforms ask for the next column of pixels while they compute one.
//
// The work is in loads and stores: for F4's input 108 loads and 72 stores a vector, beside
// 192 sums. Needs AVX2 and FMA, or AVX512F.

#define RUN 512 // bytes; tmp's 36 runs leave the first-level cache almost half

#define CONSTANT(bits, v) \
	MOVL         $bits, AX \
	MOVL         AX, (R10) \
	VBROADCASTSS (R10), v

#define START \
	MOVQ dst+0(FP), DI      \
	MOVQ src+8(FP), SI      \
	MOVQ rows+16(FP), DX    \
	MOVQ dstStep+32(FP), R11 \
	SUBQ n+24(FP), R11      \
	SHLQ $2, R11            \
	MOVQ srcStep+40(FP), R12 \
	SUBQ n+24(FP), R12      \
	SHLQ $2, R12            \
	MOVQ tmp+48(FP), R10    \
	ADDQ $63, R10           \
	ANDQ $~63, R10          \
	XORQ R8, R8             \
	XORQ R9, R9

// LOAD element i of src, STORE one of dst, and the same with tmp.
#define LOAD(i, v) \
	MOVQ    (8*(i))(SI), AX \
	VMOVUPS (AX)(R8*1), v

#define STORE(v, i) \
	MOVQ    (8*(i))(DI), AX \
	VMOVUPS v, (AX)(R9*1)

// FETCH and FETCHD ask for a vector of element i of src, or of dst, that is so many bytes on.
#define FETCH(i, on) \
	MOVQ       (8*(i))(SI), AX \
	PREFETCHT0 on(AX)(R8*1)

#define FETCHD(i, on) \
	MOVQ       (8*(i))(DI), AX \
	PREFETCHT0 on(AX)(R9*1)

#define LOADT(i, v) VMOVUPS (RUN*(i))(R13), v
#define STORET(v, i) VMOVUPS v, (RUN*(i))(R13)

// A column of k-wide src, or a row of k-wide tmp, in V0, V1, …
#define COLUMN6(c, k) LOAD(c, V0); LOAD(k+c, V1); LOAD(2*k+c, V2); LOAD(3*k+c, V3); LOAD(4*k+c, V4); LOAD(5*k+c, V5)
#define COLUMN4(c, k) LOAD(c, V0); LOAD(k+c, V1); LOAD(2*k+c, V2); LOAD(3*k+c, V3)
#define COLUMN3(c, k) LOAD(c, V0); LOAD(k+c, V1); LOAD(2*k+c, V2)
#define COLUMN2(c, k) LOAD(c, V0); LOAD(k+c, V1)

// What comes after column c of 6-wide or 4-wide src, or row r of 4-wide dst: the next one, and after the last
// the first a run further on.
#define AFTER(c, k) (((c)+1)%k)
#define FURTHER(c, k) (RUN*(((c)+1)/k))
#define FETCHCOLUMN6(c) \
	FETCH(AFTER(c, 6), FURTHER(c, 6))    \
	FETCH(6+AFTER(c, 6), FURTHER(c, 6))  \
	FETCH(12+AFTER(c, 6), FURTHER(c, 6)) \
	FETCH(18+AFTER(c, 6), FURTHER(c, 6)) \
	FETCH(24+AFTER(c, 6), FURTHER(c, 6)) \
	FETCH(30+AFTER(c, 6), FURTHER(c, 6))
#define FETCHCOLUMN4(c) \
	FETCH(AFTER(c, 4), FURTHER(c, 4))   \
	FETCH(4+AFTER(c, 4), FURTHER(c, 4)) \
	FETCH(8+AFTER(c, 4), FURTHER(c, 4)) \
	FETCH(12+AFTER(c, 4), FURTHER(c, 4))
#define FETCHROW4(r) \
	FETCHD(4*AFTER(r, 4), FURTHER(r, 4))   \
	FETCHD(4*AFTER(r, 4)+1, FURTHER(r, 4)) \
	FETCHD(4*AFTER(r, 4)+2, FURTHER(r, 4)) \
	FETCHD(4*AFTER(r, 4)+3, FURTHER(r, 4))

#define ROW6(r) LOADT(6*r, V0); LOADT(6*r+1, V1); LOADT(6*r+2, V2); LOADT(6*r+3, V3); LOADT(6*r+4, V4); LOADT(6*r+5, V5)
#define ROW4(r) LOADT(4*r, V0); LOADT(4*r+1, V1); LOADT(4*r+2, V2); LOADT(4*r+3, V3)
#define ROW3(r) LOADT(3*r, V0); LOADT(3*r+1, V1); LOADT(3*r+2, V2)
#define ROW2(r) LOADT(2*r, V0); LOADT(2*r+1, V1)

// F(4x4, 3x3): one-dimensional transforms

// Bᵀ of V0-V5 to V0, V10, V11, V8, V9, V5.
#define F4BTCONSTANTS \
	CONSTANT(0x3fc00000, V12) \ // 1.5
	CONSTANT(0x40000000, V13) \ // 2
	CONSTANT(0x3f000000, V14) \ // 0.5
	CONSTANT(0x40200000, V15)   // 2.5

#define F4BT \
	VSUBPS       V1, V3, V6    \ // p = x3 - x1
	VSUBPS       V2, V4, V7    \ // q = x4 - x2
	VADDPS       V4, V0, V0    \ // x0 + x4 + 1.5p - 2x2
	VFMADD231PS  V12, V6, V0   \
	VFNMADD231PS V13, V2, V0   \
	VSUBPS       V1, V4, V10   \ // x4 - x1 + 0.5x2 + 2.5x3
	VFMADD231PS  V14, V2, V10  \
	VFMADD231PS  V15, V3, V10  \
	VADDPS       V1, V4, V11   \ // x4 + x1 + 0.5x3 - 2.5x2
	VFMADD231PS  V14, V3, V11  \
	VFNMADD231PS V15, V2, V11  \
	VMOVAPS      V7, V8        \ // q + 2p
	VFMADD231PS  V13, V6, V8   \
	VMOVAPS      V7, V9        \ // q - 0.5p
	VFNMADD231PS V14, V6, V9   \
	VADDPS       V1, V5, V5    \ // x5 + x1 - 2x3 + 1.5q
	VFNMADD231PS V13, V3, V5   \
	VFMADD231PS  V12, V7, V5

// Aᵀ of V0-V5 to V0, V8, V6, V7.
#define F4ATCONSTANTS \
	CONSTANT(0x3f000000, V9)  \ // 0.5
	CONSTANT(0x40000000, V10) \ // 2
	CONSTANT(0x3e800000, V11) \ // 0.25
	CONSTANT(0x40800000, V12) \ // 4
	CONSTANT(0x3e000000, V13) \ // 0.125
	CONSTANT(0x41000000, V14)   // 8

#define F4AT \
	VADDPS       V2, V1, V6   \ // s = m1 + m2
	VSUBPS       V2, V1, V7   \ // t = m1 - m2
	VADDPS       V3, V0, V0   \ // m0 + m3 + m4 + s
	VADDPS       V4, V0, V0   \
	VADDPS       V6, V0, V0   \
	VMOVAPS      V7, V8       \ // t + 0.5m3 - 2m4
	VFMADD231PS  V9, V3, V8   \
	VFNMADD231PS V10, V4, V8  \
	VFMADD231PS  V11, V3, V6  \ // s + 0.25m3 + 4m4
	VFMADD231PS  V12, V4, V6  \
	VADDPS       V5, V7, V7   \ // t + m5 + 0.125m3 - 8m4
	VFMADD231PS  V13, V3, V7  \
	VFNMADD231PS V14, V4, V7

// A of V0-V3 to V0, V6, V7, V8, V9, V3.
#define F4ACONSTANTS \
	CONSTANT(0x3f000000, V10) \ // 0.5
	CONSTANT(0x40000000, V11) \ // 2
	CONSTANT(0x3e800000, V12) \ // 0.25
	CONSTANT(0x40800000, V13) \ // 4
	CONSTANT(0x3e000000, V14) \ // 0.125
	CONSTANT(0x41000000, V15)   // 8

#define F4A \
	VADDPS       V2, V0, V4   \ // y0 + y2
	VADDPS       V3, V1, V5   \ // y1 + y3
	VADDPS       V5, V4, V6   \
	VSUBPS       V5, V4, V7   \
	VMOVAPS      V0, V8       \ // y0 + 0.5y1 + 0.25y2 + 0.125y3
	VFMADD231PS  V10, V1, V8  \
	VFMADD231PS  V12, V2, V8  \
	VFMADD231PS  V14, V3, V8  \
	VMOVAPS      V0, V9       \ // y0 - 2y1 + 4y2 - 8y3
	VFNMADD231PS V11, V1, V9  \
	VFMADD231PS  V13, V2, V9  \
	VFNMADD231PS V15, V3, V9

// G of V0-V2 to V0, V4, V5, V6, V7, V2.
#define F4GCONSTANTS \
	CONSTANT(0x3eaaaaab, V8)  \ // 1/3
	CONSTANT(0x3f888889, V9)  \ // 16/15
	CONSTANT(0x3f088889, V10) \ // 8/15
	CONSTANT(0x3e888889, V11) \ // 4/15
	CONSTANT(0x3e088889, V12) \ // 2/15
	CONSTANT(0x3d888889, V13)   // 1/15

#define F4G \
	VADDPS       V2, V0, V3   \ // g0 + g2
	VADDPS       V1, V3, V4   \ // (g0 + g2 + g1)/3
	VMULPS       V8, V4, V4   \
	VSUBPS       V3, V1, V5   \ // (g1 - g0 - g2)/3
	VMULPS       V8, V5, V5   \
	VXORPS       V6, V6, V6   \ // -16/15 g0 - 8/15 g1 - 4/15 g2
	VFNMADD231PS V9, V0, V6   \
	VFNMADD231PS V10, V1, V6  \
	VFNMADD231PS V11, V2, V6  \
	VMULPS       V13, V0, V7  \ // 1/15 g0 - 2/15 g1 + 4/15 g2
	VFNMADD231PS V12, V1, V7  \
	VFMADD231PS  V11, V2, V7

// Gᵀ of V0-V5 to V0, V6, V5; constants as G.
#define F4GT \
	VADDPS       V2, V1, V6   \ // s = u1 + u2
	VSUBPS       V2, V1, V7   \ // d = u1 - u2
	VFMADD231PS  V8, V7, V0   \ // u0 + d/3 - 16/15 u3 + 1/15 u4
	VFNMADD231PS V9, V3, V0   \
	VFMADD231PS  V13, V4, V0  \
	VMULPS       V8, V6, V6   \ // s/3 - 8/15 u3 - 2/15 u4
	VFNMADD231PS V10, V3, V6  \
	VFNMADD231PS V12, V4, V6  \
	VFMADD231PS  V8, V7, V5   \ // u5 + d/3 - 4/15 u3 + 4/15 u4
	VFNMADD231PS V11, V3, V5  \
	VFMADD231PS  V11, V4, V5

// F(2x2, 3x3)

// Bᵀ of V0-V3 to V4, V5, V6, V7.
#define F2BT \
	VSUBPS V2, V0, V4 \
	VADDPS V2, V1, V5 \
	VSUBPS V1, V2, V6 \
	VSUBPS V3, V1, V7

// Aᵀ of V0-V3 to V0, V5.
#define F2AT \
	VADDPS V1, V0, V0 \ // m0 + m1 + m2
	VADDPS V2, V0, V0 \
	VSUBPS V2, V1, V5 \ // m1 - m2 - m3
	VSUBPS V3, V5, V5

// A of V0, V1 to V0, V4, V5, V6.
#define F2A \
	VADDPS V1, V0, V4 \
	VSUBPS V1, V0, V5 \
	VXORPS V6, V6, V6 \
	VSUBPS V1, V6, V6

// G of V0-V2 to V0, V4, V5, V2.
#define F2GCONSTANTS CONSTANT(0x3f000000, V8) // 0.5

#define F2G \
	VADDPS       V2, V0, V3  \
	VMULPS       V8, V3, V3  \ // (g0 + g2)/2
	VMOVAPS      V3, V4      \
	VFMADD231PS  V8, V1, V4  \
	VMOVAPS      V3, V5      \
	VFNMADD231PS V8, V1, V5

// Gᵀ of V0-V3 to V0, V5, V3; constants as G.
#define F2GT \
	VADDPS      V2, V1, V4  \
	VSUBPS      V2, V1, V5  \
	VMULPS      V8, V5, V5  \ // (u1 - u2)/2
	VFMADD231PS V8, V4, V0  \ // u0 + (u1 + u2)/2
	VFMADD231PS V8, V4, V3    // u3 + (u1 + u2)/2

// Images of 2x2 pixels

// Bᵀ of V0, V1 to V2, V1, V0, and A of them to V2, V0, V1.
#define MAP2BT VADDPS V1, V0, V2

// Aᵀ of V0-V2 to V3, V4.
#define MAP2AT \
	VADDPS V1, V0, V3 \
	VADDPS V2, V0, V4

// G of V0-V2 to V1, V3, V4.
#define MAP2G \
	VSUBPS V1, V2, V3 \
	VSUBPS V1, V0, V4

// Gᵀ of V0-V2 to V2, V3, V1.
#define MAP2GT \
	VSUBPS V1, V0, V3 \
	VSUBPS V2, V3, V3

// The functions: a run of each column of src to tmp, a run of each row of tmp to dst.

#define RUNCOLUMN(f, c, label) \
	MOVQ R10, R13        \
	MOVQ BX, R14         \
label:                   \
	f(c)                 \
	ADDQ $BYTES, R8      \
	ADDQ $BYTES, R13     \
	SUBQ $BYTES, R14     \
	JNZ  label           \
	SUBQ BX, R8

#define RUNROW(f, r, label) \
	MOVQ R10, R13        \
	MOVQ BX, R14         \
label:                   \
	f(r)                 \
	ADDQ $BYTES, R9      \
	ADDQ $BYTES, R13     \
	SUBQ $BYTES, R14     \
	JNZ  label           \
	SUBQ BX, R9

#define COLUMNS2(f) RUNCOLUMN(f, 0, column0); RUNCOLUMN(f, 1, column1)
#define COLUMNS3(f) COLUMNS2(f); RUNCOLUMN(f, 2, column2)
#define COLUMNS4(f) COLUMNS3(f); RUNCOLUMN(f, 3, column3)
#define COLUMNS6(f) COLUMNS4(f); RUNCOLUMN(f, 4, column4); RUNCOLUMN(f, 5, column5)
#define ROWS2(f) RUNROW(f, 0, row0); RUNROW(f, 1, row1)
#define ROWS3(f) ROWS2(f); RUNROW(f, 2, row2)
#define ROWS4(f) ROWS3(f); RUNROW(f, 3, row3)
#define ROWS6(f) ROWS4(f); RUNROW(f, 4, row4); RUNROW(f, 5, row5)

#define LOOP(columns, rows) \
row:                      \
	MOVQ n+24(FP), CX     \
	SHLQ $2, CX           \
run:                      \
	MOVQ $RUN, BX         \
	CMPQ CX, BX           \
	CMOVQLT CX, BX        \
	columns               \
	rows                  \
	ADDQ BX, R8           \
	ADDQ BX, R9           \
	SUBQ BX, CX           \
	JNZ  run              \
	ADDQ R12, R8          \
	ADDQ R11, R9          \
	DECQ DX               \
	JNZ  row              \
	VZEROUPPER            \
	RET

#define F4INPUTCOLUMN(c) \
	COLUMN6(c, 6) \
	FETCHCOLUMN6(c) \
	F4BT \
	STORET(V0, 0+c) \
	STORET(V10, 6+c) \
	STORET(V11, 12+c) \
	STORET(V8, 18+c) \
	STORET(V9, 24+c) \
	STORET(V5, 30+c)

#define F4INPUTROW(r) \
	ROW6(r) \
	F4BT \
	STORE(V0, 6*r+0) \
	STORE(V10, 6*r+1) \
	STORE(V11, 6*r+2) \
	STORE(V8, 6*r+3) \
	STORE(V9, 6*r+4) \
	STORE(V5, 6*r+5)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT F4INPUT(SB), NOSPLIT, $0-56
	START
	F4BTCONSTANTS
	LOOP(COLUMNS6(F4INPUTCOLUMN), ROWS6(F4INPUTROW))

#define F4OUTPUTCOLUMN(c) \
	COLUMN6(c, 6) \
	F4AT \
	STORET(V0, 0+c) \
	STORET(V8, 6+c) \
	STORET(V6, 12+c) \
	STORET(V7, 18+c)

#define F4OUTPUTROW(r) \
	ROW6(r) \
	FETCHROW4(r) \
	F4AT \
	VMAXPS V0, V15, V0 \
	VMAXPS V8, V15, V8 \
	VMAXPS V6, V15, V6 \
	VMAXPS V7, V15, V7 \
	STORE(V0, 4*r+0) \
	STORE(V8, 4*r+1) \
	STORE(V6, 4*r+2) \
	STORE(V7, 4*r+3)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32, floor float32)
TEXT F4OUTPUT(SB), NOSPLIT, $0-60
	START
	F4ATCONSTANTS
	VBROADCASTSS floor+56(FP), V15
	LOOP(COLUMNS6(F4OUTPUTCOLUMN), ROWS4(F4OUTPUTROW))

#define F4GRADIENTCOLUMN(c) \
	COLUMN4(c, 4) \
	FETCHCOLUMN4(c) \
	F4A \
	STORET(V0, 0+c) \
	STORET(V6, 4+c) \
	STORET(V7, 8+c) \
	STORET(V8, 12+c) \
	STORET(V9, 16+c) \
	STORET(V3, 20+c)

#define F4GRADIENTROW(r) \
	ROW4(r) \
	F4A \
	STORE(V0, 6*r+0) \
	STORE(V6, 6*r+1) \
	STORE(V7, 6*r+2) \
	STORE(V8, 6*r+3) \
	STORE(V9, 6*r+4) \
	STORE(V3, 6*r+5)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT F4GRADIENT(SB), NOSPLIT, $0-56
	START
	F4ACONSTANTS
	LOOP(COLUMNS4(F4GRADIENTCOLUMN), ROWS6(F4GRADIENTROW))

#define F4KERNELCOLUMN(c) \
	COLUMN3(c, 3) \
	F4G \
	STORET(V0, 0+c) \
	STORET(V4, 3+c) \
	STORET(V5, 6+c) \
	STORET(V6, 9+c) \
	STORET(V7, 12+c) \
	STORET(V2, 15+c)

#define F4KERNELROW(r) \
	ROW3(r) \
	F4G \
	STORE(V0, 6*r+0) \
	STORE(V4, 6*r+1) \
	STORE(V5, 6*r+2) \
	STORE(V6, 6*r+3) \
	STORE(V7, 6*r+4) \
	STORE(V2, 6*r+5)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT F4KERNEL(SB), NOSPLIT, $0-56
	START
	F4GCONSTANTS
	LOOP(COLUMNS3(F4KERNELCOLUMN), ROWS6(F4KERNELROW))

#define F4FROMKERNELCOLUMN(c) \
	COLUMN6(c, 6) \
	F4GT \
	STORET(V0, 0+c) \
	STORET(V6, 6+c) \
	STORET(V5, 12+c)

#define F4FROMKERNELROW(r) \
	ROW6(r) \
	F4GT \
	STORE(V0, 3*r+0) \
	STORE(V6, 3*r+1) \
	STORE(V5, 3*r+2)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT F4FROMKERNEL(SB), NOSPLIT, $0-56
	START
	F4GCONSTANTS
	LOOP(COLUMNS6(F4FROMKERNELCOLUMN), ROWS3(F4FROMKERNELROW))

#define F2INPUTCOLUMN(c) \
	COLUMN4(c, 4) \
	F2BT \
	STORET(V4, 0+c) \
	STORET(V5, 4+c) \
	STORET(V6, 8+c) \
	STORET(V7, 12+c)

#define F2INPUTROW(r) \
	ROW4(r) \
	F2BT \
	STORE(V4, 4*r+0) \
	STORE(V5, 4*r+1) \
	STORE(V6, 4*r+2) \
	STORE(V7, 4*r+3)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT F2INPUT(SB), NOSPLIT, $0-56
	START
	LOOP(COLUMNS4(F2INPUTCOLUMN), ROWS4(F2INPUTROW))

#define F2OUTPUTCOLUMN(c) \
	COLUMN4(c, 4) \
	F2AT \
	STORET(V0, 0+c) \
	STORET(V5, 4+c)

#define F2OUTPUTROW(r) \
	ROW4(r) \
	F2AT \
	VMAXPS V0, V15, V0 \
	VMAXPS V5, V15, V5 \
	STORE(V0, 2*r+0) \
	STORE(V5, 2*r+1)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32, floor float32)
TEXT F2OUTPUT(SB), NOSPLIT, $0-60
	START
	VBROADCASTSS floor+56(FP), V15
	LOOP(COLUMNS4(F2OUTPUTCOLUMN), ROWS2(F2OUTPUTROW))

#define F2GRADIENTCOLUMN(c) \
	COLUMN2(c, 2) \
	F2A \
	STORET(V0, 0+c) \
	STORET(V4, 2+c) \
	STORET(V5, 4+c) \
	STORET(V6, 6+c)

#define F2GRADIENTROW(r) \
	ROW2(r) \
	F2A \
	STORE(V0, 4*r+0) \
	STORE(V4, 4*r+1) \
	STORE(V5, 4*r+2) \
	STORE(V6, 4*r+3)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT F2GRADIENT(SB), NOSPLIT, $0-56
	START
	LOOP(COLUMNS2(F2GRADIENTCOLUMN), ROWS4(F2GRADIENTROW))

#define F2KERNELCOLUMN(c) \
	COLUMN3(c, 3) \
	F2G \
	STORET(V0, 0+c) \
	STORET(V4, 3+c) \
	STORET(V5, 6+c) \
	STORET(V2, 9+c)

#define F2KERNELROW(r) \
	ROW3(r) \
	F2G \
	STORE(V0, 4*r+0) \
	STORE(V4, 4*r+1) \
	STORE(V5, 4*r+2) \
	STORE(V2, 4*r+3)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT F2KERNEL(SB), NOSPLIT, $0-56
	START
	F2GCONSTANTS
	LOOP(COLUMNS3(F2KERNELCOLUMN), ROWS4(F2KERNELROW))

#define F2FROMKERNELCOLUMN(c) \
	COLUMN4(c, 4) \
	F2GT \
	STORET(V0, 0+c) \
	STORET(V5, 4+c) \
	STORET(V3, 8+c)

#define F2FROMKERNELROW(r) \
	ROW4(r) \
	F2GT \
	STORE(V0, 3*r+0) \
	STORE(V5, 3*r+1) \
	STORE(V3, 3*r+2)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT F2FROMKERNEL(SB), NOSPLIT, $0-56
	START
	F2GCONSTANTS
	LOOP(COLUMNS4(F2FROMKERNELCOLUMN), ROWS3(F2FROMKERNELROW))

#define MAP2INPUTCOLUMN(c) \
	COLUMN2(c, 2) \
	MAP2BT \
	STORET(V2, 0+c) \
	STORET(V1, 2+c) \
	STORET(V0, 4+c)

#define MAP2INPUTROW(r) \
	ROW2(r) \
	MAP2BT \
	STORE(V2, 3*r+0) \
	STORE(V1, 3*r+1) \
	STORE(V0, 3*r+2)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT MAP2INPUT(SB), NOSPLIT, $0-56
	START
	LOOP(COLUMNS2(MAP2INPUTCOLUMN), ROWS3(MAP2INPUTROW))

#define MAP2OUTPUTCOLUMN(c) \
	COLUMN3(c, 3) \
	MAP2AT \
	STORET(V3, 0+c) \
	STORET(V4, 3+c)

#define MAP2OUTPUTROW(r) \
	ROW3(r) \
	MAP2AT \
	VMAXPS V3, V15, V3 \
	VMAXPS V4, V15, V4 \
	STORE(V3, 2*r+0) \
	STORE(V4, 2*r+1)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32, floor float32)
TEXT MAP2OUTPUT(SB), NOSPLIT, $0-60
	START
	VBROADCASTSS floor+56(FP), V15
	LOOP(COLUMNS3(MAP2OUTPUTCOLUMN), ROWS2(MAP2OUTPUTROW))

#define MAP2GRADIENTCOLUMN(c) \
	COLUMN2(c, 2) \
	MAP2BT \
	STORET(V2, 0+c) \
	STORET(V0, 2+c) \
	STORET(V1, 4+c)

#define MAP2GRADIENTROW(r) \
	ROW2(r) \
	MAP2BT \
	STORE(V2, 3*r+0) \
	STORE(V0, 3*r+1) \
	STORE(V1, 3*r+2)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT MAP2GRADIENT(SB), NOSPLIT, $0-56
	START
	LOOP(COLUMNS2(MAP2GRADIENTCOLUMN), ROWS3(MAP2GRADIENTROW))

#define MAP2KERNELCOLUMN(c) \
	COLUMN3(c, 3) \
	MAP2G \
	STORET(V1, 0+c) \
	STORET(V3, 3+c) \
	STORET(V4, 6+c)

#define MAP2KERNELROW(r) \
	ROW3(r) \
	MAP2G \
	STORE(V1, 3*r+0) \
	STORE(V3, 3*r+1) \
	STORE(V4, 3*r+2)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT MAP2KERNEL(SB), NOSPLIT, $0-56
	START
	LOOP(COLUMNS3(MAP2KERNELCOLUMN), ROWS3(MAP2KERNELROW))

#define MAP2FROMKERNELCOLUMN(c) \
	COLUMN3(c, 3) \
	MAP2GT \
	STORET(V2, 0+c) \
	STORET(V3, 3+c) \
	STORET(V1, 6+c)

#define MAP2FROMKERNELROW(r) \
	ROW3(r) \
	MAP2GT \
	STORE(V2, 3*r+0) \
	STORE(V3, 3*r+1) \
	STORE(V1, 3*r+2)

// func(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)
TEXT MAP2FROMKERNEL(SB), NOSPLIT, $0-56
	START
	LOOP(COLUMNS3(MAP2FROMKERNELCOLUMN), ROWS3(MAP2FROMKERNELROW))
