//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

// Batch normalization of rows of channels, and followed by a 2x2 max pool: batchnorm_amd64.s and
// batchnorm_pool_amd64.h have the loops in Go. A step is a vector of 4 channels.
//
// R0             p
// R1-R4          row of x, or of each block of it
// R5, R6         row of dy, and of out
// R7             bytes from a row to the next
// R8, R9         column in bytes, end of the columns
// R10, R11, R12  mean, scale, beta
// R13, R14       sum, product;  a, b
// R15            rows left;  R19-R22 row of each block of out
// V15            floor in all lanes

#define START \
	MOVD  p+0(FP), R0              \
	MOVD  normArgs_x(R0), R1       \
	MOVD  (normArgs_x+8)(R0), R2   \
	MOVD  (normArgs_x+16)(R0), R3  \
	MOVD  (normArgs_x+24)(R0), R4  \
	MOVD  normArgs_dy(R0), R5      \
	MOVD  normArgs_out(R0), R6     \
	MOVD  normArgs_mean(R0), R10   \
	MOVD  normArgs_scale(R0), R11  \
	MOVD  normArgs_beta(R0), R12   \
	MOVD  normArgs_sum(R0), R13    \
	MOVD  normArgs_product(R0), R14 \
	MOVD  normArgs_rows(R0), R15   \
	MOVD  normArgs_cols(R0), R9    \
	MOVD  normArgs_stride(R0), R7  \
	MOVWU normArgs_floor(R0), R8   \
	BROADCAST(8, 15)               \
	LSL   $2, R9                   \
	LSL   $2, R7

// ROWS does vector for each vector of each row, and next after each row, and returns.
#define ROWS(vector, next) \
row:              \
	MOVD $0, R8   \
column:           \
	vector        \
	ADD  $16, R8  \
	CMP  R9, R8   \
	BLT  column   \
	next          \
	SUBS $1, R15  \
	BNE  row      \
	RET

#define NEXT \
	ADD R7, R1 \
	ADD R7, R5 \
	ADD R7, R6

#define COLUMNSUMS \
	LOADAT(1, 8, 0)   \
	LOADAT(10, 8, 1)  \
	LOADAT(13, 8, 2)  \
	LOADAT(14, 8, 3)  \
	MINUS(0, 1, 0)    \ // d = x − mean
	PLUS(2, 0, 2)     \
	FMA(0, 0, 3)      \
	STOREAT(2, 13, 8) \ // sum += d
	STOREAT(3, 14, 8)   // product += d*d

// func columnSumsNEON(p *normArgs)
TEXT ·columnSumsNEON(SB), NOSPLIT, $0-8
	START
	ROWS(COLUMNSUMS, NEXT)

#define NORMALIZE \
	LOADAT(1, 8, 0)  \
	LOADAT(10, 8, 1) \
	LOADAT(11, 8, 2) \
	LOADAT(12, 8, 3) \
	MINUS(0, 1, 0)   \
	FMA(0, 2, 3)     \ // z = (x − mean)*scale + beta
	MAX(3, 15, 3)    \
	STOREAT(3, 6, 8)   // out = max(floor, z)

// func normalizeNEON(p *normArgs)
TEXT ·normalizeNEON(SB), NOSPLIT, $0-8
	START
	ROWS(NORMALIZE, NEXT)

// GRADIENT leaves d in V0, g in V1 and scale in V2.
#define GRADIENT \
	LOADAT(1, 8, 0)   \
	LOADAT(10, 8, 3)  \
	LOADAT(11, 8, 2)  \
	LOADAT(12, 8, 1)  \
	MINUS(0, 3, 0)    \ // d = x − mean
	LOADAT(5, 8, 3)   \
	FMA(0, 2, 1)      \ // z = d*scale + beta
	ATLEAST(15, 1, 1) \
	BITCLEAR(3, 1, 1)    // g = dy if !(z <= floor), else 0

#define NORMSUMS \
	GRADIENT          \
	LOADAT(13, 8, 2)  \
	LOADAT(14, 8, 3)  \
	PLUS(2, 1, 2)     \
	FMA(0, 1, 3)      \
	STOREAT(2, 13, 8) \ // sum += g
	STOREAT(3, 14, 8)   // product += g*d

// func normSumsNEON(p *normArgs)
TEXT ·normSumsNEON(SB), NOSPLIT, $0-8
	START
	ROWS(NORMSUMS, NEXT)

#define NORMGRAD \
	GRADIENT         \
	LOADAT(13, 8, 3) \
	LOADAT(14, 8, 4) \
	TIMES(2, 1, 1)   \
	MINUS(1, 3, 1)   \
	FMS(4, 0, 1)     \ // scale*g − a − d*b
	STOREAT(1, 6, 8)

// func normGradNEON(p *normArgs)
TEXT ·normGradNEON(SB), NOSPLIT, $0-8
	START
	ROWS(NORMGRAD, NEXT)

// BLOCK gives d and z of a block, BLOCKS those of the four: z in V0-V3, d in V4-V7. V12-V14 are
// mean, scale and beta.
#define BLOCK(x, d, z) \
	LOADAT(x, 8, d) \
	MINUS(d, 12, d) \
	MOVE(14, z)     \
	FMA(13, d, z)

#define BLOCKS \
	LOADAT(10, 8, 12) \
	LOADAT(11, 8, 13) \
	LOADAT(12, 8, 14) \
	BLOCK(1, 4, 0)    \
	BLOCK(2, 5, 1)    \
	BLOCK(3, 6, 2)    \
	BLOCK(4, 7, 3)    \
	MAX(0, 1, 8)      \
	MAX(2, 3, 9)      \
	MAX(8, 9, 8)        // best, a NaN if a z is

#define NEXTBLOCKS \
	NEXT       \
	ADD R7, R2 \
	ADD R7, R3 \
	ADD R7, R4

#define POOL \
	BLOCKS           \
	MAX(8, 15, 8)    \
	STOREAT(8, 6, 8)

// func normalizePoolNEON(p *normArgs)
TEXT ·normalizePoolNEON(SB), NOSPLIT, $0-8
	START
	ROWS(POOL, NEXTBLOCKS)

// ROUTE moves what is left of g in V10 to z where z is best, and sets z to 0 elsewhere.
#define ROUTE(z) \
	EQUAL(z, 8, 9)     \
	BITAND(9, 10, z)      \
	BITCLEAR(10, 9, 10)

// BLOCKGRADIENTS gives in V0-V3 the g of the four blocks, of which one at most is not zero, and in
// V11 their sum.
#define BLOCKGRADIENTS \
	BLOCKS             \
	ATLEAST(15, 8, 9)  \
	LOADAT(5, 8, 10)   \
	BITCLEAR(10, 9, 10) \
	MOVE(10, 11)       \
	ROUTE(0)           \
	ROUTE(1)           \
	ROUTE(2)           \
	MOVE(10, 3)          // the last block gets the rest

#define POOLSUMS \
	BLOCKGRADIENTS    \
	LOADAT(13, 8, 8)  \
	LOADAT(14, 8, 9)  \
	PLUS(8, 11, 8)    \
	STOREAT(8, 13, 8) \ // sum += g
	FMA(0, 4, 9)      \
	FMA(1, 5, 9)      \
	FMA(2, 6, 9)      \
	FMA(3, 7, 9)      \
	STOREAT(9, 14, 8)   // product += Σ g[k]*d[k]

// func normPoolSumsNEON(p *normArgs)
TEXT ·normPoolSumsNEON(SB), NOSPLIT, $0-8
	START
	ROWS(POOLSUMS, NEXTBLOCKS)

// BLOCKGRAD stores out of a block.
#define BLOCKGRAD(d, g, out) \
	TIMES(13, g, g) \
	MINUS(g, 11, g) \
	FMS(9, d, g)    \ // scale*g − a − d*b
	STOREAT(g, out, 8)

#define POOLGRAD \
	BLOCKGRADIENTS      \
	LOADAT(13, 8, 11)   \
	LOADAT(14, 8, 9)    \
	BLOCKGRAD(4, 0, 19) \
	BLOCKGRAD(5, 1, 20) \
	BLOCKGRAD(6, 2, 21) \
	BLOCKGRAD(7, 3, 22)

#define NEXTGRAD \
	NEXTBLOCKS  \
	ADD R7, R19 \
	ADD R7, R20 \
	ADD R7, R21 \
	ADD R7, R22

// The four blocks of out are as far apart as those of x.
//
// func normPoolGradNEON(p *normArgs)
TEXT ·normPoolGradNEON(SB), NOSPLIT, $0-8
	START
	MOVD R6, R19
	SUB  R1, R6, R8
	ADD  R8, R2, R20
	ADD  R8, R3, R21
	ADD  R8, R4, R22
	ROWS(POOLGRAD, NEXTGRAD)
