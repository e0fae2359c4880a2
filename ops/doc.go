// Package ops has the CPU kernels, on raw slices: they start no goroutine and allocate nothing. A
// caller divides the work among its workers and gives each a range.
//
// # Layout
//
// Activations are stored HWNC: position by position, at each the N images, of each its C channels,
// so element (n, h, w, c) is at ((h·W + w)·N + n)·C + c. All images have the same neighbours at a
// position. So a tap of a convolution is a plain matrix product of the N·C elements at one
// position, padding is a tap left out, a max pool is the maximum of four blocks, and with one pixel
// a batch is a matrix (N, C).
//
// # Levels
//
// Each kernel that has assembly is a method of Level. It has a generic form in Go, which defines
// its result, except that products with a zero in the left matrix are skipped even if the other
// factor is not finite. The faster forms use AVX2 with FMA, AVX-512 where wider registers pay
// (kernels limited by memory bandwidth stay with AVX2), and AVX-512 BF16 or AMX for products of
// bf16. On arm64 those of float32 use NEON.
//
// # Kernels
//
// A matrix product is a microkernel over packed panels of B: it keeps a register tile of C, MR x
// NR, and runs along the sum over k. An epilogue adds the bias and applies the ReLU before the tile
// is stored.
//
// Assembly with many arguments takes them in structs. Those of at most four words are passed by
// value at no cost, and go vet checks their offsets in .s files. The offsets of fields of larger
// structs come from go_asm.h, which the compiler generates. Code that several levels share is in a
// .h file; the .s file of a level defines its registers and instructions.
package ops
