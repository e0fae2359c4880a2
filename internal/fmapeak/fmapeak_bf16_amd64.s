//go:build !noasm

#include "textflag.h"

// Products of pairs of bf16 on registers, as those of float32 in fmapeak_amd64.s. In Go:
//
//    for range iterations {
//        for i := range sum { // all of sum in registers, each a block
//            sum[i] += a * b
//        }
//    }
//
// All values are 1: with zeros the units need less power, and may run faster than in any real
// product.

// func avx512BF16(iterations int)
//
// Z0-Z23 sums, Z24 a, Z25 b, CX iterations.
// Needs AVX-512 F and BF16.
TEXT ·avx512BF16(SB), NOSPLIT, $0-8
	MOVQ iterations+0(FP), CX
	MOVL $0x3f803f80, AX // 1.0, 1.0
	VPBROADCASTD AX, Z24 // a
	VMOVDQA64 Z24, Z25   // b
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7
	VPXORD Z8, Z8, Z8
	VPXORD Z9, Z9, Z9
	VPXORD Z10, Z10, Z10
	VPXORD Z11, Z11, Z11
	VPXORD Z12, Z12, Z12
	VPXORD Z13, Z13, Z13
	VPXORD Z14, Z14, Z14
	VPXORD Z15, Z15, Z15
	VPXORD Z16, Z16, Z16
	VPXORD Z17, Z17, Z17
	VPXORD Z18, Z18, Z18
	VPXORD Z19, Z19, Z19
	VPXORD Z20, Z20, Z20
	VPXORD Z21, Z21, Z21
	VPXORD Z22, Z22, Z22
	VPXORD Z23, Z23, Z23
	PCALIGN $32
loop:
    LONG $0x403e9262; WORD $0xc152                               // VDPBF16PS ZMM0, ZMM24, ZMM25
    LONG $0x403e9262; WORD $0xc952                               // VDPBF16PS ZMM1, ZMM24, ZMM25
    LONG $0x403e9262; WORD $0xd152                               // VDPBF16PS ZMM2, ZMM24, ZMM25
    LONG $0x403e9262; WORD $0xd952                               // VDPBF16PS ZMM3, ZMM24, ZMM25
    LONG $0x403e9262; WORD $0xe152                               // VDPBF16PS ZMM4, ZMM24, ZMM25
    LONG $0x403e9262; WORD $0xe952                               // VDPBF16PS ZMM5, ZMM24, ZMM25
    LONG $0x403e9262; WORD $0xf152                               // VDPBF16PS ZMM6, ZMM24, ZMM25
    LONG $0x403e9262; WORD $0xf952                               // VDPBF16PS ZMM7, ZMM24, ZMM25
    LONG $0x403e1262; WORD $0xc152                               // VDPBF16PS ZMM8, ZMM24, ZMM25
    LONG $0x403e1262; WORD $0xc952                               // VDPBF16PS ZMM9, ZMM24, ZMM25
    LONG $0x403e1262; WORD $0xd152                               // VDPBF16PS ZMM10, ZMM24, ZMM25
    LONG $0x403e1262; WORD $0xd952                               // VDPBF16PS ZMM11, ZMM24, ZMM25
    LONG $0x403e1262; WORD $0xe152                               // VDPBF16PS ZMM12, ZMM24, ZMM25
    LONG $0x403e1262; WORD $0xe952                               // VDPBF16PS ZMM13, ZMM24, ZMM25
    LONG $0x403e1262; WORD $0xf152                               // VDPBF16PS ZMM14, ZMM24, ZMM25
    LONG $0x403e1262; WORD $0xf952                               // VDPBF16PS ZMM15, ZMM24, ZMM25
    LONG $0x403e8262; WORD $0xc152                               // VDPBF16PS ZMM16, ZMM24, ZMM25
    LONG $0x403e8262; WORD $0xc952                               // VDPBF16PS ZMM17, ZMM24, ZMM25
    LONG $0x403e8262; WORD $0xd152                               // VDPBF16PS ZMM18, ZMM24, ZMM25
    LONG $0x403e8262; WORD $0xd952                               // VDPBF16PS ZMM19, ZMM24, ZMM25
    LONG $0x403e8262; WORD $0xe152                               // VDPBF16PS ZMM20, ZMM24, ZMM25
    LONG $0x403e8262; WORD $0xe952                               // VDPBF16PS ZMM21, ZMM24, ZMM25
    LONG $0x403e8262; WORD $0xf152                               // VDPBF16PS ZMM22, ZMM24, ZMM25
    LONG $0x403e8262; WORD $0xf952                               // VDPBF16PS ZMM23, ZMM24, ZMM25
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// The configuration of the tiles: palette 1, eight tiles of 16 rows of 64 bytes.
DATA tiles<>+0(SB)/8, $1
DATA tiles<>+8(SB)/8, $0
DATA tiles<>+16(SB)/8, $0x0040004000400040
DATA tiles<>+24(SB)/8, $0x0040004000400040
DATA tiles<>+32(SB)/8, $0
DATA tiles<>+40(SB)/8, $0
DATA tiles<>+48(SB)/8, $0x1010101010101010
DATA tiles<>+56(SB)/8, $0
GLOBL tiles<>(SB), RODATA|NOPTR, $64

DATA ones<>+0(SB)/8, $0x3f803f803f803f80
DATA ones<>+8(SB)/8, $0x3f803f803f803f80
DATA ones<>+16(SB)/8, $0x3f803f803f803f80
DATA ones<>+24(SB)/8, $0x3f803f803f803f80
DATA ones<>+32(SB)/8, $0x3f803f803f803f80
DATA ones<>+40(SB)/8, $0x3f803f803f803f80
DATA ones<>+48(SB)/8, $0x3f803f803f803f80
DATA ones<>+56(SB)/8, $0x3f803f803f803f80
GLOBL ones<>(SB), RODATA|NOPTR, $64

// func amx(iterations int)
//
// TMM0-TMM5 sums, TMM6 a, TMM7 b, CX iterations. A product has a latency of 52 cycles and one
// starts every 16. Needs AMX-TILE and AMX-BF16, with permission of the operating system (see
// ops.Levels).
TEXT ·amx(SB), NOSPLIT, $0-8
	MOVQ iterations+0(FP), CX
	LEAQ tiles<>(SB), AX
    LONG $0x4978e2c4; BYTE $0x00                                 // LDTILECFG [RAX]
    LONG $0x497be2c4; BYTE $0xc0                                 // TILEZERO TMM0
    LONG $0x497be2c4; BYTE $0xc8                                 // TILEZERO TMM1
    LONG $0x497be2c4; BYTE $0xd0                                 // TILEZERO TMM2
    LONG $0x497be2c4; BYTE $0xd8                                 // TILEZERO TMM3
    LONG $0x497be2c4; BYTE $0xe0                                 // TILEZERO TMM4
    LONG $0x497be2c4; BYTE $0xe8                                 // TILEZERO TMM5
	LEAQ ones<>(SB), AX
	XORL DX, DX // all rows are the same
    LONG $0x4b7be2c4; WORD $0x1034                               // TILELOADD TMM6, [RAX+RDX*1]
    LONG $0x4b7be2c4; WORD $0x103c                               // TILELOADD TMM7, [RAX+RDX*1]
	PCALIGN $32
loop:
    LONG $0x5c42e2c4; BYTE $0xc6                                 // TDPBF16PS TMM0, TMM6, TMM7
    LONG $0x5c42e2c4; BYTE $0xce                                 // TDPBF16PS TMM1, TMM6, TMM7
    LONG $0x5c42e2c4; BYTE $0xd6                                 // TDPBF16PS TMM2, TMM6, TMM7
    LONG $0x5c42e2c4; BYTE $0xde                                 // TDPBF16PS TMM3, TMM6, TMM7
    LONG $0x5c42e2c4; BYTE $0xe6                                 // TDPBF16PS TMM4, TMM6, TMM7
    LONG $0x5c42e2c4; BYTE $0xee                                 // TDPBF16PS TMM5, TMM6, TMM7
	DECQ CX
	JNZ  loop
    LONG $0x4978e2c4; BYTE $0xc0                                 // TILERELEASE
	RET
