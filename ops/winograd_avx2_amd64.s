//go:build !noasm

#include "textflag.h"

// Winograd's transforms with vectors of 8 numbers: see winograd_amd64.h. Needs AVX2 and FMA.

#define BYTES 32
#define V0 Y0
#define V1 Y1
#define V2 Y2
#define V3 Y3
#define V4 Y4
#define V5 Y5
#define V6 Y6
#define V7 Y7
#define V8 Y8
#define V9 Y9
#define V10 Y10
#define V11 Y11
#define V12 Y12
#define V13 Y13
#define V14 Y14
#define V15 Y15

#define F4INPUT ·f4InputAVX2
#define F4OUTPUT ·f4OutputAVX2
#define F4GRADIENT ·f4GradientAVX2
#define F4KERNEL ·f4KernelAVX2
#define F4FROMKERNEL ·f4FromKernelAVX2
#define F2INPUT ·f2InputAVX2
#define F2OUTPUT ·f2OutputAVX2
#define F2GRADIENT ·f2GradientAVX2
#define F2KERNEL ·f2KernelAVX2
#define F2FROMKERNEL ·f2FromKernelAVX2
#define MAP2INPUT ·map2InputAVX2
#define MAP2OUTPUT ·map2OutputAVX2
#define MAP2GRADIENT ·map2GradientAVX2
#define MAP2KERNEL ·map2KernelAVX2
#define MAP2FROMKERNEL ·map2FromKernelAVX2

#include "winograd_amd64.h"
