//go:build !noasm

#include "textflag.h"

// Conversion between float32 and bf16, and to and from pairs of rows. In Go:
//
//	widen       dst[i] = float32 of the bits src[i]<<16, for i < n
//	round       dst[i] = (bits + 0x7fff + bits>>16&1) >> 16, or bits>>16 | 0x40 for a NaN, where
//	            bits are those of src[i], for i < n
//	interleave  dst[2*(p*ldd+j)] = src[2*p*lds+j]
//	            dst[2*(p*ldd+j)+1] = src[(2*p+1)*lds+j], for p < pairs, j < n
//	separate    dst[2*p*ldd+j] = src[128*p+2*j]
//	            dst[(2*p+1)*ldd+j] = src[128*p+2*j+1], for p < pairs, j < n
//	split       dst[s*j+2*w*p+i] = float32 of the bits src[128*p+2*(16*j+i)]<<16
//	            dst[s*j+2*w*p+w+i] = that of src[128*p+2*(16*j+i)+1]<<16, for p < pairs, j < 4, i < 16
//
// n is a positive multiple of 8, for interleave of 16, for separate of 32; pairs is positive. widen
// and round do 32 elements an iteration, then 8. round and separate prefetch src 2 KiB ahead:
// weights come from memory.
//
// widen, round:
// SI, DI   src, dst;  CX elements left
//
// interleave:
// SI, BX   two rows of src, R8 bytes apart;  DI row of dst, R9 bytes from the next
// AX, DX   offset in the rows of src, end;  CX pairs of rows left
//
// separate:
// SI       row of src;  DI, BX two rows of dst, R9 bytes apart
// AX, DX   offset in the rows of dst, end;  CX pairs of rows left;  Y15 mask of the lower halves
//
// split:
// SI       row of src, 64 pairs;  DI, R8 dst of the first 16 pairs, first and second elements
// R9, R10  s, 3s in bytes;  DX w in bytes;  CX pairs of rows left;  Y15 mask of the upper halves
//
// Need AVX2.

// func widenAVX2(dst *float32, src *BF16, n int)
TEXT ·widenAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	SUBQ $32, CX
	JLT  last

four:
	VPMOVZXWD (SI), Y0
	VPMOVZXWD 16(SI), Y1
	VPMOVZXWD 32(SI), Y2
	VPMOVZXWD 48(SI), Y3
	VPSLLD    $16, Y0, Y0
	VPSLLD    $16, Y1, Y1
	VPSLLD    $16, Y2, Y2
	VPSLLD    $16, Y3, Y3
	VMOVDQU   Y0, (DI)
	VMOVDQU   Y1, 32(DI)
	VMOVDQU   Y2, 64(DI)
	VMOVDQU   Y3, 96(DI)
	ADDQ      $64, SI
	ADDQ      $128, DI
	SUBQ      $32, CX
	JGE       four

last:
	ADDQ $32, CX
	JZ   done

one:
	VPMOVZXWD (SI), Y0
	VPSLLD    $16, Y0, Y0
	VMOVDQU   Y0, (DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	SUBQ      $8, CX
	JNZ       one

done:
	VZEROUPPER
	RET

DATA rounding<>+0(SB)/4, $1
DATA rounding<>+4(SB)/4, $0x7fff
DATA rounding<>+8(SB)/4, $0x40
GLOBL rounding<>(SB), RODATA|NOPTR, $12

#define UNORDERED $0x03

// ROUND leaves the rounded bits of the floats at src in the lower halves of y.
#define ROUND(src, y, t, nan) \
	VMOVUPS   src, y              \
	VPSRLD    $16, y, t           \
	VCMPPS    UNORDERED, y, y, nan \
	VPADDD    Y14, y, y           \
	VPAND     Y13, t, Y12         \
	VPADDD    Y12, y, y           \
	VPSRLD    $16, y, y           \
	VPOR      Y15, t, t           \
	VPBLENDVB nan, t, y, y

// func roundAVX2(dst *BF16, src *float32, n int)
TEXT ·roundAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD rounding<>+0(SB), Y13
	VPBROADCASTD rounding<>+4(SB), Y14
	VPBROADCASTD rounding<>+8(SB), Y15
	SUBQ $32, CX
	JLT  last

four:
	PREFETCHT0 2048(SI)
	PREFETCHT0 2112(SI)
	ROUND((SI), Y0, Y4, Y8)
	ROUND(32(SI), Y1, Y5, Y9)
	ROUND(64(SI), Y2, Y6, Y10)
	ROUND(96(SI), Y3, Y7, Y11)
	VPACKUSDW Y1, Y0, Y0      // lower and upper halves of both, alternating
	VPACKUSDW Y3, Y2, Y2
	VPERMQ    $0xd8, Y0, Y0   // in order
	VPERMQ    $0xd8, Y2, Y2
	VMOVDQU   Y0, (DI)
	VMOVDQU   Y2, 32(DI)
	ADDQ      $128, SI
	ADDQ      $64, DI
	SUBQ      $32, CX
	JGE       four

last:
	ADDQ $32, CX
	JZ   done

one:
	ROUND((SI), Y0, Y4, Y8)
	VEXTRACTI128 $1, Y0, X1
	VPACKUSDW    X1, X0, X0
	VMOVDQU      X0, (DI)
	ADDQ         $32, SI
	ADDQ         $16, DI
	SUBQ         $8, CX
	JNZ          one

done:
	VZEROUPPER
	RET

// func interleaveAVX2(dst *BF16, ldd int, src *BF16, lds, pairs, n int)
TEXT ·interleaveAVX2(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ ldd+8(FP), R9
	MOVQ src+16(FP), SI
	MOVQ lds+24(FP), R8
	MOVQ pairs+32(FP), CX
	MOVQ n+40(FP), DX
	SHLQ $2, R9
	SHLQ $1, R8
	SHLQ $1, DX

rows:
	LEAQ (SI)(R8*1), BX
	XORL AX, AX

columns:
	VMOVDQU    (SI)(AX*1), Y0
	VMOVDQU    (BX)(AX*1), Y1
	VPUNPCKLWD Y1, Y0, Y2            // columns 0-3 and 8-11
	VPUNPCKHWD Y1, Y0, Y3            // 4-7 and 12-15
	VPERM2I128 $0x20, Y3, Y2, Y4
	VPERM2I128 $0x31, Y3, Y2, Y5
	VMOVDQU    Y4, (DI)(AX*2)
	VMOVDQU    Y5, 32(DI)(AX*2)
	ADDQ       $32, AX
	CMPQ       AX, DX
	JLT        columns

	LEAQ (SI)(R8*2), SI
	ADDQ R9, DI
	DECQ CX
	JNZ  rows
	VZEROUPPER
	RET

// func separateAVX2(dst *BF16, ldd int, src *BF16, pairs, n int)
TEXT ·separateAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ ldd+8(FP), R9
	MOVQ src+16(FP), SI
	MOVQ pairs+24(FP), CX
	MOVQ n+32(FP), DX
	SHLQ $1, R9
	SHLQ $1, DX
	VPCMPEQD Y15, Y15, Y15
	VPSRLD   $16, Y15, Y15

row:
	LEAQ (DI)(R9*1), BX
	XORL AX, AX

column:
	PREFETCHT0 2048(SI)(AX*2)
	PREFETCHT0 2112(SI)(AX*2)
	VMOVDQU   (SI)(AX*2), Y0
	VMOVDQU   32(SI)(AX*2), Y1
	VMOVDQU   64(SI)(AX*2), Y2
	VMOVDQU   96(SI)(AX*2), Y3
	VPAND     Y15, Y0, Y4
	VPAND     Y15, Y1, Y5
	VPAND     Y15, Y2, Y6
	VPAND     Y15, Y3, Y7
	VPSRLD    $16, Y0, Y0
	VPSRLD    $16, Y1, Y1
	VPSRLD    $16, Y2, Y2
	VPSRLD    $16, Y3, Y3
	VPACKUSDW Y5, Y4, Y4     // lower and upper halves of both, alternating
	VPACKUSDW Y7, Y6, Y6
	VPACKUSDW Y1, Y0, Y0
	VPACKUSDW Y3, Y2, Y2
	VPERMQ    $0xd8, Y4, Y4  // in order
	VPERMQ    $0xd8, Y6, Y6
	VPERMQ    $0xd8, Y0, Y0
	VPERMQ    $0xd8, Y2, Y2
	VMOVDQU   Y4, (DI)(AX*1)
	VMOVDQU   Y6, 32(DI)(AX*1)
	VMOVDQU   Y0, (BX)(AX*1)
	VMOVDQU   Y2, 32(BX)(AX*1)
	ADDQ      $64, AX
	CMPQ      AX, DX
	JLT       column

	ADDQ $256, SI
	LEAQ (DI)(R9*2), DI
	DECQ CX
	JNZ  row
	VZEROUPPER
	RET

// SPLIT sets 16 floats at low to the first elements of the pairs at o(SI), and 16 at high to the
// second.
#define SPLIT(o, low, high) \
	VMOVDQU o(SI), Y0      \
	VMOVDQU 32+o(SI), Y1   \
	VPSLLD  $16, Y0, Y2    \
	VPSLLD  $16, Y1, Y3    \
	VPAND   Y15, Y0, Y0    \
	VPAND   Y15, Y1, Y1    \
	VMOVDQU Y2, low        \
	VMOVDQU Y3, 32low      \
	VMOVDQU Y0, high       \
	VMOVDQU Y1, 32high

// func splitAVX2(dst *float32, s, w int, src *BF16, pairs int)
TEXT ·splitAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ s+8(FP), R9
	MOVQ w+16(FP), DX
	MOVQ src+24(FP), SI
	MOVQ pairs+32(FP), CX
	SHLQ $2, R9
	SHLQ $2, DX
	LEAQ (R9)(R9*2), R10
	VPCMPEQD Y15, Y15, Y15
	VPSLLD   $16, Y15, Y15

pair:
	LEAQ (DI)(DX*1), R8
	SPLIT(0, (DI), (R8))
	SPLIT(64, (DI)(R9*1), (R8)(R9*1))
	SPLIT(128, (DI)(R9*2), (R8)(R9*2))
	SPLIT(192, (DI)(R10*1), (R8)(R10*1))
	ADDQ $256, SI
	LEAQ (DI)(DX*2), DI
	DECQ CX
	JNZ  pair
	VZEROUPPER
	RET
