//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Pools: see pool_kernels.h. The last two kernels are for gradients. In Go, for each element:
//
//	routeTaps    y += x[k] if which == numbers[k], with the which of that tap
//	routeShares  y += x[k] if most == bias, with the most of that tap
//
// DX is AX and the distance from x to which or most, the same for all taps. Need AVX2.

#define MAXTAPS ·maxTapsAVX2
#define MAXTAPSMORE ·maxTapsMoreAVX2
#define FIRSTMAX ·firstMaxAVX2
#define COUNTMAX ·countMaxAVX2

#include "avx2_amd64.h"
#include "taps_amd64.h"
#include "pool_kernels.h"

#define LOADDISTANCE \
	LOADOTHER   \
	SUBQ R8, DX

#define LOADROUTE \
	NUMBERS      \
	LOADDISTANCE

#define ROUTE(x, number) \
	VMOVUPS (x)(DX*1), V11          \
	VCMPPS  EQUAL, number, V11, V11 \
	VANDPS  (x)(AX*1), V11, V11     \
	VADDPS  V11, V10, V10

#define NEXTVECTORS \
	NEXTVECTOR      \
	ADDQ $BYTES, DX

// func routeTapsAVX2(p *tapArgs)
TEXT ·routeTapsAVX2(SB), NOSPLIT, $0-8
	KERNEL(LOADROUTE, STARTFROMY, ROUTE, STORERESULT, NEXTVECTORS, NOTHING)

#define STARTFROMIN \
	STARTFROMY                     \
	MOVQ    p+0(FP), R15           \
	MOVQ    tapArgs_bias(R15), R15 \
	VMOVUPS (R15)(AX*1), V9

#define ROUTESHARE(x, w) \
	VCMPPS EQUAL, (x)(DX*1), V9, V11 \
	VANDPS (x)(AX*1), V11, V11       \
	VADDPS V11, V10, V10

// func routeSharesAVX2(p *tapArgs)
TEXT ·routeSharesAVX2(SB), NOSPLIT, $0-8
	KERNEL(LOADDISTANCE, STARTFROMIN, ROUTESHARE, STORERESULT, NEXTVECTORS, NOTHING)
