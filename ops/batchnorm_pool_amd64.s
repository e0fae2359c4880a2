//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Batch normalization followed by a 2x2 max pool, in float32: see batchnorm_pool_amd64.h. A vector
// is 8 columns; cols is a multiple of 8, and Go does the columns that are left. Y9 is a mask. Need
// AVX2 and FMA.

#define NORMALIZEPOOL ·normalizePoolAVX2
#define NORMPOOLSUMS ·normPoolSumsAVX2
#define NORMPOOLGRAD ·normPoolGradAVX2

#define LOGSIZE 2
#define CHANNEL(r) (r)(AX*1)
#define LOADX(x, d) VMOVUPS x, d
#define STOREOUT(at) VMOVUPS Y8, at

#define LOADG \
	VCMPPS NOT_LESS_EQUAL, Y15, Y8, Y10 \
	VANDPS (BX)(AX*1), Y10, Y10

#define ROUTE(z) \
	VCMPPS  EQUAL, Y8, z, Y9  \
	VANDPS  Y9, Y10, z        \
	VANDNPS Y10, Y9, Y10

#include "avx2_amd64.h"
#include "batchnorm_amd64.h"
#include "batchnorm_pool_amd64.h"
