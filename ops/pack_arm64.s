//go:build !noasm

#include "textflag.h"

// Packing and transposition with NEON: pack_amd64.s and transpose_amd64.s have the loops in Go.

// Four rows of src at a time, which are four streams, to runs of four rows of a panel.
//
// R0-R3    next columns of the rows of src;  R4-R7 the rows of the panel
// R8, R9   first row of src, and of dst
// R10-R12  rs, stride, and a row of a panel in bytes
// R13-R15  rows, panels and pieces left;  R16, R17 panels, pieces;  R19 panel of dst
//
// A step is 4 loads and 4 stores of 64 bytes.

// func packNEON(dst *float32, stride int, src *float32, rs, k, panels, pieces int)
TEXT ·packNEON(SB), NOSPLIT, $0-56
	MOVD dst+0(FP), R9
	MOVD stride+8(FP), R11
	MOVD src+16(FP), R8
	MOVD rs+24(FP), R10
	MOVD k+32(FP), R13
	MOVD panels+40(FP), R16
	MOVD pieces+48(FP), R17
	LSL  $2, R10
	LSL  $2, R11
	LSL  $6, R17, R12

rows:
	MOVD R8, R0
	ADD  R10, R0, R1
	ADD  R10, R1, R2
	ADD  R10, R2, R3
	MOVD R9, R19
	MOVD R16, R14

panel:
	MOVD R19, R4
	ADD  R12, R4, R5
	ADD  R12, R5, R6
	ADD  R12, R6, R7
	MOVD R17, R15

piece:
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R2), [V16.S4, V17.S4, V18.S4, V19.S4]
	VLD1.P 64(R3), [V20.S4, V21.S4, V22.S4, V23.S4]
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R4)
	VST1.P [V4.S4, V5.S4, V6.S4, V7.S4], 64(R5)
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R6)
	VST1.P [V20.S4, V21.S4, V22.S4, V23.S4], 64(R7)
	SUBS   $1, R15
	BNE    piece
	ADD    R11, R19
	SUBS   $1, R14
	BNE    panel
	ADD    R10<<2, R8
	ADD    R12<<2, R9
	SUBS   $4, R13
	BNE    rows
	RET

// Tiles of 4 by 4: pairs of rows are interleaved by 32 bits, then by 64.
//
// R0-R3     rows of src;  R4-R7 rows of dst
// R8, R9    first tile of a band: src, dst;  R10, R11 lds, ldd in bytes
// R12, R13  rows left of m, columns left of n

// func transposeNEON(dst *float32, ldd int, src *float32, lds, m, n int)
TEXT ·transposeNEON(SB), NOSPLIT, $0-48
	MOVD dst+0(FP), R9
	MOVD ldd+8(FP), R11
	MOVD src+16(FP), R8
	MOVD lds+24(FP), R10
	MOVD m+32(FP), R12
	LSL  $2, R10
	LSL  $2, R11

band:
	MOVD R8, R0
	ADD  R10, R0, R1
	ADD  R10, R1, R2
	ADD  R10, R2, R3
	MOVD R9, R4
	MOVD n+40(FP), R13

tile:
	FMOVQ.P 16(R0), F0
	FMOVQ.P 16(R1), F1
	FMOVQ.P 16(R2), F2
	FMOVQ.P 16(R3), F3
	ADD     R11, R4, R5
	ADD     R11, R5, R6
	ADD     R11, R6, R7
	VTRN1   V1.S4, V0.S4, V4.S4 // 00 10 02 12
	VTRN2   V1.S4, V0.S4, V5.S4 // 01 11 03 13
	VTRN1   V3.S4, V2.S4, V6.S4 // 20 30 22 32
	VTRN2   V3.S4, V2.S4, V7.S4 // 21 31 23 33
	VTRN1   V6.D2, V4.D2, V0.D2 // 00 10 20 30
	VTRN1   V7.D2, V5.D2, V1.D2 // 01 11 21 31
	VTRN2   V6.D2, V4.D2, V2.D2 // 02 12 22 32
	VTRN2   V7.D2, V5.D2, V3.D2 // 03 13 23 33
	FMOVQ   F0, (R4)
	FMOVQ   F1, (R5)
	FMOVQ   F2, (R6)
	FMOVQ   F3, (R7)
	ADD     R11, R7, R4
	SUBS    $4, R13
	BNE     tile
	ADD     R10<<2, R8
	ADD     $16, R9
	SUBS    $4, R12
	BNE     band
	RET
