// Comparisons and maxima that propagate a NaN, for AVX2 and AVX-512.

#define EQUAL $0x00
#define NOT_LESS_EQUAL $0x16 // unordered is true, quiet

// MAX is a = max(a, b), a NaN if either is: one order of the operands gives b then, the other a.
#define MAX(a, b, t) \
	VMAXPS a, b, t \
	VMAXPS b, a, a \
	VORPS  t, a, a
