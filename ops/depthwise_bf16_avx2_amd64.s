//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Depthwise convolutions of bf16 with vectors of 8 floats: see depthwise_kernels.h. Needs AVX2 and FMA.

#define DEPTHWISE ·depthwiseBF16AVX2
#define DEPTHWISEADD ·depthwiseAddBF16AVX2
#define DEPTHWISEGRAD ·depthwiseGradBF16AVX2

#define BFLOAT16
#include "avx2_amd64.h"
#include "taps_amd64.h"
#include "depthwise_kernels.h"
