// Winograd's transforms for AVX2 and AVX-512: registers, addresses and loops. The .s files that
// include this define V0 to V15 as registers, BYTES as their size and WINOGRAD as the name of the
// function.
//
// WINOGRAD(p *winogradArgs) computes the transform index of rows rows of n elements, a multiple of
// BYTES/4. In Go:
//
//	for r := range rows {
//		for i := 0; i < n; i += RUN/4 { // or what is left
//			tmp = matrix · src[…][r*srcStep+i:]         // column by column
//			dst[…][r*dstStep+i:] = tmp · matrixᵀ        // row by row
//		}
//	}
//
// where src and dst are square tables of pointers, row by row, and an element is a run of vectors.
//
// DI, SI   dst, which is also p, and src: tables of pointers;  AX a pointer
// R9, R8   offset in bytes from the pointers of dst and of src; R15 that of the next run in one
// R10, R13 tmp, aligned to 64 bytes, and a vector of it
// CX, DX   bytes left of a row, rows left
// BX, R14  bytes of a run, and left of it
// R11, R12 dstStep, srcStep in bytes from the end of a row to the next
//
// Loads and stores are the limit: the input transform of F4 has 108 loads and 72 stores a vector
// beside 192 additions. Needs AVX2 and FMA, or AVX512F.

#define CONSTANT(bits, v) \
	MOVL         $bits, AX \
	MOVL         AX, (R10) \
	VBROADCASTSS (R10), v

#define LOADFLOOR VBROADCASTSS winogradArgs_floor(DI), V15

#define START \
	LEAQ winogradArgs_src(DI), SI      \
	MOVQ winogradArgs_rows(DI), DX     \
	MOVQ winogradArgs_dstStep(DI), R11 \
	SUBQ winogradArgs_n(DI), R11       \
	SHLQ $2, R11                       \
	MOVQ winogradArgs_srcStep(DI), R12 \
	SUBQ winogradArgs_n(DI), R12       \
	SHLQ $2, R12                       \
	MOVQ winogradArgs_tmp(DI), R10     \
	ADDQ $63, R10                      \
	ANDQ $~63, R10                     \
	XORQ R8, R8                        \
	XORQ R9, R9

#define PLUS(a, b, c) VADDPS b, a, c
#define MINUS(a, b, c) VSUBPS b, a, c
#define TIMES(a, b, c) VMULPS b, a, c
#define FMA(a, b, c) VFMADD231PS a, b, c
#define FMS(a, b, c) VFNMADD231PS a, b, c
#define MOVE(a, b) VMOVAPS a, b
#define CLEAR(a) VXORPS a, a, a
#define FLOOR(a) VMAXPS a, V15, a

#define LOAD(i, v) \
	MOVQ    (8*(i))(SI), AX \
	VMOVUPS (AX)(R8*1), v

#define STORE(v, i) \
	MOVQ    (8*(i))(DI), AX \
	VMOVUPS v, (AX)(R9*1)

#define FETCH(i) \
	MOVQ       (8*(i))(SI), AX \
	PREFETCHT1 (AX)(R15*1)

#define FETCHD(i) \
	MOVQ       (8*(i))(DI), AX \
	PREFETCHT1 (AX)(R15*1)

// NEXTRUN sets R15 to the offset of the next run from that of this one, of rows that begin gap bytes
// after the end of the one before.
#define NEXTRUN(offset, gap) \
	XORQ    AX, AX             \
	CMPQ    CX, BX             \
	CMOVQEQ gap, AX            \
	LEAQ    (offset)(BX*1), R15 \
	ADDQ    AX, R15

#define LOADT(i, v) VMOVUPS (RUN*(i))(R13), v
#define STORET(v, i) VMOVUPS v, (RUN*(i))(R13)

#define RUNCOLUMN(f, c, label) \
	MOVQ R10, R13    \
	MOVQ BX, R14     \
label:               \
	f(c)             \
	ADDQ $BYTES, R8  \
	ADDQ $BYTES, R15 \
	ADDQ $BYTES, R13 \
	SUBQ $BYTES, R14 \
	JNZ  label       \
	SUBQ BX, R8      \
	SUBQ BX, R15

#define RUNROW(f, r, label) \
	MOVQ R10, R13    \
	MOVQ BX, R14     \
label:               \
	f(r)             \
	ADDQ $BYTES, R9  \
	ADDQ $BYTES, R15 \
	ADDQ $BYTES, R13 \
	SUBQ $BYTES, R14 \
	JNZ  label       \
	SUBQ BX, R9      \
	SUBQ BX, R15

#define LOOP(columns, rows) \
row:                            \
	MOVQ winogradArgs_n(DI), CX \
	SHLQ $2, CX                 \
run:                            \
	MOVQ $RUN, BX               \
	CMPQ CX, BX                 \
	CMOVQLT CX, BX              \
	NEXTRUN(R8, R12)            \
	columns                     \
	NEXTRUN(R9, R11)            \
	rows                        \
	ADDQ BX, R8                 \
	ADDQ BX, R9                 \
	SUBQ BX, CX                 \
	JNZ  run                    \
	ADDQ R12, R8                \
	ADDQ R11, R9                \
	DECQ DX                     \
	JNZ  row                    \
	VZEROUPPER                  \
	RET

TEXT WINOGRAD(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), DI
	MOVQ winogradArgs_index(DI), AX
	LEAQ transforms<>(SB), BX
	JMP  (BX)(AX*8)

#include "winograd_kernels.h"
