// The register tile of the AVX-512 and AVX-512 BF16 microkernels, 6 x 64: accumulators Z0-Z23, four
// for each row.

#define ACC1(f) f(Z0, Z1, Z2, Z3)
#define ACC2(f) f(Z4, Z5, Z6, Z7)
#define ACC3(f) f(Z8, Z9, Z10, Z11)
#define ACC4(f) f(Z12, Z13, Z14, Z15)
#define ACC5(f) f(Z16, Z17, Z18, Z19)
#define ACC6(f) f(Z20, Z21, Z22, Z23)

#define STORE(z0, z1, z2, z3) \
	VMOVUPS z0, (DI)    \
	VMOVUPS z1, 64(DI)  \
	VMOVUPS z2, 128(DI) \
	VMOVUPS z3, 192(DI)

#define PREFETCHROW(row) \
	PREFETCHT0 row    \
	PREFETCHT0 64row  \
	PREFETCHT0 128row \
	PREFETCHT0 192row
