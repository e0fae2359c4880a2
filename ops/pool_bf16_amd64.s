//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Pools of bf16: see pool_kernels.h. Needs AVX2.

#define MAXTAPS ·maxTapsBF16AVX2
#define MAXTAPSMORE ·maxTapsMoreBF16AVX2
#define FIRSTMAX ·firstMaxBF16AVX2
#define COUNTMAX ·countMaxBF16AVX2

#define BFLOAT16
#include "avx2_amd64.h"
#include "taps_amd64.h"
#include "pool_kernels.h"
