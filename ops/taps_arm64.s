//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

// The kernels over the taps of a window, of at most nine: taps_amd64.h has their loop in Go,
// depthwise_kernels.h, pool_kernels.h and pool_amd64.s what they compute. A vector is 4 floats.
//
// R0          p
// R1-R9       the nine x
// R10, R14    y; bias or other, or a temporary
// R11         offset in bytes in each x and in y
// R12, R13    bytes from a row to the next, rows left
// R15, R16    column in bytes, end of the columns;  R17 taps
// R19         offset of what is beside x: see routeTaps
// V0-V8       weights, sums or numbers of the taps;  V9 bias
// V10, V11    the results;  V20-V22 temporaries

#define TAPS1(tap) tap(1, 0)
#define TAPS2(tap) TAPS1(tap); tap(2, 1)
#define TAPS3(tap) TAPS2(tap); tap(3, 2)
#define TAPS4(tap) TAPS3(tap); tap(4, 3)
#define TAPS5(tap) TAPS4(tap); tap(5, 4)
#define TAPS6(tap) TAPS5(tap); tap(6, 5)
#define TAPS7(tap) TAPS6(tap); tap(7, 6)
#define TAPS8(tap) TAPS7(tap); tap(8, 7)
#define TAPS9(tap) TAPS8(tap); tap(9, 8)

#define ROWS(row, taps, start, tap, finish) \
row:              \
	start         \
	taps(tap)     \
	finish        \
	ADD  R12, R11 \
	ADD  R12, R19 \
	SUBS $1, R13  \
	BNE  row      \
	B    next

#define KERNEL(load, start, tap, finish, store) \
	MOVD p+0(FP), R0               \
	LDP  (tapArgs_x+0)(R0), (R1, R2)  \
	LDP  (tapArgs_x+16)(R0), (R3, R4) \
	LDP  (tapArgs_x+32)(R0), (R5, R6) \
	LDP  (tapArgs_x+48)(R0), (R7, R8) \
	MOVD (tapArgs_x+64)(R0), R9    \
	MOVD tapArgs_y(R0), R10        \
	MOVD tapArgs_stride(R0), R12   \
	MOVD tapArgs_columns(R0), R16  \
	MOVD tapArgs_taps(R0), R17     \
	MOVD $0, R15                   \
column:                            \
	MOVD R15, R11                  \
	load                           \
	MOVD tapArgs_rows(R0), R13     \
	CMP  $5, R17                   \
	BEQ  five                      \
	BLT  few                       \
	CMP  $7, R17                   \
	BEQ  seven                     \
	BLT  six                       \
	CMP  $8, R17                   \
	BEQ  eight                     \
	ROWS(nine, TAPS9, start, tap, finish)  \
	ROWS(eight, TAPS8, start, tap, finish) \
	ROWS(seven, TAPS7, start, tap, finish) \
	ROWS(six, TAPS6, start, tap, finish)   \
	ROWS(five, TAPS5, start, tap, finish)  \
few:                                       \
	CMP  $3, R17                           \
	BEQ  three                             \
	BLT  two                               \
	ROWS(four, TAPS4, start, tap, finish)  \
	ROWS(three, TAPS3, start, tap, finish) \
two:                                       \
	CMP  $2, R17                           \
	BLT  one                               \
	ROWS(both, TAPS2, start, tap, finish)  \
	ROWS(one, TAPS1, start, tap, finish)   \
next:                                      \
	store                                  \
	ADD  $16, R15                          \
	CMP  R16, R15                          \
	BLT  column                            \
	RET

#define NOTHING

// EACHWEIGHT does f with R14 at the weights of each tap, or at those of the last again.
#define EACHWEIGHT(f) \
	MOVD (tapArgs_w+0)(R0), R14  \
	f(0)                         \
	MOVD (tapArgs_w+8)(R0), R14  \
	f(1)                         \
	MOVD (tapArgs_w+16)(R0), R14 \
	f(2)                         \
	MOVD (tapArgs_w+24)(R0), R14 \
	f(3)                         \
	MOVD (tapArgs_w+32)(R0), R14 \
	f(4)                         \
	MOVD (tapArgs_w+40)(R0), R14 \
	f(5)                         \
	MOVD (tapArgs_w+48)(R0), R14 \
	f(6)                         \
	MOVD (tapArgs_w+56)(R0), R14 \
	f(7)                         \
	MOVD (tapArgs_w+64)(R0), R14 \
	f(8)

#define LOADWEIGHT(v) LOADAT(14, 15, v)

#define LOADWEIGHTSONLY EACHWEIGHT(LOADWEIGHT)

#define LOADWEIGHTS \
	LOADWEIGHTSONLY              \
	CLEAR(9)                     \
	MOVD tapArgs_bias(R0), R14   \
	CBZ  R14, nobias             \
	LOADAT(14, 15, 9)            \
nobias:

#define STARTFROMBIAS MOVE(9, 10)
#define STARTFROMY LOADAT(10, 11, 10)
#define STORERESULT STOREAT(10, 10, 11)

#define MULTIPLYADD(x, w) \
	LOADAT(x, 11, 20) \
	FMA(20, w, 10)

// func depthwiseNEON(p *tapArgs)
TEXT ·depthwiseNEON(SB), NOSPLIT, $0-8
	KERNEL(LOADWEIGHTS, STARTFROMBIAS, MULTIPLYADD, STORERESULT, NOTHING)

// func depthwiseAddNEON(p *tapArgs)
TEXT ·depthwiseAddNEON(SB), NOSPLIT, $0-8
	KERNEL(LOADWEIGHTSONLY, STARTFROMY, MULTIPLYADD, STORERESULT, NOTHING)

#define CLEARSUMS \
	CLEAR(0) \
	CLEAR(1) \
	CLEAR(2) \
	CLEAR(3) \
	CLEAR(4) \
	CLEAR(5) \
	CLEAR(6) \
	CLEAR(7) \
	CLEAR(8)

#define ACCUMULATE(x, sum) \
	LOADAT(x, 11, 20) \
	FMA(20, 10, sum)

// Sums beyond those of the taps are 0.
#define ADDSUM(sum) \
	LOADAT(14, 15, 20) \
	PLUS(20, sum, 20)  \
	STOREAT(20, 14, 15)

#define ADDSUMS EACHWEIGHT(ADDSUM)

// func depthwiseGradNEON(p *tapArgs)
TEXT ·depthwiseGradNEON(SB), NOSPLIT, $0-8
	KERNEL(CLEARSUMS, STARTFROMY, ACCUMULATE, NOTHING, ADDSUMS)

#define STARTFROMFIRST LOADAT(1, 11, 10)

#define LARGER(x, w) \
	LOADAT(x, 11, 20) \
	MAX(10, 20, 10)

// func maxTapsNEON(p *tapArgs)
TEXT ·maxTapsNEON(SB), NOSPLIT, $0-8
	KERNEL(NOTHING, STARTFROMFIRST, LARGER, STORERESULT, NOTHING)

// func maxTapsMoreNEON(p *tapArgs)
TEXT ·maxTapsMoreNEON(SB), NOSPLIT, $0-8
	KERNEL(NOTHING, STARTFROMY, LARGER, STORERESULT, NOTHING)

#define NUMBER(i) \
	MOVWU (tapArgs_numbers+4*i)(R0), R14 \
	BROADCAST(14, i)

#define NUMBERS \
	NUMBER(0) \
	NUMBER(1) \
	NUMBER(2) \
	NUMBER(3) \
	NUMBER(4) \
	NUMBER(5) \
	NUMBER(6) \
	NUMBER(7) \
	NUMBER(8)

#define LOADOTHER MOVD tapArgs_other(R0), R14

#define LOADNUMBERS \
	NUMBERS   \
	LOADOTHER

#define STARTFROMBOTH \
	STARTFROMY        \
	LOADAT(14, 11, 11)

#define FIRST(x, number) \
	LOADAT(x, 11, 20)       \
	GREATER(20, 10, 21)     \
	MOVE(21, 22)            \
	SELECT(10, 20, 21)      \
	SELECT(11, number, 22)  \
	MOVE(21, 10)            \
	MOVE(22, 11)

#define STOREBOTH \
	STORERESULT         \
	STOREAT(11, 14, 11)

// func firstMaxNEON(p *tapArgs)
TEXT ·firstMaxNEON(SB), NOSPLIT, $0-8
	KERNEL(LOADNUMBERS, STARTFROMBOTH, FIRST, STOREBOTH, NOTHING)

#define LOADONE \
	MOVD $0x3f800000, R14 \
	BROADCAST(14, 9)      \
	LOADOTHER

#define COUNT(x, w) \
	LOADAT(x, 11, 20) \
	EQUAL(20, 11, 20) \
	BITAND(20, 9, 20) \
	PLUS(10, 20, 10)

// func countMaxNEON(p *tapArgs)
TEXT ·countMaxNEON(SB), NOSPLIT, $0-8
	KERNEL(LOADONE, STARTFROMBOTH, COUNT, STORERESULT, NOTHING)

// R19 is R11 and the distance from x to which or most, the same for all taps.
#define LOADDISTANCE \
	LOADOTHER        \
	SUB R1, R14, R19 \
	ADD R11, R19

#define LOADROUTE \
	NUMBERS      \
	LOADDISTANCE

#define ROUTE(x, number) \
	LOADAT(x, 19, 20)     \
	LOADAT(x, 11, 21)     \
	EQUAL(number, 20, 20) \
	BITAND(20, 21, 20)    \
	PLUS(10, 20, 10)

// func routeTapsNEON(p *tapArgs)
TEXT ·routeTapsNEON(SB), NOSPLIT, $0-8
	KERNEL(LOADROUTE, STARTFROMY, ROUTE, STORERESULT, NOTHING)

#define LOADSHARES \
	LOADDISTANCE               \
	MOVD tapArgs_bias(R0), R14

#define ROUTESHARE(x, w) \
	LOADAT(x, 19, 20)  \
	LOADAT(x, 11, 21)  \
	EQUAL(11, 20, 20)  \
	BITAND(20, 21, 20) \
	PLUS(10, 20, 10)

// func routeSharesNEON(p *tapArgs)
TEXT ·routeSharesNEON(SB), NOSPLIT, $0-8
	KERNEL(LOADSHARES, STARTFROMBOTH, ROUTESHARE, STORERESULT, NOTHING)
