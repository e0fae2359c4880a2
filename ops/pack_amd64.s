//go:build !noasm

#include "textflag.h"

// Packing of a matrix with contiguous rows: panels panels of pieces pieces of 16 columns. In Go:
//
//	for p := range k { // a multiple of 4
//		for i := range panels {
//			for j := range pieces*16 {
//				dst[i*stride+p*pieces*16+j] = src[p*rs+i*pieces*16+j]
//			}
//		}
//	}
//
// SI, R11      four rows of src, and the next columns in the first of them
// R9, R10      rs, 3rs in bytes
// DI, R12      the four rows of the first panel, and of this one
// R8, BX, R13  stride in bytes, bytes of a row of a panel, thrice that
// DX, CX, AX   rows, panels and pieces left;  R15 the next piece of the panel
//
// Four rows at a time: src is read as four streams, and a panel is written in runs of four rows.
// Single rows, which are a power of two apart from panel to panel, would compete for one set of the
// cache. A step is 8 loads and 8 stores. Needs AVX.

// func packAVX(dst *float32, stride int, src *float32, rs, k, panels, pieces int)
TEXT ·packAVX(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DI
	MOVQ stride+8(FP), R8
	MOVQ src+16(FP), SI
	MOVQ rs+24(FP), R9
	MOVQ k+32(FP), DX
	MOVQ pieces+48(FP), BX
	SHLQ $2, R8
	SHLQ $2, R9
	SHLQ $6, BX
	LEAQ (R9)(R9*2), R10
	LEAQ (BX)(BX*2), R13

rows:
	MOVQ SI, R11
	MOVQ DI, R12
	MOVQ panels+40(FP), CX

panel:
	MOVQ R12, R15
	MOVQ pieces+48(FP), AX

piece:
	VMOVUPS (R11), Y0
	VMOVUPS 32(R11), Y1
	VMOVUPS (R11)(R9*1), Y2
	VMOVUPS 32(R11)(R9*1), Y3
	VMOVUPS (R11)(R9*2), Y4
	VMOVUPS 32(R11)(R9*2), Y5
	VMOVUPS (R11)(R10*1), Y6
	VMOVUPS 32(R11)(R10*1), Y7
	VMOVUPS Y0, (R15)
	VMOVUPS Y1, 32(R15)
	VMOVUPS Y2, (R15)(BX*1)
	VMOVUPS Y3, 32(R15)(BX*1)
	VMOVUPS Y4, (R15)(BX*2)
	VMOVUPS Y5, 32(R15)(BX*2)
	VMOVUPS Y6, (R15)(R13*1)
	VMOVUPS Y7, 32(R15)(R13*1)
	ADDQ    $64, R11
	ADDQ    $64, R15
	DECQ    AX
	JNZ     piece
	ADDQ    R8, R12
	DECQ    CX
	JNZ     panel
	LEAQ    (SI)(R9*4), SI
	LEAQ    (DI)(BX*4), DI
	SUBQ    $4, DX
	JNZ     rows
	VZEROUPPER
	RET
