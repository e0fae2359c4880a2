// Loads of bf16 for the batch normalization kernels: 16 values are widened where they are read.

// WIDEN sets z to 16 values of bf16.
#define WIDEN(x, z) \
	VPMOVZXWD x, z   \
	VPSLLD $16, z, z

// WIDENK is WIDEN where the mask is set, and zero elsewhere.
#define WIDENK(x, k, z) \
	VPMOVZXWD.Z x, k, z \
	VPSLLD $16, z, z
