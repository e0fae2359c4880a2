//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Activation functions with vectors of 8 floats: see function_amd64.h. Needs AVX2 and FMA.

#define FUNCTION ·functionAVX2
#define FUNCTIONGRAD ·functionGradAVX2

#include "avx2_amd64.h"
#include "function_amd64.h"
