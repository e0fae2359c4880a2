// The body of the float32 microkernels of AVX2 and AVX-512, to be included after the TEXT line. It
// computes the tiles of a panel, WIDTH columns of C, at most 6 rows at a time. In Go:
//
//	for i := range rows { // of all tiles
//		for j := range WIDTH {
//			acc := bias[j] if bias != nil && flags&tileAdd == 0, else 0
//			for _, s := range segs[:n] {
//				for p := range k {
//					acc += a[s.a+i*rs+p*cs] * b[s.b+p*ldb+j]
//				}
//			}
//			acc += c[i*ldc+j] if flags&tileAdd
//			c[i*ldc+j] = max(0, acc) if flags&tileReLU, else acc
//		}
//	}
//
// Besides the macros for tile_amd64.h, a .s file that includes this defines
//
//	ROWS1(b)-ROWS6(b)  a step of the first rows of a tile, with the columns at b
//	COLUMNS(b)         loads the columns at b
//	ZERO               sets the registers of COLUMNS to 0
//	COPY, ADD, STORE   accumulators = columns;  += c;  to c
//	MAX                accumulators = max(accumulators, columns)
//	PREFETCHNEXT       prefetches the next panel if it is time
//
// Registers, besides those of tile_amd64.h:
//
//	R11        cs in bytes
//	R15, R14   ldb, 3ldb in bytes
//	DI, AX, DX during the product: next address to prefetch, steps until then (countdown), free
//
// Rows of a have a constant stride, so six of them need one pointer and three strides.
//
// The kernel prefetches the next panel into L2 while it multiplies. countdown falls by the steps
// that are done. Below 0, FETCH prefetches lines of a packed panel and adds interval to it, so that
// the whole panel arrives evenly over the steps of the call.
//
// There are no column tails: c has WIDTH columns.

// LINES prefetches four lines. It leaves L1 to the operands.
#define LINES(at) \
	PREFETCHT1 at    \
	PREFETCHT1 64at  \
	PREFETCHT1 128at \
	PREFETCHT1 192at

// FETCH prefetches the next four lines of each quarter of a packed panel, stride bytes long, until
// countdown is no longer below 0. Four streams arrive faster than one. Many lines at long intervals
// disturb the loop of PRODUCT less than few at short ones.
#define FETCH(fetch) \
fetch:                               \
	MOVQ   next_stride+128(FP), DX   \
	LINES((DI))                      \
	LINES((DI)(DX*1))                \
	LINES((DI)(DX*2))                \
	LEAQ   (DX)(DX*2), DX            \
	LINES((DI)(DX*1))                \
	ADDQ   $256, DI                  \
	ADDQ   next_interval+144(FP), AX \
	JLT    fetch

// STEP adds a step, with the columns at b, to the accumulators.
#define STEP(rows, b) \
	rows(b) \
	ADDQ R11, SI

// PRODUCT adds the products of all segments to the accumulators, four steps at a time. Before each
// four comes PREFETCHNEXT, which may jump to the label after it. The arguments after rows are
// labels.
//
// With six rows of four registers an iteration is 143 instructions, as the processor counts them.
// Recent Intel cores replay a loop of up to 144 from a queue behind the decoders, which leaves more
// power for the FMAs.
#define PRODUCT(rows, segment, four, fetch, steps, last, one, next) \
segment:                       \
	SEGMENT                    \
	SUBQ       $4, CX          \
	JLT        last            \
	PCALIGN    $32             \
four:                          \
	PREFETCHNEXT(fetch, steps) \
steps:                         \
	STEP(rows, (BX))           \
	STEP(rows, (BX)(R15*1))    \
	STEP(rows, (BX)(R15*2))    \
	STEP(rows, (BX)(R14*1))    \
	LEAQ       (BX)(R15*4), BX \
	SUBQ       $4, CX          \
	JGE        four            \
last:                          \
	ADDQ       $4, CX          \
	JZ         next            \
one:                           \
	STEP(rows, (BX))           \
	ADDQ       R15, BX         \
	DECQ       CX              \
	JNZ        one             \
next:                          \
	DECQ       R13             \
	JNZ        segment         \
	JMP        finish

#define PRODUCT1 PRODUCT(ROWS1, segment1, four1, fetch1, steps1, last1, one1, next1)
#define PRODUCT2 PRODUCT(ROWS2, segment2, four2, fetch2, steps2, last2, one2, next2)
#define PRODUCT3 PRODUCT(ROWS3, segment3, four3, fetch3, steps3, last3, one3, next3)
#define PRODUCT4 PRODUCT(ROWS4, segment4, four4, fetch4, steps4, last4, one4, next4)
#define PRODUCT5 PRODUCT(ROWS5, segment5, four5, fetch5, steps5, last5, one5, next5)
#define PRODUCT6 PRODUCT(ROWS6, segment6, four6, fetch6, steps6, last6, one6, next6)

	STRIDES
	MOVQ a_cs+32(FP), R11
	SHLQ $2, R11
	MOVQ b_ld+48(FP), R15
	SHLQ $2, R15
	LEAQ (R15)(R15*2), R14
	SHLQ $2, next_stride+128(FP)

tile:
	TILE
	PREFETCHTILE(prefetch)

	TESTQ $1, end_flags+112(FP)
	JNZ   zero
	MOVQ  end_bias+104(FP), BX
	TESTQ BX, BX
	JNZ   biased

zero:
	ZERO
	JMP  equal

biased:
	COLUMNS((BX))

equal: // all rows start from the registers of COLUMNS
	ALLROWS(COPY)
	MOVQ AX, CX
	MOVQ next_at+120(FP), DI
	MOVQ next_countdown+136(FP), AX
	PRODUCTS(CX)

finish:
	MOVQ  DI, next_at+120(FP)
	MOVQ  AX, next_countdown+136(FP)
	MOVQ  tiles_height+96(FP), AX
	MOVQ  c_ld+8(FP), DX
	SHLQ  $2, DX
	MOVQ  c_data+0(FP), DI
	TESTQ $1, end_flags+112(FP)
	JZ    added
	EACHROW(ADD, added)

added:
	MOVQ  c_data+0(FP), DI
	TESTQ $2, end_flags+112(FP)
	JZ    store
	ZERO
	ALLROWS(MAX)

store:
	EACHROW(STORE, done)

done:
	NEXTTILE(tile, same)
	VZEROUPPER
	RET
