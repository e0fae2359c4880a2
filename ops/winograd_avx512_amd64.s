//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Winograd's transforms with vectors of 16 floats: see winograd_amd64.h. Needs AVX512F and
// AVX512DQ.

#define WINOGRAD ·winogradAVX512

#include "avx512_amd64.h"
#include "winograd_amd64.h"
