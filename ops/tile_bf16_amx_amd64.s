//go:build !noasm

#include "textflag.h"

// The bf16 microkernel of AMX: blocks of height rows and the 64 columns of a panel. In Go:
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
//        if y == nil { c = c[height*ldc:] } else { y = y[height*ldy:] } // then c holds one block
//    }
//
// Segments are summed in runs of run, so that the rows of a stay in L1 while both halves of 32
// columns use them. Between runs the sum waits in c. A half is two by two tiles of C.
//
// A tile of C or a has (height+1)/2 rows. The lower one begins at row height/2, so if height is odd
// both tiles contain the middle row: both read it before either is written, and both write the same
// values. One half is rounded while the tiles of the next are computed.
//
// Each step of k prefetches lines into L2. If stride is 0, two lines of the next block's a in the
// last segment: with taps in memory order, no earlier step has read them. Else one line of each of
// eight streams, which begin at next, stride elements from each other.
//
// TMM0-TMM3  tiles of C: upper left, upper right, lower left, lower right
// TMM4-TMM5  tiles of a, upper and lower: 32 steps of k
// TMM6-TMM7  tiles of b, left and right: 16 pairs of 16 columns
// DI, DX     c of the block, ldc in bytes
// SI, R15    next elements of a, upper and lower;  R8 rs in bytes;  AX next address to prefetch
// BX, R9     next elements of b, 256 bytes from row to row
// R10, R11   stride in bytes, an address
// R12, R13   next segment, segments left of the run;  CX steps of k left
// R14        0 in the left half, 128 in the right: bytes of 32 columns, in c and in b
//            when rounding: AX, BX row of c and of y, CX rows left, SI ldy in bytes
// Z0-Z2      floats to round;  Z3 0 with tileReLU, else minus infinity
// on the frame: first segment of the run, its segments, segments left with it; next address to
//            prefetch; from the upper rows to the lower, in bytes of c and of a
//
// Linux keeps the tile registers of a thread only while they are configured, and Go may move a
// goroutine to another thread. So the kernel configures and releases them. A call cannot be
// preempted and must be short: 256 rows and k 4608 take 52 µs at the peak of 2.9 TFLOP/s.
//
// There are no tails of columns or of k. Needs AMX-TILE, AMX-BF16 and AVX512-BF16, and the
// permission of the operating system (see requestAMX). AMX-BF16 and the rounding treat subnormals
// as zero.

// HALF points AX and CX to this half of the block's upper and lower rows in c.
#define HALF \
	MOVQ lowerC-40(SP), CX \
	LEAQ (DI)(R14*1), AX   \
	ADDQ AX, CX

// func panelAMX(c argC, a argA, b argB, sum argSum, blocks argBlocks,
//    end argEpilogue, y argY, next argStreams)
TEXT ·panelAMX(SB), NOSPLIT, $48-160
	MOVQ blocks_config+96(FP), AX
	LONG $0x4978e2c4; BYTE $0x00                                 // LDTILECFG [RAX]
	MOVQ c_data+0(FP), DI
	MOVQ c_ld+8(FP), DX
	MOVQ a_rs+24(FP), R8
	SHLQ $2, DX
	SHLQ $1, R8
	MOVQ $256, R9
	MOVQ blocks_height+88(FP), R10
	SHRQ $1, R10
	MOVQ R10, R11
	IMULQ DX, R10
	IMULQ R8, R11
	MOVQ  R10, lowerC-40(SP)
	MOVQ  R11, lowerA-48(SP)
	MOVQ  next_at+144(FP), AX
	MOVQ  AX, prefetch-32(SP)
	VPXORD Z3, Z3, Z3
	TESTQ  $2, end_flags+120(FP)
	JNZ    block
	MOVL   $0xff800000, AX
	VPBROADCASTD AX, Z3

block:
	MOVQ  sum_n+64(FP), AX
	MOVQ  sum_segs+56(FP), R12
	MOVQ  AX, left-8(SP)
	MOVQ  R12, first-16(SP)
	CMPQ  next_stride+152(FP), $0
	JNE   run
	DECQ  AX
	SHLQ  $4, AX
	MOVQ  (R12)(AX*1), CX
	MOVQ  blocks_height+88(FP), AX
	IMULQ R8, AX
	ADDQ  a_data+16(FP), AX
	LEAQ  (AX)(CX*2), AX
	MOVQ  AX, prefetch-32(SP)

run:
	MOVQ    left-8(SP), AX
	CMPQ    AX, blocks_run+104(FP)
	CMOVQGT blocks_run+104(FP), AX
	MOVQ    AX, count-24(SP)
	XORL    R14, R14

half:
	MOVQ  left-8(SP), AX
	CMPQ  AX, sum_n+64(FP)
	JNE   load
	TESTQ $1, end_flags+120(FP)
	JNZ   load
	MOVQ  end_bias+112(FP), AX
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
	MOVQ prefetch-32(SP), AX

segment:
	MOVQ (R12), SI
	MOVQ 8(R12), BX
	SHLQ $1, SI
	SHLQ $1, BX
	ADDQ a_data+16(FP), SI
	ADDQ b_data+40(FP), BX
	MOVQ lowerA-48(SP), R15
	ADDQ SI, R15
	ADDQ R14, BX
	ADDQ $16, R12
	MOVQ sum_k+72(FP), CX
	MOVQ next_stride+152(FP), R10
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
	JNZ   streams
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
	MOVQ AX, prefetch-32(SP)

	HALF
	LONG $0x4b7ae2c4; WORD $0x1004                               // TILESTORED [RAX+RDX*1], TMM0
	LONG $0x4b7ae2c4; WORD $0x104c; BYTE $0x40                   // TILESTORED [RAX+RDX*1+64], TMM1
	LONG $0x4b7ae2c4; WORD $0x1114                               // TILESTORED [RCX+RDX*1], TMM2
	LONG $0x4b7ae2c4; WORD $0x115c; BYTE $0x40                   // TILESTORED [RCX+RDX*1+64], TMM3
	MOVQ y_data+128(FP), BX
	TESTQ BX, BX
	JZ   stored
	MOVQ count-24(SP), AX
	CMPQ AX, left-8(SP)
	JNE  stored
	MOVQ R14, CX
	SHRQ $1, CX
	ADDQ CX, BX
	LEAQ (DI)(R14*1), AX
	MOVQ blocks_height+88(FP), CX
	MOVQ y_ld+136(FP), SI
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
	MOVQ  blocks_height+88(FP), AX
	MOVQ  AX, CX
	IMULQ R8, CX
	ADDQ  CX, a_data+16(FP)
	CMPQ  y_data+128(FP), $0
	JEQ   below
	MOVQ  y_ld+136(FP), CX
	SHLQ  $1, CX
	IMULQ CX, AX
	ADDQ  AX, y_data+128(FP)
	DECQ  blocks_n+80(FP)
	JNZ   block
	JMP   done

below:
	IMULQ DX, AX
	ADDQ  AX, DI
	DECQ  blocks_n+80(FP)
	JNZ   block

	JMP   done

streams:
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
