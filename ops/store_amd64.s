//go:build !noasm

#include "textflag.h"

// Rows copied with non-temporal stores. In Go:
//
//	for i := range rows {
//		for j := range cols { // a positive multiple of 16
//			dst[i*ldd+j] = src[i*lds+j]
//		}
//	}
//
// DI, R8  row of dst, ldd in bytes;  SI, R9 row of src, lds in bytes
// AX, DX  column in bytes, end of the columns;  CX rows left
//
// A step writes a whole cache line: dst and ldd are aligned to 64 bytes. Needs AVX.

// func storeRowsAVX(dst *float32, ldd int, src *float32, lds, rows, cols int)
TEXT ·storeRowsAVX(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ ldd+8(FP), R8
	MOVQ src+16(FP), SI
	MOVQ lds+24(FP), R9
	MOVQ rows+32(FP), CX
	MOVQ cols+40(FP), DX
	SHLQ $2, R8
	SHLQ $2, R9
	SHLQ $2, DX

row:
	XORL AX, AX

line:
	VMOVUPS  (SI)(AX*1), Y0
	VMOVUPS  32(SI)(AX*1), Y1
	VMOVNTPS Y0, (DI)(AX*1)
	VMOVNTPS Y1, 32(DI)(AX*1)
	ADDQ     $64, AX
	CMPQ     AX, DX
	JLT      line
	ADDQ     R8, DI
	ADDQ     R9, SI
	DECQ     CX
	JNZ      row
	SFENCE
	VZEROUPPER
	RET
