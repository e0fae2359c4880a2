//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Batch normalization followed by a 2x2 max pool, in bf16: see batchnorm_pool_amd64.h. x, out and
// dy are bf16, parameters and sums float32. Before rounding, values and the block that gets g are
// the same to the bit as in float32. A vector is 16 columns; cols is a multiple of 16. K1 is a
// mask.
//
// Need AVX512F, AVX512DQ and AVX512_BF16, which treats subnormals as zero.

#define NORMALIZEPOOL ·normalizePoolBF16AVX512
#define NORMPOOLSUMS ·normPoolSumsBF16AVX512
#define NORMPOOLGRAD ·normPoolGradBF16AVX512

#define LOGSIZE 1
#define CHANNEL(r) (r)(AX*2)
#define LOADX(x, d) WIDEN(x, d)

#define LOADG \
	VCMPPS NOT_LESS_EQUAL, Z15, Z8, K1 \
	WIDENK((BX)(AX*1), K1, Z10)

#define ROUTE(z) \
	VCMPPS    EQUAL, Z8, z, K1   \
	VMOVAPS.Z Z10, K1, z         \
	VPXORD    z, Z10, Z10

#define STOREOUT(at) \
    LONG $0x487e5262; WORD $0xc072                             \ // VCVTNEPS2BF16 YMM8, ZMM8
	VMOVDQU Y8, at

#include "avx512_amd64.h"
#include "batchnorm_amd64.h"
#include "batchnorm_bf16_amd64.h"
#include "batchnorm_pool_amd64.h"
