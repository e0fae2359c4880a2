// Package tensor defines the types that every layer of the engine shares: Shape, Tensor (an array
// in the memory of its backend), Window (how convolutions and pools move) and Function
// (activations).
package tensor

import (
	"slices"
	"strconv"
	"strings"
)

// Panic messages. Each is a programmer's error.
const (
	errNegative = "tensor: negative dimension"
	errTooLarge = "tensor: number of elements overflows int"
	errShape    = "tensor: shapes differ"
	errRank     = "tensor: wrong number of dimensions"
	errWindow   = "tensor: the window does not fit the image"
)

// Shape is the length of each axis in the order that users see: (N, H, W, C) for images, (kernel
// height, kernel width, in, out) for convolution kernels, (in, out) for dense kernels. The empty
// shape is that of a scalar.
type Shape []int

// Size returns the number of elements. It panics if a dimension is negative or the product
// overflows an int.
func (s Shape) Size() int {
	n := 1
	for _, d := range s {
		if d < 0 {
			panic(errNegative)
		}
		if d > 0 && n > int(^uint(0)>>1)/d {
			panic(errTooLarge)
		}
		n *= d
	}
	return n
}

// Equal reports whether s and t have the same axes.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

// String returns the shape as Python prints it: "(128, 32, 32, 3)", "(10,)".
func (s Shape) String() string {
	words := make([]string, len(s))
	for i, d := range s {
		words[i] = strconv.Itoa(d)
	}
	if len(words) == 1 {
		return "(" + words[0] + ",)"
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// NHWC returns the four extents of a batch of images, (N, H, W, C). A matrix (N, C) is a batch of
// images of one pixel. NHWC panics on any other rank.
func (s Shape) NHWC() (n, h, w, c int) {
	switch len(s) {
	case 2:
		return s[0], 1, 1, s[1]
	case 4:
		return s[0], s[1], s[2], s[3]
	}
	panic(errRank)
}

// Tensor is an array in the memory of a backend. Only that backend's plans and its Read and Write
// access the elements. The backend decides how to store them: order, type, device.
type Tensor interface {
	Shape() Shape
}

// Check panics unless t has shape s.
func Check(t Tensor, s Shape) {
	if !t.Shape().Equal(s) {
		panic(errShape)
	}
}
