//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Depthwise convolutions with vectors of 16 floats: see depthwise_kernels.h. Needs AVX512F and
// AVX512DQ.

#define DEPTHWISE ·depthwiseAVX512
#define DEPTHWISEADD ·depthwiseAddAVX512
#define DEPTHWISEGRAD ·depthwiseGradAVX512

#include "avx512_amd64.h"
#include "taps_amd64.h"
#include "depthwise_kernels.h"
