//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "compare_amd64.h"
#include "avx2_amd64.h"
#include "taps_amd64.h"

// Pools over the taps of a window: see taps_amd64.h for the loops, and pool_amd64.go for the
// arguments. A row is a vector of 8 floats. In Go, for each element:
//
//	maxTaps      y = max(x[0], …)
//	maxTapsMore  y = max(y, x[0], …)
//	firstMax     if x[k] > y { y, which = x[k], numbers[k] }, for each k
//	routeTaps    y += x[k] if which of that tap == numbers[k]
//	countMax     y += 1 if x[k] == most
//	routeShares  y += x[k] if most of that tap == in
//
// DX is the address of which or of most, or, for those of a tap, the distance from x[k], so that
// (x)(DX*1) is the element. A NaN is a maximum and equals nothing. Need AVX2.

#define NEXTVECTOR ADDQ $BYTES, AX

#define NEXTVECTORS \
	ADDQ $BYTES, AX \
	ADDQ $BYTES, DX

#define LARGER(x, w) \
	VMOVUPS (x)(AX*1), V11 \
	MAX(V10, V11, V12)

#define STARTFROMFIRST VMOVUPS (R8)(AX*1), V10

// func maxTapsAVX2(p *tapArgs)
TEXT ·maxTapsAVX2(SB), NOSPLIT, $0-8
	KERNEL(NOTHING, STARTFROMFIRST, LARGER, STORERESULT, NEXTVECTOR, NOTHING)

// func maxTapsMoreAVX2(p *tapArgs)
TEXT ·maxTapsMoreAVX2(SB), NOSPLIT, $0-8
	KERNEL(NOTHING, STARTFROMY, LARGER, STORERESULT, NEXTVECTOR, NOTHING)

#define GREATER $0x1e

#define LOADOTHER MOVQ tapArgs_other(R15), DX

// LOADDISTANCE is for those of a tap: they are as far from each x.
#define LOADDISTANCE \
	LOADOTHER   \
	SUBQ R8, DX

#define NUMBERS \
	VBROADCASTSS (tapArgs_numbers+0)(R15), V0 \
	VBROADCASTSS (tapArgs_numbers+4)(R15), V1 \
	VBROADCASTSS (tapArgs_numbers+8)(R15), V2 \
	VBROADCASTSS (tapArgs_numbers+12)(R15), V3 \
	VBROADCASTSS (tapArgs_numbers+16)(R15), V4 \
	VBROADCASTSS (tapArgs_numbers+20)(R15), V5 \
	VBROADCASTSS (tapArgs_numbers+24)(R15), V6 \
	VBROADCASTSS (tapArgs_numbers+28)(R15), V7 \
	VBROADCASTSS (tapArgs_numbers+32)(R15), V8

#define LOADNUMBERS \
	NUMBERS   \
	LOADOTHER

#define LOADROUTE \
	NUMBERS      \
	LOADDISTANCE

#define STARTFROMBOTH \
	VMOVUPS (BX)(AX*1), V10 \
	VMOVUPS (DX)(AX*1), V11

#define FIRST(x, number) \
	VMOVUPS   (x)(AX*1), V12         \
	VCMPPS    GREATER, V10, V12, V13 \
	VBLENDVPS V13, V12, V10, V10     \
	VBLENDVPS V13, number, V11, V11

#define STOREBOTH \
	VMOVUPS V10, (BX)(AX*1) \
	VMOVUPS V11, (DX)(AX*1)

// func firstMaxAVX2(p *tapArgs)
TEXT ·firstMaxAVX2(SB), NOSPLIT, $0-8
	KERNEL(LOADNUMBERS, STARTFROMBOTH, FIRST, STOREBOTH, NEXTVECTOR, NOTHING)

#define ROUTE(x, number) \
	VMOVUPS (x)(DX*1), V11        \
	VCMPPS  EQUAL, number, V11, V11 \
	VANDPS  (x)(AX*1), V11, V11   \
	VADDPS  V11, V10, V10

// func routeTapsAVX2(p *tapArgs)
TEXT ·routeTapsAVX2(SB), NOSPLIT, $0-8
	KERNEL(LOADROUTE, STARTFROMY, ROUTE, STORERESULT, NEXTVECTORS, NOTHING)

// LOADMOST sets V13 to 1, the exponent 127, in all lanes.
#define LOADMOST \
	VPCMPEQD V13, V13, V13 \
	VPSRLD   $25, V13, V13 \
	VPSLLD   $23, V13, V13 \
	LOADOTHER

#define STARTFROMMOST \
	STARTFROMY             \
	VMOVUPS (DX)(AX*1), V9

#define COUNT(x, w) \
	VCMPPS EQUAL, (x)(AX*1), V9, V11 \
	VANDPS V13, V11, V11             \
	VADDPS V11, V10, V10

// func countMaxAVX2(p *tapArgs)
TEXT ·countMaxAVX2(SB), NOSPLIT, $0-8
	KERNEL(LOADMOST, STARTFROMMOST, COUNT, STORERESULT, NEXTVECTOR, NOTHING)

#define STARTFROMIN \
	STARTFROMY                  \
	MOVQ    p+0(FP), R15        \
	MOVQ    tapArgs_bias(R15), R15 \
	VMOVUPS (R15)(AX*1), V9

#define ROUTESHARE(x, w) \
	VCMPPS EQUAL, (x)(DX*1), V9, V11 \
	VANDPS (x)(AX*1), V11, V11       \
	VADDPS V11, V10, V10

// func routeSharesAVX2(p *tapArgs)
TEXT ·routeSharesAVX2(SB), NOSPLIT, $0-8
	KERNEL(LOADDISTANCE, STARTFROMIN, ROUTESHARE, STORERESULT, NEXTVECTORS, NOTHING)
