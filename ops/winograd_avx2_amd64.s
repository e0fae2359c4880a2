//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Winograd's transforms with vectors of 8 floats: see winograd_amd64.h. Needs AVX2 and FMA.

#define WINOGRAD ·winogradAVX2

#include "avx2_amd64.h"
#include "winograd_amd64.h"
