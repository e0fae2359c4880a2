//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Depthwise convolutions of bf16 with vectors of 16 floats: see depthwise_kernels.h. Needs AVX512F and
// AVX512DQ.

#define DEPTHWISE ·depthwiseBF16AVX512
#define DEPTHWISEADD ·depthwiseAddBF16AVX512
#define DEPTHWISEGRAD ·depthwiseGradBF16AVX512

#define BFLOAT16
#include "avx512_amd64.h"
#include "taps_amd64.h"
#include "depthwise_kernels.h"
