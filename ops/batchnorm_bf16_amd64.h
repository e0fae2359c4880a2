// What the kernels of batch normalization of bf16 have in common: 16 numbers are widened where they
// are read and rounded where they are written.
//
// Columns are counted in bytes of bf16, in AX up to DX; a float32 is at (R)(AX*2).
// Z15 holds the floor.

#define NOT_LESS_EQUAL $0x16 // unordered is true, quiet

// WIDEN sets z to 16 numbers of bf16.
#define WIDEN(x, z) \
	VPMOVZXWD x, z   \
	VPSLLD $16, z, z

// WIDENK is WIDEN where the mask is set, and zero elsewhere.
#define WIDENK(x, k, z) \
	VPMOVZXWD.Z x, k, z \
	VPSLLD $16, z, z
