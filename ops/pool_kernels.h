// Pools over the taps of a window: see taps_amd64.h for the loops. MAXTAPS, MAXTAPSMORE, FIRSTMAX and
// COUNTMAX are the names of the functions. A row is a vector of 8 floats. In Go, for each element:
//
//	maxTaps      y = max(x[0], …)
//	maxTapsMore  y = max(y, x[0], …)
//	firstMax     if x[k] > y { y, other = x[k], numbers[k] }, for each k
//	countMax     y += 1 if x[k] == other
//
// DX is the address of other. A NaN is a maximum, larger than nothing and equal to nothing.

#include "compare_amd64.h"

#define GREATER $0x1e

#define NEXTVECTOR ADDQ $STEP, AX

#define LOADOTHER MOVQ tapArgs_other(R15), DX

#define NUMBERS \
	VBROADCASTSS (tapArgs_numbers+0)(R15), V0  \
	VBROADCASTSS (tapArgs_numbers+4)(R15), V1  \
	VBROADCASTSS (tapArgs_numbers+8)(R15), V2  \
	VBROADCASTSS (tapArgs_numbers+12)(R15), V3 \
	VBROADCASTSS (tapArgs_numbers+16)(R15), V4 \
	VBROADCASTSS (tapArgs_numbers+20)(R15), V5 \
	VBROADCASTSS (tapArgs_numbers+24)(R15), V6 \
	VBROADCASTSS (tapArgs_numbers+28)(R15), V7 \
	VBROADCASTSS (tapArgs_numbers+32)(R15), V8

#define STARTFROMFIRST LOADX(R8, V10)

#define LARGER(x, w) \
	LOADX(x, V11) \
	MAX(V10, V11, V12)

TEXT MAXTAPS(SB), NOSPLIT, $0-8
	KERNEL(NOTHING, STARTFROMFIRST, LARGER, STORERESULT, NEXTVECTOR, NOTHING)

TEXT MAXTAPSMORE(SB), NOSPLIT, $0-8
	KERNEL(NOTHING, STARTFROMY, LARGER, STORERESULT, NEXTVECTOR, NOTHING)

#define LOADNUMBERS \
	NUMBERS   \
	LOADOTHER

#define STARTFROMBOTH \
	STARTFROMY                  \
	VMOVUPS (DX)(AX*SCALE), V11

#define FIRST(x, number) \
	LOADX(x, V12)                    \
	VCMPPS    GREATER, V10, V12, V13 \
	VBLENDVPS V13, V12, V10, V10     \
	VBLENDVPS V13, number, V11, V11

#define STOREBOTH \
	STORERESULT                 \
	VMOVUPS V11, (DX)(AX*SCALE)

TEXT FIRSTMAX(SB), NOSPLIT, $0-8
	KERNEL(LOADNUMBERS, STARTFROMBOTH, FIRST, STOREBOTH, NEXTVECTOR, NOTHING)

// LOADMOST sets V13 to 1, the exponent 127, in all lanes.
#define LOADMOST \
	VPCMPEQD V13, V13, V13 \
	VPSRLD   $25, V13, V13 \
	VPSLLD   $23, V13, V13 \
	LOADOTHER

#define STARTFROMMOST \
	STARTFROMY                 \
	VMOVUPS (DX)(AX*SCALE), V9

#define COUNT(x, w) \
	LOADX(x, V11)               \
	VCMPPS EQUAL, V11, V9, V11  \
	VANDPS V13, V11, V11        \
	VADDPS V11, V10, V10

TEXT COUNTMAX(SB), NOSPLIT, $0-8
	KERNEL(LOADMOST, STARTFROMMOST, COUNT, STORERESULT, NEXTVECTOR, NOTHING)
