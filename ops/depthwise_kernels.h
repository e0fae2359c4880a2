// Depthwise convolutions: see taps_amd64.h for the loops. DEPTHWISE, DEPTHWISEADD and DEPTHWISEGRAD
// are the names of the functions. In Go, for each row and column:
//
//	depthwise      y = bias + Σ x[k]·w[k]
//	depthwiseAdd   y = y + Σ x[k]·w[k]
//	depthwiseGrad  w[k] += y·x[k], summed over the rows first
//
// The elements of x, and y of depthwiseGrad, may be bf16. A row of nine taps is nine FMAs and nine
// loads: the loads are the limit. V9 is the bias.

#define MULTIPLYADD(x, w) MULTIPLYADDX(x, w, V10)

#define LOADWEIGHTS \
	EACHWEIGHT(LOADWEIGHT)         \
	VXORPS  V9, V9, V9             \
	MOVQ    tapArgs_bias(R15), R14 \
	TESTQ   R14, R14               \
	JEQ     nobias                 \
	VMOVUPS (R14)(AX*SCALE), V9    \
nobias:

#define STARTFROMBIAS VMOVAPS V9, V10

TEXT DEPTHWISE(SB), NOSPLIT, $0-8
	KERNEL(LOADWEIGHTS, STARTFROMBIAS, MULTIPLYADD, STORERESULT, NEXTROW, NOTHING)

#define LOADWEIGHTSONLY EACHWEIGHT(LOADWEIGHT)

TEXT DEPTHWISEADD(SB), NOSPLIT, $0-8
	KERNEL(LOADWEIGHTSONLY, STARTFROMY, MULTIPLYADD, STORERESULT, NEXTROW, NOTHING)

#define ACCUMULATE(x, sum) MULTIPLYADDX(x, V10, sum)

#define STARTFROMDY LOADX(BX, V10)

#define CLEARSUMS \
	VXORPS V0, V0, V0 \
	VXORPS V1, V1, V1 \
	VXORPS V2, V2, V2 \
	VXORPS V3, V3, V3 \
	VXORPS V4, V4, V4 \
	VXORPS V5, V5, V5 \
	VXORPS V6, V6, V6 \
	VXORPS V7, V7, V7 \
	VXORPS V8, V8, V8

#define ADDSUM(sum) \
	VADDPS  (R14)(AX*SCALE), sum, sum \
	VMOVUPS sum, (R14)(AX*SCALE)

#define ADDSUMS EACHWEIGHT(ADDSUM)

TEXT DEPTHWISEGRAD(SB), NOSPLIT, $0-8
	KERNEL(CLEARSUMS, STARTFROMDY, ACCUMULATE, NOTHING, NEXTROW, ADDSUMS)
