//go:build !noasm

#include "textflag.h"

// The bf16 microkernel of AVX-512 BF16: register tile 6 x 64, tile after tile of a panel. In Go:
//
//    for i := range rows { // of all tiles
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
// Z0-Z23   accumulators, four for each row
// Z24-Z27  64 pairs of b
// Z28      one pair of a in all lanes
//
// tile_amd64.h has the other registers and the control flow. A step is a pair: 24 VDPBF16PS and 10
// loads, as in the float32 microkernel. There are no tails of columns or of k. Needs AVX512F and
// AVX512_BF16, which treats subnormals as zero.

#define LOGSIZE 1

// DOT0 adds the products of the pairs in Z28 and in Z24-Z27 to Z0-Z3.
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

// The first rows of a step, with the pair of a at offset p and those of b at o; each macro adds one
// row to the one before.
#define ROWS1(p, o) COLUMNS(o); VPBROADCASTD p(SI), Z28; DOT0
#define ROWS2(p, o) ROWS1(p, o); VPBROADCASTD p(SI)(R8*1), Z28; DOT1
#define ROWS3(p, o) ROWS2(p, o); VPBROADCASTD p(SI)(R8*2), Z28; DOT2
#define ROWS4(p, o) ROWS3(p, o); VPBROADCASTD p(SI)(R9*1), Z28; DOT3
#define ROWS5(p, o) ROWS4(p, o); VPBROADCASTD p(SI)(R8*4), Z28; DOT4
#define ROWS6(p, o) ROWS5(p, o); VPBROADCASTD p(SI)(R10*1), Z28; DOT5

// PRODUCT adds the products of all segments to the accumulators, four steps at a time. The
// arguments after rows are labels.
#define PRODUCT(rows, segment, four) \
segment:           \
	SEGMENT        \
	PCALIGN $32    \
four:              \
	rows(0, 0)     \
	rows(4, 256)   \
	rows(8, 512)   \
	rows(12, 768)  \
	ADDQ $16, SI   \
	ADDQ $1024, BX \
	SUBQ $8, CX    \
	JNZ  four      \
	DECQ R13       \
	JNZ  segment   \
	JMP  finish

#define PRODUCT1 PRODUCT(ROWS1, segment1, four1)
#define PRODUCT2 PRODUCT(ROWS2, segment2, four2)
#define PRODUCT3 PRODUCT(ROWS3, segment3, four3)
#define PRODUCT4 PRODUCT(ROWS4, segment4, four4)
#define PRODUCT5 PRODUCT(ROWS5, segment5, four5)
#define PRODUCT6 PRODUCT(ROWS6, segment6, four6)

#define LOAD(z0, z1, z2, z3) \
	VMOVUPS (DI), z0    \
	VMOVUPS 64(DI), z1  \
	VMOVUPS 128(DI), z2 \
	VMOVUPS 192(DI), z3

#define CLEAR(z0, z1, z2, z3) \
	VPXORQ z0, z0, z0 \
	VPXORQ z1, z1, z1 \
	VPXORQ z2, z2, z2 \
	VPXORQ z3, z3, z3

#include "tile_avx512_amd64.h"
#include "tile_amd64.h"

// func panelAVX512BF16(c argC, a argA, b argB, sum argSum, tiles argTiles, end argEpilogue)
TEXT ·panelAVX512BF16(SB), NOSPLIT, $0-120
	STRIDES

tile:
	TILE
	TESTQ $1, end_flags+112(FP)
	JNZ   load
	PREFETCHTILE(prefetch)
	ALLROWS(CLEAR)
	JMP   product

load:
	EACHROW(LOAD, product)

product:
	PRODUCTS(AX)

finish:
	MOVQ c_data+0(FP), DI
	EACHROW(STORE, done)

done:
	NEXTTILE(tile, same)
	VZEROUPPER
	RET
