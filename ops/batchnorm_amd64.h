// What the batch normalization kernels share. They take p normArgs. A .s file that includes this
// defines LOGSIZE, the binary logarithm of the bytes of an element of x, and V15 as a register.
//
// SI           row of x
// R8, R9, R10  mean, scale, beta
// AX, DX       column in bytes of x, end of the columns
// V15          floor in all lanes

#include "compare_amd64.h"

#define PARAMETERS \
	MOVQ         p_x+normArgs_x(FP), SI         \
	MOVQ         p_mean+normArgs_mean(FP), R8   \
	MOVQ         p_scale+normArgs_scale(FP), R9 \
	MOVQ         p_beta+normArgs_beta(FP), R10  \
	MOVQ         p_cols+normArgs_cols(FP), DX   \
	SHLQ         $LOGSIZE, DX                   \
	VBROADCASTSS p_floor+normArgs_floor(FP), V15

// STRIDE sets r to the bytes from a row to the next.
#define STRIDE(r) \
	MOVQ p_stride+normArgs_stride(FP), r \
	SHLQ $LOGSIZE, r

// ROWS does vector for each 32 bytes of each row, and next after each row, and returns.
#define ROWS(vector, next) \
row:                              \
	XORL AX, AX                   \
column:                           \
	vector                        \
	ADDQ $32, AX                  \
	CMPQ AX, DX                   \
	JLT  column                   \
	next                          \
	DECQ p_rows+normArgs_rows(FP) \
	JNZ  row                      \
	VZEROUPPER                    \
	RET
