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
	SHLQ $2, R15

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

// ADVANCE goes to the next step.
#define ADVANCE \
	ADDQ R11, SI \
	ADDQ R15, BX

// PRODUCT adds the products of all segments to the accumulators, four steps at a
// time, before which it does AHEAD, which may jump to the label after it. The other arguments are labels.
#define PRODUCT(rows, segment, four, fetch, steps, last, one, next) \
segment:                  \
	SEGMENT               \
	SUBQ       $4, CX     \
	JLT        last       \
	PCALIGN    $32        \
four:                     \
	AHEAD(fetch, steps) \
steps:                    \
	rows; ADVANCE         \
	rows; ADVANCE         \
	rows; ADVANCE         \
	rows; ADVANCE         \
	SUBQ       $4, CX     \
	JGE        four       \
last:                     \
	ADDQ       $4, CX     \
	JZ         next       \
one:                      \
	rows; ADVANCE         \
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
