// Package ops has the CPU kernels, on raw slices: they start no goroutine and
// allocate nothing. A caller divides the work among its workers, once, and gives each a range.
//
// # Layout
//
// Activations are stored HWNC: position by position, at each the N images, of each its C
// channels, so element (n, h, w, c) is at ((h·W + w)·N + n)·C + c. All images have the same
// neighbours at a position, so a tap of a convolution is a plain matrix product
// of the block of N·C numbers at one position, padding is a tap left out, a max pool
// is the maximum of four blocks, and with one pixel a batch is a matrix (N, C).
//
// # Levels
//
// Each kernel that has assembly is a method of Level. It has a generic form in Go, which is its meaning (but leaves out products
// with a zero in the left matrix, even if the other number is not finite), and faster ones: AVX2 with FMA, AVX-512 where wider
// registers pay (kernels limited by memory do not gain and stay with AVX2), and AMX for products of bf16.
package ops
