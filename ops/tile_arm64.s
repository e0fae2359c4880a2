//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// The float32 microkernel of NEON: register tile 6 x 16. tile_float32_amd64.h has its loop in Go.
// The first large tiles of a panel have height rows, the others one less.
//
// V0-V23     accumulators, four for each row
// V24-V31    elements of a, columns of b: see below
// R0, R17    row of c: the tile's first, this one;  R1 ldc in bytes
// R2, R3     a: of the tile, next elements;  R23 R3 four steps before
// R8-R12     rs, 2rs, 3rs, 4rs, 5rs in bytes;  R13 cs in bytes
// R4, R5     next columns of b, ldb in bytes
// R6, R7     next segment, segments left;  R14 steps of k left
// R15, R16   next address to prefetch, steps until then
// R19-R22    rows of the tile, tiles left, large, height;  R24 free
//
// An element of a is a lane of a vector: FMLA multiplies four columns by it. A tile of six rows
// loads four steps of a row at once, or the six rows of a step where these are contiguous. Four
// steps are 96 FMAs, 24 cycles on four pipes, 48 on two, and 14 or 16 loads.
//
// Needs NEON, which every arm64 processor has.

// A step of fewer rows loads each element of a by itself: V24-V27 are 16 columns of b, V28-V31
// elements of a, alternating.
#define ROW(at, f, t, i) \
	FMOVS at, f         \
	LANE(t, 0, 24, i)   \
	LANE(t, 0, 25, i+1) \
	LANE(t, 0, 26, i+2) \
	LANE(t, 0, 27, i+3)

#define COLUMNS(b) \
	FLDPQ (b), (F24, F25)   \
	FLDPQ 32(b), (F26, F27)

// The first rows of a step; each macro adds one row to the one before.
#define ROWS1 COLUMNS(R4); ROW((R3), F28, 28, 0)
#define ROWS2 ROWS1; ROW((R3)(R8), F29, 29, 4)
#define ROWS3 ROWS2; ROW((R3)(R9), F30, 30, 8)
#define ROWS4 ROWS3; ROW((R3)(R10), F31, 31, 12)
#define ROWS5 ROWS4; ROW((R3)(R11), F28, 28, 16)
#define ROWS6 ROWS5; ROW((R3)(R12), F29, 29, 20)

// STEP adds a step of rows to the accumulators, FOUR four of them.
#define STEP(rows) \
	rows        \
	ADD R13, R3 \
	ADD R5, R4

#define FOUR(rows) STEP(rows); STEP(rows); STEP(rows); STEP(rows)

// HALF adds a step of six rows in 8 columns, those at b, to the accumulators from i on. The other
// arguments are the vector and the lane of each row's element of a.
#define HALF(b, i, a0, l0, a1, l1, a2, l2, a3, l3, a4, l4, a5, l5) \
	FLDPQ b, (F30, F31)    \
	LANE(a0, l0, 30, i)    \
	LANE(a0, l0, 31, i+1)  \
	LANE(a1, l1, 30, i+4)  \
	LANE(a1, l1, 31, i+5)  \
	LANE(a2, l2, 30, i+8)  \
	LANE(a2, l2, 31, i+9)  \
	LANE(a3, l3, 30, i+12) \
	LANE(a3, l3, 31, i+13) \
	LANE(a4, l4, 30, i+16) \
	LANE(a4, l4, 31, i+17) \
	LANE(a5, l5, 30, i+20) \
	LANE(a5, l5, 31, i+21)

// BYROWS is four steps of six rows with cs = 1: V24-V29 are four elements of each row.
#define BYROWS \
	FMOVQ.P 16(R3), F24 \
	LOADAT(23, 8, 25)   \
	LOADAT(23, 9, 26)   \
	LOADAT(23, 10, 27)  \
	LOADAT(23, 11, 28)  \
	LOADAT(23, 12, 29)  \
	MOVD R3, R23        \
	BYLANE(0)           \
	BYLANE(1)           \
	BYLANE(2)           \
	BYLANE(3)

#define BYLANE(i) \
	HALF((R4), 0, 24, i, 25, i, 26, i, 27, i, 28, i, 29, i)   \
	HALF(32(R4), 2, 24, i, 25, i, 26, i, 27, i, 28, i, 29, i) \
	ADD R5, R4

// BYCOLUMNS is four steps of six rows with rs = 1: V24 and V25, or V26 and V27, are the rows of a
// step.
#define BYCOLUMNS \
	COLUMN(24, F24, 25, F25) \
	COLUMN(26, F26, 27, F27) \
	COLUMN(24, F24, 25, F25) \
	COLUMN(26, F26, 27, F27)

#define COLUMN(a, fa, b, fb) \
	FMOVQ (R3), fa   \
	FMOVD 16(R3), fb \
	ADD R13, R3      \
	HALF((R4), 0, a, 0, a, 1, a, 2, a, 3, b, 0, b, 1)   \
	HALF(32(R4), 2, a, 0, a, 1, a, 2, a, 3, b, 0, b, 1) \
	ADD R5, R4

// LINES prefetches 256 bytes into L2. It leaves L1 to the operands.
#define LINES(at) \
	PRFM (at), PLDL2KEEP    \
	PRFM 64(at), PLDL2KEEP  \
	PRFM 128(at), PLDL2KEEP \
	PRFM 192(at), PLDL2KEEP

// FETCH prefetches from each quarter of the next panel, until R16 is no longer below 0: see
// tile_float32_amd64.h.
#define FETCH(fetch) \
fetch:                             \
	MOVD next_stride+128(FP), R17  \
	LSL  $2, R17                   \
	LINES(R15)                     \
	ADD  R17, R15, R24             \
	LINES(R24)                     \
	ADD  R17, R24                  \
	LINES(R24)                     \
	ADD  R17, R24                  \
	LINES(R24)                     \
	ADD  $256, R15                 \
	MOVD next_interval+144(FP), R17 \
	ADDS R17, R16                  \
	BMI  fetch

// PRODUCT adds the products of all segments to the accumulators, four steps at a time. The last
// arguments are labels.
#define PRODUCT(rows, steps4, segment, four, fetch, steps, last, one, next) \
segment:                       \
	LDP  (R6), (R3, R4)        \
	ADD  $16, R6               \
	MOVD b_data+40(FP), R17    \
	ADD  R3<<2, R2, R3         \
	MOVD R3, R23               \
	ADD  R4<<2, R17, R4        \
	MOVD sum_k+72(FP), R14     \
	SUBS $4, R14               \
	BLT  last                  \
	PCALIGN $32                \
four:                          \
	SUBS $4, R16               \
	BGE  steps                 \
	FETCH(fetch)               \
steps:                         \
	steps4                     \
	SUBS $4, R14               \
	BGE  four                  \
last:                          \
	ADDS $4, R14               \
	BEQ  next                  \
one:                           \
	STEP(rows)                 \
	SUBS $1, R14               \
	BNE  one                   \
next:                          \
	SUBS $1, R7                \
	BNE  segment               \
	B    finish

#define COPY(i) \
	MOVE(24, i)   \
	MOVE(25, i+1) \
	MOVE(26, i+2) \
	MOVE(27, i+3)

#define ADDROW(i) \
	COLUMNS(R17)       \
	PLUS(i, 24, i)     \
	PLUS(i+1, 25, i+1) \
	PLUS(i+2, 26, i+2) \
	PLUS(i+3, 27, i+3) \
	ADD R1, R17

#define MAXROW(i) \
	MAX(24, i, i)     \
	MAX(24, i+1, i+1) \
	MAX(24, i+2, i+2) \
	MAX(24, i+3, i+3)

#define STORE(f0, f1, f2, f3) \
	FSTPQ (f0, f1), (R17)   \
	FSTPQ (f2, f3), 32(R17) \
	ADD   R1, R17

// func panelNEON(c argC, a argA, b argB, sum argSum, tiles argTiles, end argEpilogue, next argNext)
TEXT ·panelNEON(SB), NOSPLIT, $0-152
	MOVD c_data+0(FP), R0
	MOVD c_ld+8(FP), R1
	MOVD a_data+16(FP), R2
	MOVD a_rs+24(FP), R8
	MOVD a_cs+32(FP), R13
	MOVD b_ld+48(FP), R5
	MOVD tiles_n+80(FP), R20
	MOVD tiles_large+88(FP), R21
	MOVD tiles_height+96(FP), R19
	MOVD next_at+120(FP), R15
	MOVD next_countdown+136(FP), R16
	LSL  $2, R1
	LSL  $2, R8
	LSL  $2, R13
	LSL  $2, R5
	LSL  $1, R8, R9
	ADD  R8, R9, R10
	LSL  $2, R8, R11
	ADD  R8, R11, R12

tile:
	MOVD sum_segs+56(FP), R6
	MOVD sum_n+64(FP), R7

	// Prefetch the rows of c, which are needed after the product.
	MOVD R0, R17
	MOVD R19, R14

prefetch:
	PRFM (R17), PLDL1KEEP
	ADD  R1, R17
	SUBS $1, R14
	BNE  prefetch

	CLEAR(24)
	CLEAR(25)
	CLEAR(26)
	CLEAR(27)
	MOVD end_flags+112(FP), R17
	TBNZ $0, R17, equal
	MOVD end_bias+104(FP), R17
	CBZ  R17, equal
	COLUMNS(R17)

equal: // all rows start from the registers of COLUMNS
	COPY(0)
	COPY(4)
	COPY(8)
	COPY(12)
	COPY(16)
	COPY(20)

	CMP $6, R19
	BEQ six
	CMP $5, R19
	BEQ five
	CMP $4, R19
	BEQ four
	CMP $3, R19
	BEQ three
	CMP $2, R19
	BEQ two
	PRODUCT(ROWS1, FOUR(ROWS1), segment1, four1, fetch1, steps1, last1, one1, next1)

two:
	PRODUCT(ROWS2, FOUR(ROWS2), segment2, four2, fetch2, steps2, last2, one2, next2)

three:
	PRODUCT(ROWS3, FOUR(ROWS3), segment3, four3, fetch3, steps3, last3, one3, next3)

four:
	PRODUCT(ROWS4, FOUR(ROWS4), segment4, four4, fetch4, steps4, last4, one4, next4)

five:
	PRODUCT(ROWS5, FOUR(ROWS5), segment5, four5, fetch5, steps5, last5, one5, next5)

six:
	CMP $4, R13
	BNE columns
	PRODUCT(ROWS6, BYROWS, segment6, four6, fetch6, steps6, last6, one6, next6)

columns:
	PRODUCT(ROWS6, BYCOLUMNS, segment7, four7, fetch7, steps7, last7, one7, next7)

finish:
	MOVD end_flags+112(FP), R14
	TBZ  $0, R14, added
	MOVD R0, R17
	ADDROW(0)
	CMP  $1, R19
	BEQ  added
	ADDROW(4)
	CMP  $2, R19
	BEQ  added
	ADDROW(8)
	CMP  $3, R19
	BEQ  added
	ADDROW(12)
	CMP  $4, R19
	BEQ  added
	ADDROW(16)
	CMP  $5, R19
	BEQ  added
	ADDROW(20)

added:
	TBZ  $1, R14, store
	CLEAR(24)
	MAXROW(0)
	MAXROW(4)
	MAXROW(8)
	MAXROW(12)
	MAXROW(16)
	MAXROW(20)

store:
	MOVD R0, R17
	STORE(F0, F1, F2, F3)
	CMP  $1, R19
	BEQ  done
	STORE(F4, F5, F6, F7)
	CMP  $2, R19
	BEQ  done
	STORE(F8, F9, F10, F11)
	CMP  $3, R19
	BEQ  done
	STORE(F12, F13, F14, F15)
	CMP  $4, R19
	BEQ  done
	STORE(F16, F17, F18, F19)
	CMP  $5, R19
	BEQ  done
	STORE(F20, F21, F22, F23)

done:
	MOVD R17, R0
	MADD R19, R2, R8, R2
	SUBS $1, R21
	BNE  same
	SUB  $1, R19

same:
	SUBS $1, R20
	BNE  tile
	RET
