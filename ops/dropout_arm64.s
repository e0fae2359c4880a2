//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// Dropout's mask: see dropout_amd64.s for the loop in Go. A step is eight blocks of Philox, word by
// word: V0-V3 are the words of the four even ones, V4-V7 of the four odd ones.
//
// R0       keep
// R4-R7    counter;  R10, R11 key;  R12-R15 the constants of Philox
// R9       steps left
// V8, V9   bits of keep, threshold;  V20 the next bit
// V10-V13  what is added to the key each round, the multipliers
// V14, V15 key of the round
// V31      0, 2, 4, 6

// MIX is a round of four blocks: the words, and their names.
#define MIX(n0, n1, n2, n3, v0, v1, v2, v3) \
	UMULL(12, n0, 16)        \
	UMULLHIGH(12, n0, 17)    \
	UMULL(13, n2, 18)        \
	UMULLHIGH(13, n2, 19)    \
	VUZP2 V19.S4, V18.S4, v0 \
	BITXOR(n1, n0, n0)          \
	BITXOR(14, n0, n0)          \
	VUZP2 V17.S4, V16.S4, v2 \
	BITXOR(n3, n2, n2)          \
	BITXOR(15, n2, n2)          \
	VUZP1 V19.S4, V18.S4, v1 \
	VUZP1 V17.S4, V16.S4, v3

#define ROUND \
	MIX(0, 1, 2, 3, V0.S4, V1.S4, V2.S4, V3.S4) \
	MIX(4, 5, 6, 7, V4.S4, V5.S4, V6.S4, V7.S4) \
	VADD V10.S4, V14.S4, V14.S4 \
	VADD V11.S4, V15.S4, V15.S4

// KEEP sets the next bit of V8 where a word is at least the threshold.
#define KEEP(word) \
	UATLEAST(word, 9, word) \
	BITAND(20, word, word)     \
	BITOR(word, 8, 8)          \
	VSHL $1, V20.S4, V20.S4

DATA even<>+0(SB)/4, $0
DATA even<>+4(SB)/4, $2
DATA even<>+8(SB)/4, $4
DATA even<>+12(SB)/4, $6
GLOBL even<>(SB), RODATA|NOPTR, $16

// func dropoutMaskNEON(keep *byte, counter *[4]uint32, key *[2]uint32, n int, threshold uint32)
TEXT ·dropoutMaskNEON(SB), NOSPLIT, $0-36
	MOVD  keep+0(FP), R0
	MOVD  counter+8(FP), R1
	MOVD  key+16(FP), R2
	MOVD  n+24(FP), R9
	MOVWU threshold+32(FP), R3
	LDPW  (R1), (R4, R5)
	LDPW  8(R1), (R6, R7)
	LDPW  (R2), (R10, R11)
	MOVW  $0xD2511F53, R12
	MOVW  $0xCD9E8D57, R13
	MOVW  $0x9E3779B9, R14
	MOVW  $0xBB67AE85, R15
	BROADCAST(3, 9)
	BROADCAST(14, 10)
	BROADCAST(15, 11)
	BROADCAST(12, 12)
	BROADCAST(13, 13)
	MOVD  $even<>(SB), R16
	FMOVQ (R16), F31
	MOVD  $1, R17

step:
	BROADCAST(4, 0)
	BROADCAST(5, 1)
	BROADCAST(6, 2)
	BROADCAST(7, 3)
	BROADCAST(17, 4)
	VADD V31.S4, V0.S4, V0.S4
	VADD V0.S4, V4.S4, V4.S4
	MOVE(1, 5)
	MOVE(2, 6)
	MOVE(3, 7)
	BROADCAST(10, 14)
	BROADCAST(11, 15)
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
	CLEAR(8)
	BROADCAST(17, 20)
	KEEP(0)
	KEEP(1)
	KEEP(2)
	KEEP(3)
	KEEP(4)
	KEEP(5)
	KEEP(6)
	KEEP(7)
	VUZP1   V8.H8, V8.H8, V8.H8    // the lowest bytes of the four words
	VUZP1   V8.B16, V8.B16, V8.B16
	FMOVS.P F8, 4(R0)
	ADDW    $8, R4
	SUBS    $1, R9
	BNE     step
	RET
