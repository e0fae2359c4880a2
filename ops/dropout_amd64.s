//go:build !noasm

#include "textflag.h"

// The mask of a dropout layer, by Philox4x32-10, 8 blocks of four words at a time. In Go:
//
//	for i := range 4*n { // n iterations of 4 bytes
//		low := philox.Block([4]uint32{block+2*i, counter[1], counter[2], counter[3]}, key)
//		high := philox.Block([4]uint32{block+2*i+1, …}, key)
//		keep[i] = bitsFrom(low, threshold) | bitsFrom(high, threshold)<<4
//	}
//
// where block is counter[0]. A word is in the lower half of a 64-bit lane, whose upper half is
// undefined. So a lane holds a whole product, and one shift gives its upper word.
//
// Y0-Y3, Y4-Y7   words of 4 even and of 4 odd blocks;  Y8, Y9 products, at the end bits
// Y10, Y11       increments of the key in each round;  Y12, Y13 multipliers
// Y14, Y15       the key of the round;  at the end Y15 the threshold
// DI, CX         keep, iterations left;  AX the next even block
// SI, BX         counter, key
//
// Needs AVX2.

// Multipliers and increments of the key.
DATA philox<>+0(SB)/4, $0xD2511F53
DATA philox<>+4(SB)/4, $0xCD9E8D57
DATA philox<>+8(SB)/4, $0x9E3779B9
DATA philox<>+12(SB)/4, $0xBB67AE85
GLOBL philox<>(SB), RODATA|NOPTR, $16

// The even blocks of an iteration.
DATA even<>+0(SB)/8, $0
DATA even<>+8(SB)/8, $2
DATA even<>+16(SB)/8, $4
DATA even<>+24(SB)/8, $6
GLOBL even<>(SB), RODATA|NOPTR, $32

// The bit of word 0 of an even and of an odd block.
DATA first<>+0(SB)/8, $0x0000001000000001
GLOBL first<>(SB), RODATA|NOPTR, $8

// Bytes 0 and 8 of 16.
DATA gather<>+0(SB)/8, $0xffffffffffff0800
DATA gather<>+8(SB)/8, $0xffffffffffffffff
GLOBL gather<>(SB), RODATA|NOPTR, $16

// MIX is a round of four blocks.
#define MIX(c0, c1, c2, c3) \
	VPMULUDQ c0, Y12, Y8   \
	VPMULUDQ c2, Y13, Y9   \
	VPSRLQ   $32, Y9, c0   \
	VPSRLQ   $32, Y8, c2   \
	VPXOR    c1, c0, c0    \
	VPXOR    c3, c2, c2    \
	VPXOR    Y14, c0, c0   \
	VPXOR    Y15, c2, c2   \
	VMOVDQA  Y9, c1        \
	VMOVDQA  Y8, c3

#define ROUND \
	MIX(Y0, Y1, Y2, Y3)    \
	MIX(Y4, Y5, Y6, Y7)    \
	VPADDD Y10, Y14, Y14   \
	VPADDD Y11, Y15, Y15

// KEPT leaves the bit in even where a word is at least the threshold, for each block in its lane.
#define KEPT(even, odd, bit) \
	VPSLLQ   $32, odd, odd          \
	VPBLENDD $0xaa, odd, even, even \
	VPMAXUD  even, Y15, odd         \
	VPCMPEQD even, odd, even        \
	VPAND    bit, even, even

// func dropoutMaskAVX2(keep *byte, counter *[4]uint32, key *[2]uint32, n int, threshold uint32)
TEXT ·dropoutMaskAVX2(SB), NOSPLIT, $0-36
	MOVQ keep+0(FP), DI
	MOVQ counter+8(FP), SI
	MOVQ key+16(FP), BX
	MOVQ n+24(FP), CX
	MOVL (SI), AX
	VPBROADCASTD philox<>+0(SB), Y12
	VPBROADCASTD philox<>+4(SB), Y13
	VPBROADCASTD philox<>+8(SB), Y10
	VPBROADCASTD philox<>+12(SB), Y11

iteration:
	VMOVD        AX, X0
	VPBROADCASTD X0, Y0
	VPADDD       even<>(SB), Y0, Y0
	VPCMPEQD     Y4, Y4, Y4
	VPSUBD       Y4, Y0, Y4          // the odd blocks
	VPBROADCASTD 4(SI), Y1
	VPBROADCASTD 8(SI), Y2
	VPBROADCASTD 12(SI), Y3
	VMOVDQA      Y1, Y5
	VMOVDQA      Y2, Y6
	VMOVDQA      Y3, Y7
	VPBROADCASTD (BX), Y14
	VPBROADCASTD 4(BX), Y15
	ROUND
	ROUND
	ROUND
	ROUND
	ROUND
	ROUND
	ROUND
	ROUND
	ROUND
	ROUND

	VBROADCASTSS   threshold+32(FP), Y15
	VPBROADCASTQ   first<>(SB), Y8
	VPADDD         Y8, Y8, Y9
	KEPT(Y0, Y4, Y8)
	KEPT(Y1, Y5, Y9)
	VPSLLD         $2, Y8, Y8
	VPSLLD         $2, Y9, Y9
	KEPT(Y2, Y6, Y8)
	KEPT(Y3, Y7, Y9)
	VPOR           Y1, Y0, Y0
	VPOR           Y3, Y2, Y2
	VPOR           Y2, Y0, Y0
	VPSRLQ         $32, Y0, Y1
	VPOR           Y1, Y0, Y0         // a byte in each 64-bit lane
	VBROADCASTI128 gather<>(SB), Y1
	VPSHUFB        Y1, Y0, Y0
	VEXTRACTI128   $1, Y0, X1
	VPUNPCKLWD     X1, X0, X0
	VMOVD          X0, (DI)
	ADDQ           $4, DI
	ADDL           $8, AX
	DECQ           CX
	JNZ            iteration
	VZEROUPPER
	RET
