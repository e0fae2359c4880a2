// Batch normalization followed by a 2x2 max pool, written once for float32 and bf16: as in
// batchnorm_amd64.s, but over the four blocks of a window at once. In Go, for row r and column c,
// where i = r*stride+c, d[k] = x[k][i] − mean[c], z[k] = d[k]*scale[c] + beta[c]:
//
//	normalizePool   out[i] = max(floor, z[0], z[1], z[2], z[3])
//	normPoolSums    best = max(z...);  g = dy[i] if !(best <= floor), else 0
//	                g[k] = g for the first k with z[k] == best, else 0
//	                sum[c] += g;  product[c] += Σ g[k]*d[k]
//	normPoolGrad    g[k] as above;  out[k][i] = scale[c]*g[k] − a[c] − d[k]*b[c]
//
// Where best is a NaN, g goes to the last block. The four blocks of out are as far apart as those
// of x.
//
// A .s file that includes this defines the names NORMALIZEPOOL, NORMPOOLSUMS and NORMPOOLGRAD,
// includes V0 to V15, and defines
//
//	CHANNEL(r)   the address of the parameters or sums at r, of this vector's channels
//	LOADX(x, d)  d = x, as float32
//	LOADG        V10 = dy where V8 > floor, else 0
//	ROUTE(z)     moves V10 to z where z == V8, and sets z to 0 elsewhere
//	STOREOUT(at) out = V8, rounded
//
// SI, DI, R12, R13  row of each block of x
// BX                row of out or dy
// R8, R9, R10       mean, scale, beta
// R14, R15          sum, product;  from x to out in bytes, an address
// R11, CX           bytes from a row to the next;  a, b
// AX, DX            column in bytes of x, end of the columns
// V0-V3, V4-V7      z, then g;  d
// V8, V10           best, what is left of g
// V13, V14, V15     scale, beta, floor

#define START \
	PARAMETERS                      \
	MOVQ p_x+8+normArgs_x(FP), DI   \
	MOVQ p_x+16+normArgs_x(FP), R12 \
	MOVQ p_x+24+normArgs_x(FP), R13

#define NEXT(stride) \
	ADDQ stride, BX  \
	ADDQ stride, SI  \
	ADDQ stride, DI  \
	ADDQ stride, R12 \
	ADDQ stride, R13

// BLOCK gives d and z of a block, NORMALIZE those of the four.
#define BLOCK(x, d, z) \
	LOADX((x)(AX*1), d)           \
	VSUBPS      CHANNEL(R8), d, d \
	VMOVAPS     V14, z            \
	VFMADD231PS V13, d, z

#define NORMALIZE \
	VMOVUPS CHANNEL(R9), V13  \
	VMOVUPS CHANNEL(R10), V14 \
	BLOCK(SI, V4, V0)         \
	BLOCK(DI, V5, V1)         \
	BLOCK(R12, V6, V2)        \
	BLOCK(R13, V7, V3)

// GRADIENT gives d and g of the four blocks, of which one g at most is not zero, and in V11 their
// sum.
#define GRADIENT \
	NORMALIZE             \
	VMAXPS  V1, V0, V8    \
	VMAXPS  V2, V8, V8    \
	VMAXPS  V3, V8, V8    \ // best, a NaN if the last z is
	LOADG                 \
	VMOVAPS V10, V11      \
	ROUTE(V0)             \
	ROUTE(V1)             \
	ROUTE(V2)             \
	VMOVAPS V10, V3         // the last block gets the rest

#define POOL \
	NORMALIZE          \
	MAX(V0, V1, V8)    \
	MAX(V2, V3, V9)    \
	MAX(V0, V2, V8)    \
	VMAXPS V0, V15, V8 \
	STOREOUT((BX)(AX*1))

TEXT NORMALIZEPOOL(SB), NOSPLIT, $0-normArgs__size
	START
	MOVQ p_out+normArgs_out(FP), BX
	STRIDE(R11)
	ROWS(POOL, NEXT(R11))

#define SUMS \
	GRADIENT                        \
	VADDPS      CHANNEL(R14), V11, V11 \
	VMOVUPS     V11, CHANNEL(R14)   \ // sum += g
	VMOVUPS     CHANNEL(R15), V12   \
	VFMADD231PS V4, V0, V12         \
	VFMADD231PS V5, V1, V12         \
	VFMADD231PS V6, V2, V12         \
	VFMADD231PS V7, V3, V12         \
	VMOVUPS     V12, CHANNEL(R15)     // product += Σ g[k]*d[k]

TEXT NORMPOOLSUMS(SB), NOSPLIT, $0-normArgs__size
	START
	MOVQ p_dy+normArgs_dy(FP), BX
	MOVQ p_sum+normArgs_sum(FP), R14
	MOVQ p_product+normArgs_product(FP), R15
	STRIDE(R11)
	ROWS(SUMS, NEXT(R11))

// BLOCKGRAD stores out of a block.
#define BLOCKGRAD(x, d, g) \
	VMOVAPS      V11, V8         \
	VFMSUB231PS  V13, g, V8      \ // scale*g − a
	VFNMADD231PS V12, d, V8      \ // … − d*b
	LEAQ         (x)(AX*1), R15  \
	STOREOUT((R15)(R14*1))

#define GRAD \
	GRADIENT                  \
	VMOVUPS CHANNEL(R11), V11 \
	VMOVUPS CHANNEL(CX), V12  \
	BLOCKGRAD(SI, V4, V0)     \
	BLOCKGRAD(DI, V5, V1)     \
	BLOCKGRAD(R12, V6, V2)    \
	BLOCKGRAD(R13, V7, V3)

#define NEXTGRAD \
	STRIDE(R15) \
	NEXT(R15)

TEXT NORMPOOLGRAD(SB), NOSPLIT, $0-normArgs__size
	START
	MOVQ p_dy+normArgs_dy(FP), BX
	MOVQ p_out+normArgs_out(FP), R14
	SUBQ SI, R14
	MOVQ p_a+normArgs_a(FP), R11
	MOVQ p_b+normArgs_b(FP), CX
	ROWS(GRAD, NEXTGRAD)
