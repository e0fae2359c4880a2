//go:build !noasm

#include "textflag.h"
#include "tile_amd64.h"

// The product of the AVX2 level: 16 columns of C, tile after tile of at most 6 rows, of which the first large have height
// rows, the others one less.
//
//	for i := range rows { // of all tiles
//		for j := range 16 {
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
// Y0-Y11    accumulators, two a row
// Y12, Y13  16 columns of b
// Y14, Y15  one element of a in all lanes, in turns
// SI, BX    where a and b are read;  R8, R9, R10 = rs, 3rs, 5rs bytes;  R11 = cs bytes
// R15, R14  ldb, 3ldb bytes
// DI, DX    row of c, ldc bytes;  R12, R13 segments, how many are left;  CX steps of k left
// AX        rows of the tile
// In the product: DI ahead, AX untilFetch, DX free
//
// A step is 12 FMAs (6 cycles on two ports) and 8 loads (4 cycles). Meanwhile the next panel, at ahead, comes to the
// second-level cache, evenly in all the steps of the call. There are no column
// tails: the caller gives a c of 16 columns. Needs AVX2 and FMA.

#define ROW(a, t, y0, y1) \
	VBROADCASTSS a, t         \
	VFMADD231PS  Y12, t, y0   \
	VFMADD231PS  Y13, t, y1

#define COLUMNS(b) \
	VMOVUPS b, Y12   \
	VMOVUPS 32b, Y13

// AHEAD fetches if it is time.
#define AHEAD(fetch, steps) \
	SUBQ  $4, AX              \
	JGE   steps               \
	FETCH(fetch, stride+128(FP), fetchEvery+144(FP))

// The first rows of a step; each macro is one row more than the one before.
#define ROWS1(b) COLUMNS(b); ROW((SI), Y14, Y0, Y1)
#define ROWS2(b) ROWS1(b); ROW((SI)(R8*1), Y15, Y2, Y3)
#define ROWS3(b) ROWS2(b); ROW((SI)(R8*2), Y14, Y4, Y5)
#define ROWS4(b) ROWS3(b); ROW((SI)(R9*1), Y15, Y6, Y7)
#define ROWS5(b) ROWS4(b); ROW((SI)(R8*4), Y14, Y8, Y9)
#define ROWS6(b) ROWS5(b); ROW((SI)(R10*1), Y15, Y10, Y11)

#define ADD(y0, y1) \
	VADDPS (DI), y0, y0 \
	VADDPS 32(DI), y1, y1

#define STORE(y0, y1) \
	VMOVUPS y0, (DI)   \
	VMOVUPS y1, 32(DI)

// MAX takes the accumulator as the second operand, which is the result if it is a NaN.
#define MAX(y0, y1) \
	VMAXPS y0, Y12, y0 \
	VMAXPS y1, Y12, y1

#define COPY(y0, y1) \
	VMOVAPS Y12, y0 \
	VMOVAPS Y13, y1

// func panelAVX2(c *float32, ldc int, a *float32, rs, cs int, b *float32, ldb int, segs *segment, n, k, tiles, large, height int, bias *float32, flags int, ahead *float32, stride, untilFetch, fetchEvery int)
TEXT ·panelAVX2(SB), NOSPLIT, $0-152
	STRIDES
	SHLQ $2, stride+128(FP)

tile:
	TILE

	// Fetch the rows of c while the product is made.
	MOVQ DI, SI
	MOVQ AX, CX
fetch:
	PREFETCHT0 (SI)
	ADDQ DX, SI
	DECQ CX
	JNZ  fetch

	TESTQ  $1, flags+112(FP)
	JNZ    zero
	MOVQ   bias+104(FP), BX
	TESTQ  BX, BX
	JNZ    biased

zero:
	VXORPS Y12, Y12, Y12
	VXORPS Y13, Y13, Y13
	JMP    equal

biased:
	COLUMNS((BX))

equal: // all rows start as Y12, Y13
	COPY(Y0, Y1)
	COPY(Y2, Y3)
	COPY(Y4, Y5)
	COPY(Y6, Y7)
	COPY(Y8, Y9)
	COPY(Y10, Y11)

	MOVQ AX, CX
	MOVQ ahead+120(FP), DI
	MOVQ untilFetch+136(FP), AX
	CMPQ CX, $6
	JEQ  six
	CMPQ CX, $5
	JEQ  five
	CMPQ CX, $4
	JEQ  four
	CMPQ CX, $3
	JEQ  three
	CMPQ CX, $2
	JEQ  two

	PRODUCT(ROWS1, segment1, four1, fetch1, steps1, last1, one1, next1)

two:
	PRODUCT(ROWS2, segment2, four2, fetch2, steps2, last2, one2, next2)

three:
	PRODUCT(ROWS3, segment3, four3, fetch3, steps3, last3, one3, next3)

four:
	PRODUCT(ROWS4, segment4, four4, fetch4, steps4, last4, one4, next4)

five:
	PRODUCT(ROWS5, segment5, four5, fetch5, steps5, last5, one5, next5)

six:
	PRODUCT(ROWS6, segment6, four6, fetch6, steps6, last6, one6, next6)

finish:
	MOVQ  DI, ahead+120(FP)
	MOVQ  AX, untilFetch+136(FP)
	MOVQ  height+96(FP), AX
	MOVQ  ldc+8(FP), DX
	SHLQ  $2, DX
	MOVQ  c+0(FP), DI
	TESTQ $1, flags+112(FP)
	JZ    added
	ADD(Y0, Y1)
	CMPQ AX, $1
	JEQ  added
	ADDQ DX, DI
	ADD(Y2, Y3)
	CMPQ AX, $2
	JEQ  added
	ADDQ DX, DI
	ADD(Y4, Y5)
	CMPQ AX, $3
	JEQ  added
	ADDQ DX, DI
	ADD(Y6, Y7)
	CMPQ AX, $4
	JEQ  added
	ADDQ DX, DI
	ADD(Y8, Y9)
	CMPQ AX, $5
	JEQ  added
	ADDQ DX, DI
	ADD(Y10, Y11)

added:
	MOVQ  c+0(FP), DI
	TESTQ  $2, flags+112(FP)
	JZ     store
	VXORPS Y12, Y12, Y12
	MAX(Y0, Y1)
	MAX(Y2, Y3)
	MAX(Y4, Y5)
	MAX(Y6, Y7)
	MAX(Y8, Y9)
	MAX(Y10, Y11)

store:
	STORE(Y0, Y1)
	CMPQ AX, $1
	JEQ  done
	ADDQ DX, DI
	STORE(Y2, Y3)
	CMPQ AX, $2
	JEQ  done
	ADDQ DX, DI
	STORE(Y4, Y5)
	CMPQ AX, $3
	JEQ  done
	ADDQ DX, DI
	STORE(Y6, Y7)
	CMPQ AX, $4
	JEQ  done
	ADDQ DX, DI
	STORE(Y8, Y9)
	CMPQ AX, $5
	JEQ  done
	ADDQ DX, DI
	STORE(Y10, Y11)

done:
	NEXTTILE(tile, same)
	VZEROUPPER
	RET
