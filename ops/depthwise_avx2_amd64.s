//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Depthwise convolutions with vectors of 8 floats: see depthwise_kernels.h. Needs AVX2 and FMA.

#define DEPTHWISE ·depthwiseAVX2
#define DEPTHWISEADD ·depthwiseAddAVX2
#define DEPTHWISEGRAD ·depthwiseGradAVX2

#include "avx2_amd64.h"
#include "taps_amd64.h"
#include "depthwise_kernels.h"
