//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Winograd's transforms with vectors of 16 floats: see winograd_amd64.h. Needs AVX512F and AVX512DQ.

#define BYTES 64
#define V0 Z0
#define V1 Z1
#define V2 Z2
#define V3 Z3
#define V4 Z4
#define V5 Z5
#define V6 Z6
#define V7 Z7
#define V8 Z8
#define V9 Z9
#define V10 Z10
#define V11 Z11
#define V12 Z12
#define V13 Z13
#define V14 Z14
#define V15 Z15

#define WINOGRAD ·winogradAVX512

#include "winograd_amd64.h"
