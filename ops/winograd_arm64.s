//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

// Winograd's transforms with vectors of 4 floats: registers, addresses and loops for
// winograd_kernels.h. winograd_amd64.h has the loop in Go.
//
// R0, R1   p, which begins with dst, and src: tables of pointers;  R4 a pointer or a constant
// R9, R8   offset in bytes from the pointers of dst and of src
// R10, R13 tmp, aligned to 64 bytes, and a vector of it
// R2, R3   bytes left of a row, rows left
// R5, R14  bytes of a run, and left of it
// R11, R12 dstStep, srcStep in bytes from the end of a row to the next

#define BYTES 16
#define V0 0
#define V1 1
#define V2 2
#define V3 3
#define V4 4
#define V5 5
#define V6 6
#define V7 7
#define V8 8
#define V9 9
#define V10 10
#define V11 11
#define V12 12
#define V13 13
#define V14 14
#define V15 15

#define CONSTANT(bits, v) \
	MOVD $bits, R4   \
	BROADCAST(4, v)

#define LOADFLOOR \
	MOVWU winogradArgs_floor(R0), R4 \
	BROADCAST(4, V15)

#define FLOOR(a) MAX(a, V15, a)

#define START \
	ADD  $winogradArgs_src, R0, R1     \
	MOVD winogradArgs_rows(R0), R3     \
	MOVD winogradArgs_n(R0), R4        \
	MOVD winogradArgs_dstStep(R0), R11 \
	SUB  R4, R11                       \
	LSL  $2, R11                       \
	MOVD winogradArgs_srcStep(R0), R12 \
	SUB  R4, R12                       \
	LSL  $2, R12                       \
	MOVD winogradArgs_tmp(R0), R10     \
	ADD  $63, R10                      \
	AND  $~63, R10                     \
	MOVD $0, R8                        \
	MOVD $0, R9

#define LOAD(i, v) \
	MOVD (8*(i))(R1), R4 \
	LOADAT(4, 8, v)

#define STORE(v, i) \
	MOVD (8*(i))(R0), R4 \
	STOREAT(v, 4, 9)

// Prefetching was not measured: an instruction or three for each vector of 16 bytes.
#define FETCH(i)
#define FETCHD(i)

// LOADT and STORET are ldr and str with an offset of 16 times the number from bit 10 on.
#define LOADT(i, v) WORD $(0x3DC00000 | (RUN*(i)/16)<<10 | 13<<5 | (v))
#define STORET(v, i) WORD $(0x3D800000 | (RUN*(i)/16)<<10 | 13<<5 | (v))

#define RUNCOLUMN(f, c, label) \
	MOVD R10, R13        \
	MOVD R5, R14         \
label:                   \
	f(c)                 \
	ADD  $BYTES, R8      \
	ADD  $BYTES, R13     \
	SUBS $BYTES, R14     \
	BNE  label           \
	SUB  R5, R8

#define RUNROW(f, r, label) \
	MOVD R10, R13        \
	MOVD R5, R14         \
label:                   \
	f(r)                 \
	ADD  $BYTES, R9      \
	ADD  $BYTES, R13     \
	SUBS $BYTES, R14     \
	BNE  label           \
	SUB  R5, R9

#define LOOP(columns, rows) \
row:                           \
	MOVD winogradArgs_n(R0), R2 \
	LSL  $2, R2                \
run:                           \
	MOVD $RUN, R5              \
	CMP  R5, R2                \
	CSEL LT, R2, R5, R5        \
	columns                    \
	rows                       \
	ADD  R5, R8                \
	ADD  R5, R9                \
	SUBS R5, R2                \
	BNE  run                   \
	ADD  R12, R8               \
	ADD  R11, R9               \
	SUBS $1, R3                \
	BNE  row                   \
	RET

// func winogradNEON(p *winogradArgs)
TEXT ·winogradNEON(SB), NOSPLIT, $0-8
	MOVD p+0(FP), R0
	MOVD winogradArgs_index(R0), R4
	MOVD $transforms<>(SB), R5
	MOVD (R5)(R4<<3), R5
	JMP  (R5)

#include "winograd_kernels.h"
