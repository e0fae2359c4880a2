//go:build !noasm

#include "textflag.h"

// Winograd's transforms with vectors of 16 numbers: see winograd_amd64.h. Needs AVX512F and AVX512DQ.

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

#define F4INPUT ·f4InputAVX512
#define F4OUTPUT ·f4OutputAVX512
#define F4GRADIENT ·f4GradientAVX512
#define F4KERNEL ·f4KernelAVX512
#define F4FROMKERNEL ·f4FromKernelAVX512
#define F2INPUT ·f2InputAVX512
#define F2OUTPUT ·f2OutputAVX512
#define F2GRADIENT ·f2GradientAVX512
#define F2KERNEL ·f2KernelAVX512
#define F2FROMKERNEL ·f2FromKernelAVX512
#define MAP2INPUT ·map2InputAVX512
#define MAP2OUTPUT ·map2OutputAVX512
#define MAP2GRADIENT ·map2GradientAVX512
#define MAP2KERNEL ·map2KernelAVX512
#define MAP2FROMKERNEL ·map2FromKernelAVX512

#include "winograd_amd64.h"
