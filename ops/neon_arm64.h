// NEON instructions that Go's assembler lacks, or has only for registers by name, as macros over
// the numbers of registers. Vectors are of four float32; of a D they are of two float64. The last
// operand is the result. Each line ends with the instruction, whose registers are the parameters.
// TestNEONEncodings disassembles each macro and compares.

#define PLUS(a, b, c) WORD $(0x4E20D400 | (b)<<16 | (a)<<5 | (c)) // fadd vc.4s, va.4s, vb.4s
#define MINUS(a, b, c) WORD $(0x4EA0D400 | (b)<<16 | (a)<<5 | (c)) // fsub vc.4s, va.4s, vb.4s
#define TIMES(a, b, c) WORD $(0x6E20DC00 | (b)<<16 | (a)<<5 | (c)) // fmul vc.4s, va.4s, vb.4s
#define DIVIDE(a, b, c) WORD $(0x6E20FC00 | (b)<<16 | (a)<<5 | (c)) // fdiv vc.4s, va.4s, vb.4s
#define ROOT(a, c) WORD $(0x6EA1F800 | (a)<<5 | (c)) // fsqrt vc.4s, va.4s

// FMA is c += a·b, FMS c −= a·b, each rounded once. LANE multiplies by one element of a.
#define FMA(a, b, c) WORD $(0x4E20CC00 | (b)<<16 | (a)<<5 | (c)) // fmla vc.4s, va.4s, vb.4s
#define FMS(a, b, c) WORD $(0x4EA0CC00 | (b)<<16 | (a)<<5 | (c)) // fmls vc.4s, va.4s, vb.4s
#define LANE(a, i, b, c) WORD $(0x4F801000 | ((i)&1)<<21 | ((i)>>1)<<11 | (a)<<16 | (b)<<5 | (c)) // fmla vc.4s, vb.4s, va.s[i]

// The results are a NaN if an operand is.
#define MAX(a, b, c) WORD $(0x4E20F400 | (b)<<16 | (a)<<5 | (c)) // fmax vc.4s, va.4s, vb.4s
#define MIN(a, b, c) WORD $(0x4EA0F400 | (b)<<16 | (a)<<5 | (c)) // fmin vc.4s, va.4s, vb.4s

// Comparisons set all bits of an element of c, or none. With a NaN they set none.
#define EQUAL(a, b, c) WORD $(0x4E20E400 | (b)<<16 | (a)<<5 | (c)) // fcmeq vc.4s, va.4s, vb.4s
#define ATLEAST(a, b, c) WORD $(0x6E20E400 | (b)<<16 | (a)<<5 | (c)) // fcmge vc.4s, va.4s, vb.4s
#define GREATER(a, b, c) WORD $(0x6EA0E400 | (b)<<16 | (a)<<5 | (c)) // fcmgt vc.4s, va.4s, vb.4s
#define ATMOSTZERO(a, c) WORD $(0x6EA0D800 | (a)<<5 | (c)) // fcmle vc.4s, va.4s, #0
#define UATLEAST(a, b, c) WORD $(0x6EA03C00 | (b)<<16 | (a)<<5 | (c)) // cmhs vc.4s, va.4s, vb.4s

// BITCLEAR is a &^ b. SELECT is b where a bit of c is set, else a.
#define BITAND(a, b, c) WORD $(0x4E201C00 | (b)<<16 | (a)<<5 | (c)) // and vc.16b, va.16b, vb.16b
#define BITCLEAR(a, b, c) WORD $(0x4E601C00 | (b)<<16 | (a)<<5 | (c)) // bic vc.16b, va.16b, vb.16b
#define BITOR(a, b, c) WORD $(0x4EA01C00 | (b)<<16 | (a)<<5 | (c)) // orr vc.16b, va.16b, vb.16b
#define BITXOR(a, b, c) WORD $(0x6E201C00 | (b)<<16 | (a)<<5 | (c)) // eor vc.16b, va.16b, vb.16b
#define SELECT(a, b, c) WORD $(0x6E601C00 | (a)<<16 | (b)<<5 | (c)) // bsl vc.16b, vb.16b, va.16b

#define MOVE(a, c) WORD $(0x4EA01C00 | (a)<<16 | (a)<<5 | (c)) // mov vc.16b, va.16b
#define CLEAR(c) WORD $(0x6F00E400 | (c)) // movi vc.2d, #0x0
#define BROADCAST(r, c) WORD $(0x4E040C00 | (r)<<5 | (c)) // dup vc.4s, wr

// WIDEN and WIDENHIGH convert half of a to float64. UMULL and UMULLHIGH are the 64 bits of the
// products of two 32-bit integers of each half.
#define WIDEN(a, c) WORD $(0x0E617800 | (a)<<5 | (c)) // fcvtl vc.2d, va.2s
#define WIDENHIGH(a, c) WORD $(0x4E617800 | (a)<<5 | (c)) // fcvtl2 vc.2d, va.4s
#define UMULL(a, b, c) WORD $(0x2EA0C000 | (b)<<16 | (a)<<5 | (c)) // umull vc.2d, va.2s, vb.2s
#define UMULLHIGH(a, b, c) WORD $(0x6EA0C000 | (b)<<16 | (a)<<5 | (c)) // umull2 vc.2d, va.4s, vb.4s
#define FMAD(a, b, c) WORD $(0x4E60CC00 | (b)<<16 | (a)<<5 | (c)) // fmla vc.2d, va.2d, vb.2d
#define PLUSD(a, b, c) WORD $(0x4E60D400 | (b)<<16 | (a)<<5 | (c)) // fadd vc.2d, va.2d, vb.2d

// LOADAT and STOREAT move a vector from and to the sum of two registers.
#define LOADAT(r, s, c) WORD $(0x3CE06800 | (s)<<16 | (r)<<5 | (c)) // ldr qc, [xr,xs]
#define STOREAT(c, r, s) WORD $(0x3CA06800 | (s)<<16 | (r)<<5 | (c)) // str qc, [xr,xs]
