// The control flow of the AVX2, AVX-512 and AVX-512 BF16 microkernels: how they walk through the
// tiles of a panel, the segments of the sum over k, and the steps of a segment.
//
// A .s file that includes this defines
//
//	LOGSIZE           the binary logarithm of the bytes of an element of a and b
//	ACC1(f)-ACC6(f)   f(accumulators of that row of the register tile)
//	PREFETCHROW(at)   prefetches a row of c
//	PRODUCT1-PRODUCT6 the product of a tile of that many rows, which ends with a jump to finish
//
// The arguments are argC and those after it in tile_amd64.go. The macros change c, a, and tiles on
// the frame. Registers:
//
//	DI, DX     row of c, ldc in bytes
//	SI, BX     next elements of a and b;  R8, R9, R10 = rs, 3rs, 5rs in bytes
//	R12, R13   next segment, segments left;  CX steps of k left
//	AX         rows of the tile

#define STRIDES \
	MOVQ c_ld+8(FP), DX  \
	SHLQ $2, DX          \
	MOVQ a_rs+24(FP), R8 \
	SHLQ $LOGSIZE, R8    \
	LEAQ (R8)(R8*2), R9  \
	LEAQ (R8)(R8*4), R10

// TILE begins a tile: DI is its first row of c, AX its number of rows.
#define TILE \
	MOVQ c_data+0(FP), DI     \
	MOVQ sum_segs+56(FP), R12 \
	MOVQ sum_n+64(FP), R13    \
	MOVQ tiles_height+96(FP), AX

// PREFETCHTILE prefetches the tile's rows of c, which are needed after the product.
#define PREFETCHTILE(prefetch) \
	MOVQ DI, SI       \
	MOVQ AX, CX       \
prefetch:             \
	PREFETCHROW((SI)) \
	ADDQ DX, SI       \
	DECQ CX           \
	JNZ  prefetch

// SEGMENT points SI and BX to the next segment and sets CX to its steps.
#define SEGMENT \
	MOVQ (R12), SI         \
	MOVQ 8(R12), BX        \
	SHLQ $LOGSIZE, SI      \
	SHLQ $LOGSIZE, BX      \
	ADDQ a_data+16(FP), SI \
	ADDQ b_data+40(FP), BX \
	ADDQ $16, R12          \
	MOVQ sum_k+72(FP), CX

// PRODUCTS runs the product of a tile of rows rows.
#define PRODUCTS(rows) \
	CMPQ rows, $6 \
	JEQ  six      \
	CMPQ rows, $5 \
	JEQ  five     \
	CMPQ rows, $4 \
	JEQ  four     \
	CMPQ rows, $3 \
	JEQ  three    \
	CMPQ rows, $2 \
	JEQ  two      \
	PRODUCT1      \
two:              \
	PRODUCT2      \
three:            \
	PRODUCT3      \
four:             \
	PRODUCT4      \
five:             \
	PRODUCT5      \
six:              \
	PRODUCT6

// ALLROWS applies f to the accumulators of six rows.
#define ALLROWS(f) \
	ACC1(f) \
	ACC2(f) \
	ACC3(f) \
	ACC4(f) \
	ACC5(f) \
	ACC6(f)

// EACHROW applies f to the accumulators of the tile's AX rows, with DI at their row of c. It leaves
// DI at the last one. The label done follows it.
#define EACHROW(f, done) \
	ACC1(f)     \
	CMPQ AX, $1 \
	JEQ  done   \
	ADDQ DX, DI \
	ACC2(f)     \
	CMPQ AX, $2 \
	JEQ  done   \
	ADDQ DX, DI \
	ACC3(f)     \
	CMPQ AX, $3 \
	JEQ  done   \
	ADDQ DX, DI \
	ACC4(f)     \
	CMPQ AX, $4 \
	JEQ  done   \
	ADDQ DX, DI \
	ACC5(f)     \
	CMPQ AX, $5 \
	JEQ  done   \
	ADDQ DX, DI \
	ACC6(f)

// NEXTTILE moves c and a past this tile, whose last row of c is at DI, and jumps to the next one.
// The first large tiles have height rows, the others one less. The arguments are labels.
#define NEXTTILE(tile, same) \
	ADDQ  DX, DI              \
	MOVQ  DI, c_data+0(FP)    \
	IMULQ R8, AX              \
	ADDQ  AX, a_data+16(FP)   \
	DECQ  tiles_large+88(FP)  \
	JNZ   same                \
	DECQ  tiles_height+96(FP) \
same:                         \
	DECQ  tiles_n+80(FP)      \
	JNZ   tile
