//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// Element-wise kernels on n elements, a multiple of 8, at least 8: ops_amd64.s has their loops in
// Go. A step is two vectors.
//
// R0         y or dx
// R1-R4      x, or the four blocks of it
// R5, R6     dy, keep
// R9         elements left

// func reluNEON(y, x *float32, n int)
TEXT ·reluNEON(SB), NOSPLIT, $0-24
	MOVD y+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R9
	CLEAR(15)

loop:
	FLDPQ.P 32(R1), (F0, F1)
	MAX(0, 15, 0)
	MAX(1, 15, 1)
	FSTPQ.P (F0, F1), 32(R0)
	SUBS    $8, R9
	BNE     loop
	RET

// func reluGradNEON(dx, dy, x *float32, n int)
TEXT ·reluGradNEON(SB), NOSPLIT, $0-32
	MOVD dx+0(FP), R0
	MOVD dy+8(FP), R5
	MOVD x+16(FP), R1
	MOVD n+24(FP), R9

loop:
	FLDPQ.P 32(R1), (F0, F1)
	FLDPQ.P 32(R5), (F2, F3)
	ATMOSTZERO(0, 0)
	ATMOSTZERO(1, 1)
	BITCLEAR(2, 0, 0)
	BITCLEAR(3, 1, 1)
	FSTPQ.P (F0, F1), 32(R0)
	SUBS    $8, R9
	BNE     loop
	RET

// BLOCKS loads the four blocks of two vectors to V0, V2, V4, V6 and V1, V3, V5, V7.
#define BLOCKS \
	FLDPQ.P 32(R1), (F0, F1) \
	FLDPQ.P 32(R2), (F2, F3) \
	FLDPQ.P 32(R3), (F4, F5) \
	FLDPQ.P 32(R4), (F6, F7)

// LARGEST is the largest of the blocks from V<i> on, a NaN if one is.
#define LARGEST(i, c) \
	MAX(i, i+2, c)    \
	MAX(i+4, i+6, i+8) \
	MAX(i+8, c, c)

// func maxPoolNEON(y, x0, x1, x2, x3 *float32, n int)
TEXT ·maxPoolNEON(SB), NOSPLIT, $0-48
	MOVD y+0(FP), R0
	MOVD x0+8(FP), R1
	MOVD x1+16(FP), R2
	MOVD x2+24(FP), R3
	MOVD x3+32(FP), R4
	MOVD n+40(FP), R9

loop:
	BLOCKS
	LARGEST(0, 16)
	LARGEST(1, 17)
	FSTPQ.P (F16, F17), 32(R0)
	SUBS    $8, R9
	BNE     loop
	RET

// ROUTE moves what is left of dy in V<g> to block V<x> where it is V<most>, and clears it elsewhere.
#define ROUTE(x, most, g) \
	EQUAL(x, most, 20) \
	BITAND(20, g, x)      \
	BITCLEAR(g, 20, g)

// The four blocks of dx are as far apart as those of x. R10-R13 are their addresses.
//
// func maxPoolGradNEON(dx0, dy, x0, x1, x2, x3 *float32, n int)
TEXT ·maxPoolGradNEON(SB), NOSPLIT, $0-56
	MOVD dx0+0(FP), R10
	MOVD dy+8(FP), R5
	MOVD x0+16(FP), R1
	MOVD x1+24(FP), R2
	MOVD x2+32(FP), R3
	MOVD x3+40(FP), R4
	MOVD n+48(FP), R9
	SUB  R1, R10, R7
	ADD  R7, R2, R11
	ADD  R7, R3, R12
	ADD  R7, R4, R13

loop:
	BLOCKS
	FLDPQ.P 32(R5), (F18, F19)
	LARGEST(0, 16)
	LARGEST(1, 17)
	ROUTE(0, 16, 18)
	ROUTE(1, 17, 19)
	ROUTE(2, 16, 18)
	ROUTE(3, 17, 19)
	ROUTE(4, 16, 18)
	ROUTE(5, 17, 19)
	FSTPQ.P (F0, F1), 32(R10)
	FSTPQ.P (F2, F3), 32(R11)
	FSTPQ.P (F4, F5), 32(R12)
	FSTPQ.P (F18, F19), 32(R13) // the last block gets the rest
	SUBS    $8, R9
	BNE     loop
	RET

DATA bits<>+0(SB)/4, $1
DATA bits<>+4(SB)/4, $2
DATA bits<>+8(SB)/4, $4
DATA bits<>+12(SB)/4, $8
DATA bits<>+16(SB)/4, $16
DATA bits<>+20(SB)/4, $32
DATA bits<>+24(SB)/4, $64
DATA bits<>+28(SB)/4, $128
GLOBL bits<>(SB), RODATA|NOPTR, $32

// func dropoutNEON(y, x *float32, keep *byte, n int, scale float32)
TEXT ·dropoutNEON(SB), NOSPLIT, $0-36
	MOVD  y+0(FP), R0
	MOVD  x+8(FP), R1
	MOVD  keep+16(FP), R6
	MOVD  n+24(FP), R9
	MOVWU scale+32(FP), R10
	BROADCAST(10, 13)
	MOVD  $bits<>(SB), R10
	FLDPQ (R10), (F14, F15)

loop:
	MOVBU.P 1(R6), R10
	FLDPQ.P 32(R1), (F0, F1)
	BROADCAST(10, 2)
	VCMTST  V2.S4, V14.S4, V3.S4 // all bits of lane i where bit i is set
	VCMTST  V2.S4, V15.S4, V4.S4
	TIMES(13, 0, 0)
	TIMES(13, 1, 1)
	BITAND(3, 0, 0)
	BITAND(4, 1, 1)
	FSTPQ.P (F0, F1), 32(R0)
	SUBS    $8, R9
	BNE     loop
	RET
