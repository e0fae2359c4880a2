//go:build !noasm

#include "textflag.h"

// Short rows copied to a larger stride: the taps of a convolution over the colours of an image. In
// Go:
//
//	for i := range n { // positive
//		for j := range 4 {
//			dst[i*ldd+j] = src[i*lds+j], or 0 if j >= lds
//		}
//	}
//
// lds is 1 to 4. A row is one load and one store of 64 bits, so both exceed the row if lds is less
// than 4.
//
// SI, R8  row of src, lds in bytes;  DI, R9 row of dst, ldd in bytes
// CX      rows left;  DX mask of the elements of a row;  AX a row
//
// Needs nothing but amd64.

// func spreadRows(dst *BF16, ldd int, src *BF16, lds, n int)
TEXT ·spreadRows(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ ldd+8(FP), R9
	MOVQ src+16(FP), SI
	MOVQ lds+24(FP), R8
	SHLQ $1, R9
	SHLQ $1, R8
	MOVQ $64, CX
	SHLQ $3, R8
	SUBQ R8, CX
	SHRQ $3, R8
	MOVQ $-1, DX
	SHRQ CX, DX
	MOVQ n+32(FP), CX

row:
	MOVQ (SI), AX
	ANDQ DX, AX
	MOVQ AX, (DI)
	ADDQ R8, SI
	ADDQ R9, DI
	DECQ CX
	JNZ  row
	RET
