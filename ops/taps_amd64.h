// The control flow of the kernels over the taps of a window, for AVX2 and AVX-512. The .s files that
// include this define V0 to V15 as registers, BYTES as their size, and BFLOAT16 where the elements of
// x are bf16. The kernels take a pointer to tapArgs. In Go, for a kernel of at most nine taps:
//
//	for c := 0; c < columns; c += BYTES/4 {
//		load                          // the weights of the columns: V0 to V8
//		for r := range rows {
//			start                     // V10 is the result
//			for k := range taps {     // unrolled, for each number of taps
//				tap(x[k], V<k>)
//			}
//			finish
//			step
//		}
//		store
//	}
//
// R8-R13, SI, DI, CX  addresses of the nine x
// BX, AX              y; offset in bytes in each x, which times SCALE is that of floats
// DX                  bytes from a row to the next, or what step uses it for
// R14, R15            rows left, temporary

#define TAPS1(tap) \
	tap(R8, V0)

#define TAPS2(tap) \
	TAPS1(tap) \
	tap(R9, V1)

#define TAPS3(tap) \
	TAPS2(tap) \
	tap(R10, V2)

#define TAPS4(tap) \
	TAPS3(tap) \
	tap(R11, V3)

#define TAPS5(tap) \
	TAPS4(tap) \
	tap(R12, V4)

#define TAPS6(tap) \
	TAPS5(tap) \
	tap(R13, V5)

#define TAPS7(tap) \
	TAPS6(tap) \
	tap(SI, V6)

#define TAPS8(tap) \
	TAPS7(tap) \
	tap(DI, V7)

#define TAPS9(tap) \
	TAPS8(tap) \
	tap(CX, V8)

#define ROWS(row, taps, start, tap, finish, step) \
row:          \
	start     \
	taps(tap) \
	finish    \
	step      \
	DECQ R14  \
	JNZ  row  \
	JMP  next

#define KERNEL(load, start, tap, finish, step, store) \
	MOVQ p+0(FP), R15                         \
	MOVQ (tapArgs_x+0)(R15), R8               \
	MOVQ (tapArgs_x+8)(R15), R9               \
	MOVQ (tapArgs_x+16)(R15), R10             \
	MOVQ (tapArgs_x+24)(R15), R11             \
	MOVQ (tapArgs_x+32)(R15), R12             \
	MOVQ (tapArgs_x+40)(R15), R13             \
	MOVQ (tapArgs_x+48)(R15), SI              \
	MOVQ (tapArgs_x+56)(R15), DI              \
	MOVQ (tapArgs_x+64)(R15), CX              \
	MOVQ tapArgs_y(R15), BX                   \
	MOVQ tapArgs_stride(R15), DX              \
	XORL AX, AX                               \
column:                                       \
	MOVQ AX, tapArgs_column(R15)              \
	load                                      \
	MOVQ tapArgs_rows(R15), R14               \
	MOVQ tapArgs_taps(R15), R15               \
	CMPQ R15, $5                              \
	JEQ  five                                 \
	JLT  few                                  \
	CMPQ R15, $7                              \
	JEQ  seven                                \
	JLT  six                                  \
	CMPQ R15, $8                              \
	JEQ  eight                                \
	ROWS(nine, TAPS9, start, tap, finish, step)  \
	ROWS(eight, TAPS8, start, tap, finish, step) \
	ROWS(seven, TAPS7, start, tap, finish, step) \
	ROWS(six, TAPS6, start, tap, finish, step)   \
	ROWS(five, TAPS5, start, tap, finish, step)  \
few:                                             \
	CMPQ R15, $3                                 \
	JEQ  three                                   \
	JLT  two                                     \
	ROWS(four, TAPS4, start, tap, finish, step)  \
	ROWS(three, TAPS3, start, tap, finish, step) \
two:                                             \
	CMPQ R15, $2                                 \
	JLT  one                                     \
	ROWS(both, TAPS2, start, tap, finish, step)  \
	ROWS(one, TAPS1, start, tap, finish, step)   \
next:                                            \
	MOVQ p+0(FP), R15                            \
	MOVQ tapArgs_column(R15), AX                 \
	store                                        \
	ADDQ $STEP, AX                               \
	CMPQ AX, tapArgs_columns(R15)                \
	JLT  column                                  \
	VZEROUPPER                                   \
	RET

#define NOTHING

#ifdef BFLOAT16

// Pixels of bf16: LOADX widens a vector where it is read.
#define STEP (BYTES/2)
#define SCALE 2
#define LOADX(x, v) \
	VPMOVZXWD (x)(AX*1), v \
	VPSLLD    $16, v, v
#define MULTIPLYADDX(x, a, sum) \
	LOADX(x, V11)          \
	VFMADD231PS V11, a, sum

#else

#define STEP BYTES
#define SCALE 1
#define LOADX(x, v) VMOVUPS (x)(AX*1), v
#define MULTIPLYADDX(x, a, sum) VFMADD231PS (x)(AX*1), a, sum

#endif

// EACHWEIGHT does f for the address of the weights of each tap, or for that of the first again.
#define EACHWEIGHT(f) \
	MOVQ (tapArgs_w+0)(R15), R14  \
	f(V0)                         \
	MOVQ (tapArgs_w+8)(R15), R14  \
	f(V1)                         \
	MOVQ (tapArgs_w+16)(R15), R14 \
	f(V2)                         \
	MOVQ (tapArgs_w+24)(R15), R14 \
	f(V3)                         \
	MOVQ (tapArgs_w+32)(R15), R14 \
	f(V4)                         \
	MOVQ (tapArgs_w+40)(R15), R14 \
	f(V5)                         \
	MOVQ (tapArgs_w+48)(R15), R14 \
	f(V6)                         \
	MOVQ (tapArgs_w+56)(R15), R14 \
	f(V7)                         \
	MOVQ (tapArgs_w+64)(R15), R14 \
	f(V8)

#define LOADWEIGHT(v) VMOVUPS (R14)(AX*SCALE), v

#define NEXTROW ADDQ DX, AX

#define STORERESULT VMOVUPS V10, (BX)(AX*SCALE)

#define STARTFROMY VMOVUPS (BX)(AX*SCALE), V10
