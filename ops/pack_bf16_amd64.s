//go:build !noasm

#include "textflag.h"

// Rows of float32 rounded to bf16 and packed, pair by pair. In Go:
//
//    for p := range pairs {
//        for j := range 64*panels {
//            dst[j/64*stride + 128*p + 2*(j%64)] = bf16(src[2*p*lds+j])
//            dst[j/64*stride + 128*p + 2*(j%64)+1] = bf16(src[(2*p+1)*lds+j])
//        }
//    }
//
// SI, BX   pair of rows of src, R8 bytes apart;  AX, DX offset in them, end
// R10      row of a panel, R9 bytes from that of the next panel;  DI that of the first panel
// CX       pairs left
// Z31      permutation of two rounded rows to pairs
//
// Stores are non-temporal, since a network's weights do not fit into the caches: dst must be
// aligned to 64 bytes. There are no tails: Go does them. Needs AVX512F, AVX512BW and AVX512_BF16,
// which rounds subnormals to zero.

DATA paired<>+0(SB)/8, $0x0011000100100000
DATA paired<>+8(SB)/8, $0x0013000300120002
DATA paired<>+16(SB)/8, $0x0015000500140004
DATA paired<>+24(SB)/8, $0x0017000700160006
DATA paired<>+32(SB)/8, $0x0019000900180008
DATA paired<>+40(SB)/8, $0x001b000b001a000a
DATA paired<>+48(SB)/8, $0x001d000d001c000c
DATA paired<>+56(SB)/8, $0x001f000f001e000e
GLOBL paired<>(SB), RODATA|NOPTR, $64

// ROUND rounds and stores 16 pairs, o bytes after the current ones of src and of the panel.
#define ROUND(o) \
	VMOVUPS o(SI)(AX*1), Z0                                      \
	VMOVUPS o(BX)(AX*1), Z1                                      \
    LONG $0x4877f262; WORD $0xc072                             \ // VCVTNE2PS2BF16 ZMM0, ZMM1, ZMM0
	VPERMW    Z0, Z31, Z0                                        \
	VMOVNTDQ Z0, o(R10)

// func packAVX512BF16(dst *BF16, stride int, src *float32, lds, pairs, panels int)
TEXT ·packAVX512BF16(SB), NOSPLIT, $0-48
	MOVQ      dst+0(FP), DI
	MOVQ      stride+8(FP), R9
	MOVQ      src+16(FP), SI
	MOVQ      lds+24(FP), R8
	MOVQ      pairs+32(FP), CX
	MOVQ      panels+40(FP), DX
	VMOVDQU64 paired<>(SB), Z31
	SHLQ      $1, R9
	SHLQ      $2, R8
	SHLQ      $8, DX

pair:
	LEAQ (SI)(R8*1), BX
	MOVQ DI, R10
	XORL AX, AX

panel:
	ROUND(0)
	ROUND(64)
	ROUND(128)
	ROUND(192)
	ADDQ R9, R10
	ADDQ $256, AX
	CMPQ AX, DX
	JLT  panel

	LEAQ (SI)(R8*2), SI
	ADDQ $256, DI
	DECQ CX
	JNZ  pair
	SFENCE
	VZEROUPPER
	RET
