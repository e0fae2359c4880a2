//go:build !noasm

#include "textflag.h"

// The product of the AMX level: blocks of height rows and the 64 columns of a panel.
//
//    for range blocks {
//        for i := range height { // at most 32
//            for j := range 64 {
//                acc := 0, or bias[j] if bias != nil, or c[i*ldc+j] if flags&tileAdd
//                for _, s := range segs[:n] {
//                    for p := 0; p < k; p += 2 { // k is a multiple of 32
//                        acc += a[s.a+i*rs+p]*b[s.b+64*p+2*j] + a[s.a+i*rs+p+1]*b[s.b+64*p+2*j+1]
//                    }
//                }
//                c[i*ldc+j] = acc
//                if y != nil {
//                    y[i*ldy+j] = acc rounded, of max(0, acc) if flags&tileReLU
//                }
//            }
//        }
//        a = a[height*rs:]
//        if y == nil { c = c[height*ldc:] } else { y = y[height*ldy:] } // c is for one block then
//    }
//
// The sum goes by runs of run segments, so that a's rows stay in the first-level cache while both halves of 32 columns
// use them; between runs it waits in c. A half is two by two tiles of C. A tile of C or a
// has (height+1)/2 rows. The second begins at row height/2, so if height is odd both have the middle
// row: they read it before either is written, and write the same. Rounding one half goes on while the
// tiles of the next are computed. With every step of k lines come to the second-level cache: if apart is 0, two of what the next
// block reads of the last segment, which of taps in order of memory is what none before has read; else one
// of each of eight places from next on, apart numbers from each other.
//
// TMM0-TMM3  tiles of C: upper left, upper right, lower left, lower right
// TMM4-TMM5  tiles of a, upper and lower: 32 of k
// TMM6-TMM7  tiles of b, left and right: 16 pairs of 16 columns
// DI, DX     c of the block, its rows ldc bytes apart
// SI, R15    where a is read, upper and lower;  R8 rs bytes;  AX what is fetched ahead
// BX, R9     where b is read, 256 bytes from row to row
// R10, R11   apart in bytes, a place
// R12, R13   segments, how many are left of the run;  CX steps of k left
// R14        0 in the left half, 128 in the right: bytes of 32 columns, in c and in b
//            of rounding: AX, BX row of c and of y, CX rows left, SI ldy bytes
// Z0-Z2      numbers to be rounded;  Z3 0 with tileReLU, else minus infinity
// in the frame: first segment of the run, how many it has, how many are left with it; what is fetched ahead; from the upper
//            rows to the lower, in bytes of c and of a
//
// The system keeps the tiles of a thread only while they are configured, and Go may move what runs
// to another thread: they are configured and released in here. A call cannot be preempted, so it
// must not take long: 256 rows and k 4608 are 52 µs at the peak of 2.9 TFLOP/s.
//
// There are no tails of columns or of k. Needs AMX-TILE, AMX-BF16 and AVX512-BF16, and that the system allows
// tiles (see requestAMX). AMX-BF16 and the rounding take subnormal numbers as zero.

// HALF points AX and CX to this half of the block's upper and lower rows in c.
#define HALF \
	MOVQ lowerC-40(SP), CX \
	LEAQ (DI)(R14*1), AX   \
	ADDQ AX, CX

// func tileAMX(c *float32, ldc int, a *BF16, rs int, b *BF16, segs *segment, n, k, blocks, height int, config *tileConfig, flags int, bias *float32, y *BF16, ldy int, run int, next *BF16, apart int)
TEXT ·tileAMX(SB), NOSPLIT, $48-144
	MOVQ config+80(FP), AX
	LONG $0x4978e2c4; BYTE $0x00                                 // LDTILECFG [RAX]
	MOVQ c+0(FP), DI
	MOVQ ldc+8(FP), DX
	MOVQ rs+24(FP), R8
	SHLQ $2, DX
	SHLQ $1, R8
	MOVQ $256, R9
	MOVQ height+72(FP), R10
	SHRQ $1, R10
	MOVQ R10, R11
	IMULQ DX, R10
	IMULQ R8, R11
	MOVQ  R10, lowerC-40(SP)
	MOVQ  R11, lowerA-48(SP)
	MOVQ  next+128(FP), AX
	MOVQ  AX, ahead-32(SP)
	VPXORD Z3, Z3, Z3
	TESTQ  $2, flags+88(FP)
	JNZ    block
	MOVL   $0xff800000, AX
	VPBROADCASTD AX, Z3

block:
	MOVQ  n+48(FP), AX
	MOVQ  segs+40(FP), R12
	MOVQ  AX, left-8(SP)
	MOVQ  R12, first-16(SP)
	CMPQ  apart+136(FP), $0
	JNE   run
	DECQ  AX
	SHLQ  $4, AX
	MOVQ  (R12)(AX*1), CX
	MOVQ  height+72(FP), AX
	IMULQ R8, AX
	ADDQ  a+16(FP), AX
	LEAQ  (AX)(CX*2), AX
	MOVQ  AX, ahead-32(SP)

run:
	MOVQ    left-8(SP), AX
	CMPQ    AX, run+120(FP)
	CMOVQGT run+120(FP), AX
	MOVQ    AX, count-24(SP)
	XORL    R14, R14

half:
	MOVQ  left-8(SP), AX
	CMPQ  AX, n+48(FP)
	JNE   load
	TESTQ $1, flags+88(FP)
	JNZ   load
	MOVQ  bias+96(FP), AX
	TESTQ AX, AX
	JNZ   biased
	LONG $0x497be2c4; BYTE $0xc0                                 // TILEZERO TMM0
	LONG $0x497be2c4; BYTE $0xc8                                 // TILEZERO TMM1
	LONG $0x497be2c4; BYTE $0xd0                                 // TILEZERO TMM2
	LONG $0x497be2c4; BYTE $0xd8                                 // TILEZERO TMM3
	JMP  loaded

biased:
	ADDQ R14, AX
	XORL CX, CX
	LONG $0x4b7be2c4; WORD $0x0804                               // TILELOADD TMM0, [RAX+RCX*1]
	LONG $0x4b7be2c4; WORD $0x084c; BYTE $0x40                   // TILELOADD TMM1, [RAX+RCX*1+64]
	LONG $0x4b7be2c4; WORD $0x0814                               // TILELOADD TMM2, [RAX+RCX*1]
	LONG $0x4b7be2c4; WORD $0x085c; BYTE $0x40                   // TILELOADD TMM3, [RAX+RCX*1+64]
	JMP  loaded

load:
	HALF
	LONG $0x4b7be2c4; WORD $0x1004                               // TILELOADD TMM0, [RAX+RDX*1]
	LONG $0x4b7be2c4; WORD $0x104c; BYTE $0x40                   // TILELOADD TMM1, [RAX+RDX*1+64]
	LONG $0x4b7be2c4; WORD $0x1114                               // TILELOADD TMM2, [RCX+RDX*1]
	LONG $0x4b7be2c4; WORD $0x115c; BYTE $0x40                   // TILELOADD TMM3, [RCX+RDX*1+64]

loaded:
	MOVQ first-16(SP), R12
	MOVQ count-24(SP), R13
	MOVQ ahead-32(SP), AX

segment:
	MOVQ (R12), SI
	MOVQ 8(R12), BX
	SHLQ $1, SI
	SHLQ $1, BX
	ADDQ a+16(FP), SI
	ADDQ b+32(FP), BX
	MOVQ lowerA-48(SP), R15
	ADDQ SI, R15
	ADDQ R14, BX
	ADDQ $16, R12
	MOVQ k+56(FP), CX
	MOVQ apart+136(FP), R10
	SHLQ $1, R10
	PCALIGN $32

step:
	LONG $0x4b7ba2c4; WORD $0x0624                               // TILELOADD TMM4, [RSI+R8*1]
	LONG $0x4b79a2c4; WORD $0x0b34                               // TILELOADDT1 TMM6, [RBX+R9*1]
	LONG $0x4b79a2c4; WORD $0x0b7c; BYTE $0x40                   // TILELOADDT1 TMM7, [RBX+R9*1+64]
	LONG $0x4b7b82c4; WORD $0x072c                               // TILELOADD TMM5, [R15+R8*1]
	LONG $0x5c4ae2c4; BYTE $0xc4                                 // TDPBF16PS TMM0, TMM4, TMM6
	LONG $0x5c42e2c4; BYTE $0xcc                                 // TDPBF16PS TMM1, TMM4, TMM7
	LONG $0x5c4ae2c4; BYTE $0xd5                                 // TDPBF16PS TMM2, TMM5, TMM6
	LONG $0x5c42e2c4; BYTE $0xdd                                 // TDPBF16PS TMM3, TMM5, TMM7
	TESTQ R10, R10
	JNZ   places
	PREFETCHT1 (AX)
	PREFETCHT1 64(AX)
	ADDQ $128, AX
fetched:
	ADDQ $64, SI
	ADDQ $64, R15
	ADDQ $4096, BX
	SUBQ $32, CX
	JNZ  step
	DECQ R13
	JNZ  segment
	MOVQ AX, ahead-32(SP)

	HALF
	LONG $0x4b7ae2c4; WORD $0x1004                               // TILESTORED [RAX+RDX*1], TMM0
	LONG $0x4b7ae2c4; WORD $0x104c; BYTE $0x40                   // TILESTORED [RAX+RDX*1+64], TMM1
	LONG $0x4b7ae2c4; WORD $0x1114                               // TILESTORED [RCX+RDX*1], TMM2
	LONG $0x4b7ae2c4; WORD $0x115c; BYTE $0x40                   // TILESTORED [RCX+RDX*1+64], TMM3
	MOVQ y+104(FP), BX
	TESTQ BX, BX
	JZ   stored
	MOVQ count-24(SP), AX
	CMPQ AX, left-8(SP)
	JNE  stored
	MOVQ R14, CX
	SHRQ $1, CX
	ADDQ CX, BX
	LEAQ (DI)(R14*1), AX
	MOVQ height+72(FP), CX
	MOVQ ldy+112(FP), SI
	SHLQ $1, SI

round:
	VMAXPS (AX), Z3, Z0
	VMAXPS 64(AX), Z3, Z1
	LONG $0x4877f262; WORD $0xd072                               // VCVTNE2PS2BF16 ZMM2, ZMM1, ZMM0
	VMOVDQU64 Z2, (BX)
	ADDQ DX, AX
	ADDQ SI, BX
	DECQ CX
	JNZ  round

stored:
	XORQ $128, R14
	JNZ  half
	MOVQ count-24(SP), AX
	SUBQ AX, left-8(SP)
	JZ   summed
	SHLQ $4, AX
	ADDQ AX, first-16(SP)
	JMP  run

summed:
	MOVQ  height+72(FP), AX
	MOVQ  AX, CX
	IMULQ R8, CX
	ADDQ  CX, a+16(FP)
	CMPQ  y+104(FP), $0
	JEQ   below
	MOVQ  ldy+112(FP), CX
	SHLQ  $1, CX
	IMULQ CX, AX
	ADDQ  AX, y+104(FP)
	DECQ  blocks+64(FP)
	JNZ   block
	JMP   done

below:
	IMULQ DX, AX
	ADDQ  AX, DI
	DECQ  blocks+64(FP)
	JNZ   block

	JMP   done

places:
	PREFETCHT1 (AX)
	PREFETCHT1 (AX)(R10*1)
	LEAQ       (AX)(R10*2), R11
	PREFETCHT1 (R11)
	PREFETCHT1 (R11)(R10*1)
	LEAQ       (R11)(R10*2), R11
	PREFETCHT1 (R11)
	PREFETCHT1 (R11)(R10*1)
	LEAQ       (R11)(R10*2), R11
	PREFETCHT1 (R11)
	PREFETCHT1 (R11)(R10*1)
	ADDQ       $64, AX
	JMP        fetched

done:
	LONG $0x4978e2c4; BYTE $0xc0                                 // TILERELEASE
	VZEROUPPER
	RET
