//go:build !noasm

#include "textflag.h"
#include "tile_amd64.h"

// The product of the AVX-512 level: 64 columns of C, tile after tile of at most 6 rows, of which the first large have height
// rows, the others one less. Meanwhile the next panel is fetched at ahead, and copied if copies, its rows, are not 0.
//
//	for i := range rows { // of all tiles
//		for j := range 64 {
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
//	for i := range copies {
//		for j := range 64 {
//			to[i*64+j] = next[i*stride+j] // from lag bytes after ahead on
//		}
//	}
//
// Z0-Z23   accumulators, four a row
// Z24-Z27  64 columns of b
// Z28      one element of a in all lanes;  Z28-Z31 a row that is copied
// SI, BX   where a and b are read;  R8, R9, R10 = rs, 3rs, 5rs bytes;  R11 = cs bytes
// R15, R14 ldb, 3ldb bytes
// DI, DX   row of c, ldc bytes;  R12, R13 segments, how many are left;  CX steps of k left
// AX       rows of the tile
// In the product: DI ahead, AX untilFetch, DX free
//
// Rows are a constant stride apart, so six of them need one pointer and three strides.
// A step is 24 FMAs (12 cycles on two ports) and 10 loads (5 cycles). Meanwhile the next panel comes to the second-level
// cache. untilFetch falls by the steps that are done. Below 0 lines of a packed panel are fetched and fetchEvery added, so that all of
// it comes evenly in the steps of the call. Of one that is to be copied a row of 64 numbers is fetched with every 16 steps, and one
// copied, until copies are. Both are free, the FMAs take the time. There are no column tails: the caller gives a c
// of 64 columns. Needs AVX512F.

#define ROW(a, z0, z1, z2, z3) \
	VBROADCASTSS a, Z28          \
	VFMADD231PS  Z24, Z28, z0    \
	VFMADD231PS  Z25, Z28, z1    \
	VFMADD231PS  Z26, Z28, z2    \
	VFMADD231PS  Z27, Z28, z3

#define COLUMNS(b) \
	VMOVUPS b, Z24     \
	VMOVUPS 64b, Z25   \
	VMOVUPS 128b, Z26  \
	VMOVUPS 192b, Z27

// AHEAD fetches if it is time.
#define AHEAD(fetch, steps) \
	SUBQ    $4, AX            \
	JGE     steps             \
	DECQ    copies+152(FP)    \
	JLT     fetch             \
	LINES((DI))               \
	ADDQ    stride+128(FP), DI \
	MOVQ    lag+136(FP), DX   \
	VMOVUPS (DI)(DX*1), Z28   \
	VMOVUPS 64(DI)(DX*1), Z29 \
	VMOVUPS 128(DI)(DX*1), Z30 \
	VMOVUPS 192(DI)(DX*1), Z31 \
	MOVQ    to+144(FP), DX    \
	VMOVUPS Z28, (DX)         \
	VMOVUPS Z29, 64(DX)       \
	VMOVUPS Z30, 128(DX)      \
	VMOVUPS Z31, 192(DX)      \
	ADDQ    $256, to+144(FP)  \
	ADDQ    $16, AX           \
	JMP     steps             \
	FETCH(fetch, stride+128(FP), fetchEvery+168(FP))

// The first rows of a step; each macro is one row more than the one before.
#define ROWS1(b) COLUMNS(b); ROW((SI), Z0, Z1, Z2, Z3)
#define ROWS2(b) ROWS1(b); ROW((SI)(R8*1), Z4, Z5, Z6, Z7)
#define ROWS3(b) ROWS2(b); ROW((SI)(R8*2), Z8, Z9, Z10, Z11)
#define ROWS4(b) ROWS3(b); ROW((SI)(R9*1), Z12, Z13, Z14, Z15)
#define ROWS5(b) ROWS4(b); ROW((SI)(R8*4), Z16, Z17, Z18, Z19)
#define ROWS6(b) ROWS5(b); ROW((SI)(R10*1), Z20, Z21, Z22, Z23)

#define ADD(z0, z1, z2, z3) \
	VADDPS (DI), z0, z0 \
	VADDPS 64(DI), z1, z1 \
	VADDPS 128(DI), z2, z2 \
	VADDPS 192(DI), z3, z3

#define STORE(z0, z1, z2, z3) \
	VMOVUPS z0, (DI)    \
	VMOVUPS z1, 64(DI)  \
	VMOVUPS z2, 128(DI) \
	VMOVUPS z3, 192(DI)

// MAX takes the accumulator as the second operand, which is the result if it is a NaN.
#define MAX(z0, z1, z2, z3) \
	VMAXPS z0, Z24, z0 \
	VMAXPS z1, Z24, z1 \
	VMAXPS z2, Z24, z2 \
	VMAXPS z3, Z24, z3

#define PREFETCH(row) \
	PREFETCHT0 row \
	PREFETCHT0 64row \
	PREFETCHT0 128row \
	PREFETCHT0 192row

#define COPY(z0, z1, z2, z3) \
	VMOVAPS Z24, z0 \
	VMOVAPS Z25, z1 \
	VMOVAPS Z26, z2 \
	VMOVAPS Z27, z3

// func panelAVX512(c *float32, ldc int, a *float32, rs, cs int, b *float32, ldb int, segs *segment, n, k, tiles, large, height int, bias *float32, flags int, ahead *float32, stride int, lag int, to *float32, copies, untilFetch, fetchEvery int)
TEXT ·panelAVX512(SB), NOSPLIT, $0-176
	STRIDES
	SHLQ $2, stride+128(FP)

tile:
	TILE

	// Fetch the rows of c while the product is made.
	MOVQ DI, SI
	MOVQ AX, CX
fetch:
	PREFETCH((SI))
	ADDQ DX, SI
	DECQ CX
	JNZ  fetch

	TESTQ $1, flags+112(FP)
	JNZ   zero
	MOVQ  bias+104(FP), BX
	TESTQ BX, BX
	JNZ   biased

zero:
	VPXORQ Z24, Z24, Z24
	VMOVAPS Z24, Z25
	VMOVAPS Z24, Z26
	VMOVAPS Z24, Z27
	JMP   equal

biased:
	COLUMNS((BX))

equal: // all rows start as Z24-Z27
	COPY(Z0, Z1, Z2, Z3)
	COPY(Z4, Z5, Z6, Z7)
	COPY(Z8, Z9, Z10, Z11)
	COPY(Z12, Z13, Z14, Z15)
	COPY(Z16, Z17, Z18, Z19)
	COPY(Z20, Z21, Z22, Z23)

	MOVQ AX, CX
	MOVQ ahead+120(FP), DI
	MOVQ untilFetch+160(FP), AX
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
	MOVQ  AX, untilFetch+160(FP)
	MOVQ  height+96(FP), AX
	MOVQ  ldc+8(FP), DX
	SHLQ  $2, DX
	MOVQ  c+0(FP), DI
	TESTQ $1, flags+112(FP)
	JZ    added
	ADD(Z0, Z1, Z2, Z3)
	CMPQ AX, $1
	JEQ  added
	ADDQ DX, DI
	ADD(Z4, Z5, Z6, Z7)
	CMPQ AX, $2
	JEQ  added
	ADDQ DX, DI
	ADD(Z8, Z9, Z10, Z11)
	CMPQ AX, $3
	JEQ  added
	ADDQ DX, DI
	ADD(Z12, Z13, Z14, Z15)
	CMPQ AX, $4
	JEQ  added
	ADDQ DX, DI
	ADD(Z16, Z17, Z18, Z19)
	CMPQ AX, $5
	JEQ  added
	ADDQ DX, DI
	ADD(Z20, Z21, Z22, Z23)

added:
	MOVQ  c+0(FP), DI
	TESTQ $2, flags+112(FP)
	JZ    store
	VPXORQ Z24, Z24, Z24
	MAX(Z0, Z1, Z2, Z3)
	MAX(Z4, Z5, Z6, Z7)
	MAX(Z8, Z9, Z10, Z11)
	MAX(Z12, Z13, Z14, Z15)
	MAX(Z16, Z17, Z18, Z19)
	MAX(Z20, Z21, Z22, Z23)

store:
	STORE(Z0, Z1, Z2, Z3)
	CMPQ AX, $1
	JEQ  done
	ADDQ DX, DI
	STORE(Z4, Z5, Z6, Z7)
	CMPQ AX, $2
	JEQ  done
	ADDQ DX, DI
	STORE(Z8, Z9, Z10, Z11)
	CMPQ AX, $3
	JEQ  done
	ADDQ DX, DI
	STORE(Z12, Z13, Z14, Z15)
	CMPQ AX, $4
	JEQ  done
	ADDQ DX, DI
	STORE(Z16, Z17, Z18, Z19)
	CMPQ AX, $5
	JEQ  done
	ADDQ DX, DI
	STORE(Z20, Z21, Z22, Z23)

done:
	NEXTTILE(tile, same)
	VZEROUPPER
	RET
