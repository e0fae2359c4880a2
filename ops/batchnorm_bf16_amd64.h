// What the kernels of batch normalization of bf16 have in common: 16 numbers are widened where they
// are read and rounded where they are written, so that no other memory is needed.
//
// Columns are counted in bytes of bf16, in AX up to DX; a float32 is at (R)(AX*2).
// Z15 holds the floor, Z16 ones, Z17 0x7fff in all lanes.

#define NOT_LESS_EQUAL $0x16 // unordered is true, quiet
#define ORDERED $0x07

// WIDEN sets z to 16 numbers of bf16.
#define WIDEN(x, z) \
	VPMOVZXWD x, z   \
	VPSLLD $16, z, z

// WIDENK is WIDEN where the mask is set, and zero elsewhere.
#define WIDENK(x, k, z) \
	VPMOVZXWD.Z x, k, z \
	VPSLLD $16, z, z

// ROUND stores z as bf16, rounded to nearest even as roundBF16 does. It has no need to make a NaN
// quiet, for z comes from a sum or product.
#define ROUND(z, t, k, y) \
	VPSRLD  $16, z, t      \
	VPANDD  Z16, t, t      \
	VPADDD  Z17, t, t      \
	VCMPPS  ORDERED, z, z, k \
	VPADDD  t, z, k, z     \
	VPSRLD  $16, z, z      \
	VPMOVDW z, y

#define ROUNDING \
	VPTERNLOGD $0xff, Z16, Z16, Z16 \
	VPSRLD     $17, Z16, Z17        \
	VPSRLD     $31, Z16, Z16
