//go:build !noasm

#include "textflag.h"

// Transposition in tiles of 8 by 8. In Go:
//
//	for i := range m { // m and n are multiples of 8
//		for j := range n {
//			dst[j*ldd+i] = src[i*lds+j]
//		}
//	}
//
// SI, R8, R9   row of src;  lds, 3lds in bytes
// DI, R10, R11 row of dst;  ldd, 3ldd in bytes
// R12, R13     first tile of a band: src, dst;  CX, DX: columns left of n, rows left of m
//
// Pairs of rows are interleaved by 32 bits, then by 64, then the 128-bit halves are exchanged: 8
// loads, 24 shuffles, 8 stores. Needs AVX.

// func transposeAVX(dst *float32, ldd int, src *float32, lds, m, n int)
TEXT ·transposeAVX(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), R13
	MOVQ ldd+8(FP), R10
	MOVQ src+16(FP), R12
	MOVQ lds+24(FP), R8
	MOVQ m+32(FP), DX
	SHLQ $2, R8
	SHLQ $2, R10
	LEAQ (R8)(R8*2), R9
	LEAQ (R10)(R10*2), R11

band:
	MOVQ R12, SI
	MOVQ R13, DI
	MOVQ n+40(FP), CX

tile:
	LEAQ    (SI)(R8*4), AX
	VMOVUPS (SI), Y0
	VMOVUPS (SI)(R8*1), Y1
	VMOVUPS (SI)(R8*2), Y2
	VMOVUPS (SI)(R9*1), Y3
	VMOVUPS (AX), Y4
	VMOVUPS (AX)(R8*1), Y5
	VMOVUPS (AX)(R8*2), Y6
	VMOVUPS (AX)(R9*1), Y7

	VUNPCKLPS Y1, Y0, Y8  // 00 10 01 11 | 04 14 05 15
	VUNPCKHPS Y1, Y0, Y9  // 02 12 03 13 | 06 16 07 17
	VUNPCKLPS Y3, Y2, Y10
	VUNPCKHPS Y3, Y2, Y11
	VUNPCKLPS Y5, Y4, Y12
	VUNPCKHPS Y5, Y4, Y13
	VUNPCKLPS Y7, Y6, Y14
	VUNPCKHPS Y7, Y6, Y15

	VUNPCKLPD Y10, Y8, Y0  // 00 10 20 30 | 04 14 24 34
	VUNPCKHPD Y10, Y8, Y1  // 01 11 21 31 | 05 15 25 35
	VUNPCKLPD Y11, Y9, Y2  // 02 …        | 06 …
	VUNPCKHPD Y11, Y9, Y3  // 03 …        | 07 …
	VUNPCKLPD Y14, Y12, Y4 // 40 50 60 70 | 44 …
	VUNPCKHPD Y14, Y12, Y5
	VUNPCKLPD Y15, Y13, Y6
	VUNPCKHPD Y15, Y13, Y7

	VPERM2F128 $0x20, Y4, Y0, Y8  // 00 10 20 30 40 50 60 70
	VPERM2F128 $0x20, Y5, Y1, Y9
	VPERM2F128 $0x20, Y6, Y2, Y10
	VPERM2F128 $0x20, Y7, Y3, Y11
	VPERM2F128 $0x31, Y4, Y0, Y12 // 04 14 24 34 44 54 64 74
	VPERM2F128 $0x31, Y5, Y1, Y13
	VPERM2F128 $0x31, Y6, Y2, Y14
	VPERM2F128 $0x31, Y7, Y3, Y15

	LEAQ    (DI)(R10*4), AX
	VMOVUPS Y8, (DI)
	VMOVUPS Y9, (DI)(R10*1)
	VMOVUPS Y10, (DI)(R10*2)
	VMOVUPS Y11, (DI)(R11*1)
	VMOVUPS Y12, (AX)
	VMOVUPS Y13, (AX)(R10*1)
	VMOVUPS Y14, (AX)(R10*2)
	VMOVUPS Y15, (AX)(R11*1)

	ADDQ $32, SI
	LEAQ (DI)(R10*8), DI
	SUBQ $8, CX
	JNZ  tile

	LEAQ (R12)(R8*8), R12
	ADDQ $32, R13
	SUBQ $8, DX
	JNZ  band
	VZEROUPPER
	RET
