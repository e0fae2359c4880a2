//go:build !noasm

#include "textflag.h"

// The product of the AVX512BF16 level: a tile of at most 6 rows and 64 columns of C.
//
//    for i := range rows {
//        for j := range 64 {
//            acc := c[i*ldc+j] if flags&tileAdd, else 0
//            for _, s := range segs[:n] {
//                for p := 0; p < k; p += 2 { // k is a multiple of 32
//                    acc += a[s.a+i*rs+p]*b[s.b+64*p+2*j] + a[s.a+i*rs+p+1]*b[s.b+64*p+2*j+1]
//                }
//            }
//            c[i*ldc+j] = acc
//        }
//    }
//
// Z0-Z23   accumulators, four a row
// Z24-Z27  64 pairs of b
// Z28      one pair of a in all lanes
// SI, BX   where a and b are read;  R8, R9, R10 = rs, 3rs, 5rs bytes
// DI, DX   row of c, ldc bytes;  R12, R13 segments, how many are left;  CX steps of k left
// AX       rows
//
// A step is a pair: 24 VDPBF16PS and 10 loads, as in tile_avx512_amd64.s. There are no tails of
// columns or of k. Needs AVX512F and AVX512_BF16, which takes subnormal numbers as zero.

// DOT0 adds to Z0-Z3 the products of the pairs in Z28 and in Z24-Z27.
#define DOT0 \
    LONG $0x401e9262; WORD $0xc052                             \ // VDPBF16PS ZMM0, ZMM28, ZMM24
    LONG $0x401e9262; WORD $0xc952                             \ // VDPBF16PS ZMM1, ZMM28, ZMM25
    LONG $0x401e9262; WORD $0xd252                             \ // VDPBF16PS ZMM2, ZMM28, ZMM26
    LONG $0x401e9262; WORD $0xdb52                               // VDPBF16PS ZMM3, ZMM28, ZMM27

#define DOT1 \
    LONG $0x401e9262; WORD $0xe052                             \ // VDPBF16PS ZMM4, ZMM28, ZMM24
    LONG $0x401e9262; WORD $0xe952                             \ // VDPBF16PS ZMM5, ZMM28, ZMM25
    LONG $0x401e9262; WORD $0xf252                             \ // VDPBF16PS ZMM6, ZMM28, ZMM26
    LONG $0x401e9262; WORD $0xfb52                               // VDPBF16PS ZMM7, ZMM28, ZMM27

#define DOT2 \
    LONG $0x401e1262; WORD $0xc052                             \ // VDPBF16PS ZMM8, ZMM28, ZMM24
    LONG $0x401e1262; WORD $0xc952                             \ // VDPBF16PS ZMM9, ZMM28, ZMM25
    LONG $0x401e1262; WORD $0xd252                             \ // VDPBF16PS ZMM10, ZMM28, ZMM26
    LONG $0x401e1262; WORD $0xdb52                               // VDPBF16PS ZMM11, ZMM28, ZMM27

#define DOT3 \
    LONG $0x401e1262; WORD $0xe052                             \ // VDPBF16PS ZMM12, ZMM28, ZMM24
    LONG $0x401e1262; WORD $0xe952                             \ // VDPBF16PS ZMM13, ZMM28, ZMM25
    LONG $0x401e1262; WORD $0xf252                             \ // VDPBF16PS ZMM14, ZMM28, ZMM26
    LONG $0x401e1262; WORD $0xfb52                               // VDPBF16PS ZMM15, ZMM28, ZMM27

#define DOT4 \
    LONG $0x401e8262; WORD $0xc052                             \ // VDPBF16PS ZMM16, ZMM28, ZMM24
    LONG $0x401e8262; WORD $0xc952                             \ // VDPBF16PS ZMM17, ZMM28, ZMM25
    LONG $0x401e8262; WORD $0xd252                             \ // VDPBF16PS ZMM18, ZMM28, ZMM26
    LONG $0x401e8262; WORD $0xdb52                               // VDPBF16PS ZMM19, ZMM28, ZMM27

#define DOT5 \
    LONG $0x401e8262; WORD $0xe052                             \ // VDPBF16PS ZMM20, ZMM28, ZMM24
    LONG $0x401e8262; WORD $0xe952                             \ // VDPBF16PS ZMM21, ZMM28, ZMM25
    LONG $0x401e8262; WORD $0xf252                             \ // VDPBF16PS ZMM22, ZMM28, ZMM26
    LONG $0x401e8262; WORD $0xfb52                               // VDPBF16PS ZMM23, ZMM28, ZMM27

#define COLUMNS(o) \
	VMOVUPS o(BX), Z24      \
	VMOVUPS 64+o(BX), Z25   \
	VMOVUPS 128+o(BX), Z26  \
	VMOVUPS 192+o(BX), Z27

// The first rows of a step, with the pair of a at offset p and those of b at o; each macro is one
// row more than the one before.
#define ROWS1(p, o) COLUMNS(o); VPBROADCASTD p(SI), Z28; DOT0
#define ROWS2(p, o) ROWS1(p, o); VPBROADCASTD p(SI)(R8*1), Z28; DOT1
#define ROWS3(p, o) ROWS2(p, o); VPBROADCASTD p(SI)(R8*2), Z28; DOT2
#define ROWS4(p, o) ROWS3(p, o); VPBROADCASTD p(SI)(R9*1), Z28; DOT3
#define ROWS5(p, o) ROWS4(p, o); VPBROADCASTD p(SI)(R8*4), Z28; DOT4
#define ROWS6(p, o) ROWS5(p, o); VPBROADCASTD p(SI)(R10*1), Z28; DOT5

// PRODUCT adds the products of all segments to the accumulators, four steps at a
// time. The other arguments are labels.
#define PRODUCT(rows, segment, four) \
segment:                  \
	MOVQ (R12), SI        \
	MOVQ 8(R12), BX       \
	SHLQ $1, SI           \
	SHLQ $1, BX           \
	ADDQ a+16(FP), SI     \
	ADDQ b+32(FP), BX     \
	ADDQ $16, R12         \
	MOVQ k+56(FP), CX     \
	PCALIGN $32           \
four:                     \
	rows(0, 0)            \
	rows(4, 256)          \
	rows(8, 512)          \
	rows(12, 768)         \
	ADDQ $16, SI          \
	ADDQ $1024, BX        \
	SUBQ $8, CX           \
	JNZ  four             \
	DECQ R13              \
	JNZ  segment          \
	JMP  store

#define LOAD(z0, z1, z2, z3) \
	VMOVUPS (DI), z0    \
	VMOVUPS 64(DI), z1  \
	VMOVUPS 128(DI), z2 \
	VMOVUPS 192(DI), z3

#define STORE(z0, z1, z2, z3) \
	VMOVUPS z0, (DI)    \
	VMOVUPS z1, 64(DI)  \
	VMOVUPS z2, 128(DI) \
	VMOVUPS z3, 192(DI)

#define ZERO(z0, z1, z2, z3) \
	VPXORQ z0, z0, z0 \
	VPXORQ z1, z1, z1 \
	VPXORQ z2, z2, z2 \
	VPXORQ z3, z3, z3

// ALL does f to the accumulators of each row, with DI at its place in c, and then jumps to done.
#define ALL(f, done) \
	f(Z0, Z1, Z2, Z3) \
	CMPQ AX, $1 \
	JEQ  done \
	ADDQ DX, DI \
	f(Z4, Z5, Z6, Z7) \
	CMPQ AX, $2 \
	JEQ  done \
	ADDQ DX, DI \
	f(Z8, Z9, Z10, Z11) \
	CMPQ AX, $3 \
	JEQ  done \
	ADDQ DX, DI \
	f(Z12, Z13, Z14, Z15) \
	CMPQ AX, $4 \
	JEQ  done \
	ADDQ DX, DI \
	f(Z16, Z17, Z18, Z19) \
	CMPQ AX, $5 \
	JEQ  done \
	ADDQ DX, DI \
	f(Z20, Z21, Z22, Z23) \
	JMP  done

#define PREFETCH(row) \
	PREFETCHT0 row \
	PREFETCHT0 64row \
	PREFETCHT0 128row \
	PREFETCHT0 192row

// func tileBF16AVX512(c *float32, ldc int, a *BF16, rs int, b *BF16, segs *segment, n, k, rows, flags int)
TEXT ·tileBF16AVX512(SB), NOSPLIT, $0-80
	MOVQ c+0(FP), DI
	MOVQ ldc+8(FP), DX
	SHLQ $2, DX
	MOVQ rs+24(FP), R8
	SHLQ $1, R8
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
	MOVQ segs+40(FP), R12
	MOVQ n+48(FP), R13
	MOVQ rows+64(FP), AX

	TESTQ $1, flags+72(FP)
	JNZ   load
	MOVQ  DI, SI
	MOVQ  AX, CX

fetch: // the rows of c while the product is made
	PREFETCH((SI))
	ADDQ DX, SI
	DECQ CX
	JNZ  fetch
	ZERO(Z0, Z1, Z2, Z3)
	ZERO(Z4, Z5, Z6, Z7)
	ZERO(Z8, Z9, Z10, Z11)
	ZERO(Z12, Z13, Z14, Z15)
	ZERO(Z16, Z17, Z18, Z19)
	ZERO(Z20, Z21, Z22, Z23)
	JMP  loaded

load:
	ALL(LOAD, loaded)

loaded:
	MOVQ c+0(FP), DI
	CMPQ AX, $6
	JEQ  six
	CMPQ AX, $5
	JEQ  five
	CMPQ AX, $4
	JEQ  four
	CMPQ AX, $3
	JEQ  three
	CMPQ AX, $2
	JEQ  two

	PRODUCT(ROWS1, segment1, four1)

two:
	PRODUCT(ROWS2, segment2, four2)

three:
	PRODUCT(ROWS3, segment3, four3)

four:
	PRODUCT(ROWS4, segment4, four4)

five:
	PRODUCT(ROWS5, segment5, four5)

six:
	PRODUCT(ROWS6, segment6, four6)

store:
	ALL(STORE, done)

done:
	VZEROUPPER
	RET
