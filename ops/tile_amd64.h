// What the float32 products have in common at every width of vectors: how they walk through tiles, segments and steps.
// The .s files that include this say how a step and a tile of C are computed, and all that there is to the registers.

// STRIDES loads the distances of rows and steps.
#define STRIDES \
	MOVQ ldc+8(FP), DX  \
	SHLQ $2, DX         \
	MOVQ rs+24(FP), R8  \
	SHLQ $2, R8         \
	LEAQ (R8)(R8*2), R9  \
	LEAQ (R8)(R8*4), R10 \
	MOVQ cs+32(FP), R11 \
	SHLQ $2, R11        \
	MOVQ ldb+48(FP), R15 \
	SHLQ $2, R15        \
	LEAQ (R15)(R15*2), R14

// TILE begins a tile: DI points to its first row of c, AX has its rows.
#define TILE \
	MOVQ c+0(FP), DI     \
	MOVQ segs+56(FP), R12 \
	MOVQ n+64(FP), R13   \
	MOVQ height+96(FP), AX

// SEGMENT points SI and BX to the next segment, in CX the steps.
#define SEGMENT \
	MOVQ (R12), SI           \
	MOVQ 8(R12), BX          \
	SHLQ $2, SI              \
	SHLQ $2, BX              \
	ADDQ a+16(FP), SI        \
	ADDQ b+40(FP), BX        \
	ADDQ $16, R12            \
	MOVQ k+72(FP), CX

// FETCH asks for the next four lines of each quarter of a packed panel, stride bytes, from DI on, until untilFetch is no longer below 0. Four
// places that are read in order come faster than one, and often few lines disturb PRODUCT's loop more than seldom many.
#define FETCH(fetch, stride, fetchEvery) \
fetch:                    \
	MOVQ   stride, DX     \
	LINES((DI))           \
	LINES((DI)(DX*1))     \
	LINES((DI)(DX*2))     \
	LEAQ   (DX)(DX*2), DX \
	LINES((DI)(DX*1))     \
	ADDQ   $256, DI       \
	ADDQ   fetchEvery, AX \
	JLT    fetch

// LINES asks for four lines. It leaves the first-level cache to the operands.
#define LINES(at) \
	PREFETCHT1 at    \
	PREFETCHT1 64at  \
	PREFETCHT1 128at \
	PREFETCHT1 192at

// STEP adds one step to the accumulators, by the columns at b, and goes on in a.
#define STEP(rows, b) \
	rows(b)  \
	ADDQ R11, SI

// PRODUCT adds the products of all segments to the accumulators, four steps at a
// time, before which it does AHEAD, which may jump to the label after it. The other arguments are labels.
// Six rows of four registers are 143 instructions a turn, as the processor counts them: newer ones of Intel replay a loop of up to 144 from a
// queue behind the decoders, which leaves more power for the multiply-adds.
#define PRODUCT(rows, segment, four, fetch, steps, last, one, next) \
segment:                  \
	SEGMENT               \
	SUBQ       $4, CX     \
	JLT        last       \
	PCALIGN    $32        \
four:                     \
	AHEAD(fetch, steps) \
steps:                    \
	STEP(rows, (BX))        \
	STEP(rows, (BX)(R15*1)) \
	STEP(rows, (BX)(R15*2)) \
	STEP(rows, (BX)(R14*1)) \
	LEAQ       (BX)(R15*4), BX \
	SUBQ       $4, CX     \
	JGE        four       \
last:                     \
	ADDQ       $4, CX     \
	JZ         next       \
one:                      \
	STEP(rows, (BX))      \
	ADDQ       R15, BX    \
	DECQ       CX         \
	JNZ        one        \
next:                     \
	DECQ       R13        \
	JNZ        segment    \
	JMP        finish

// NEXTTILE goes on to the next tile, from the last row of c of this one. The arguments are labels.
#define NEXTTILE(tile, same) \
	ADDQ  DX, DI          \
	MOVQ  DI, c+0(FP)     \
	IMULQ R8, AX          \
	ADDQ  AX, a+16(FP)    \
	DECQ  large+88(FP)    \
	JNZ   same            \
	DECQ  height+96(FP)   \
same:                     \
	DECQ  tiles+80(FP)    \
	JNZ   tile
