//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Activation functions with vectors of 16 floats: see function_amd64.h. Needs AVX512F and AVX512DQ.

#define FUNCTION ·functionAVX512
#define FUNCTIONGRAD ·functionGradAVX512

#include "avx512_amd64.h"
#include "function_amd64.h"
