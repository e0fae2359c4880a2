package ops

// Element is the type of activations, and of the operands of matrix products.
type Element interface{ float32 | BF16 }

// Algorithm computes the three passes of a linear layer, a convolution or a dense layer, of a shape
// S. Its methods plan a pass for a number of workers. The results don't depend on that number.
//
// A caller runs all pack jobs of a pass, if it has any, and then all of its jobs. The jobs of either
// kind may run in any order and at the same time, each with scratch of its own, undefined before
// and after. Jobs with adjacent numbers read the same memory, so one worker should take them in
// order.
//
// Sizes of packed operands and of scratch are numbers of float32, for BF16 too.
type Algorithm[S ConvShape | DenseShape, T Element] interface {
	// Forward computes y = x·w.
	Forward(l Level, s S, workers int) Pass[T]
	// InputGradient computes the gradient of x from that of y, which takes the place of x.
	InputGradient(l Level, s S, workers int) Pass[T]
	// KernelGradient computes the gradient of w.
	KernelGradient(l Level, s S, workers int) Gradient[T]
}

// ConvAlgorithm is an algorithm for convolutions.
type ConvAlgorithm[T Element] interface {
	Algorithm[ConvShape, T]
	// String returns the name of the algorithm.
	String() string
	// Fits reports whether the algorithm can compute a convolution of that shape.
	Fits(s ConvShape) bool
}

// Packs says which operand of a pass has to be packed.
type Packs uint8

const (
	PacksNothing Packs = iota
	PacksInput
	PacksKernel
)

// Pass computes y from x and the kernel w, and an epilogue. With float32, w is stored row by row:
// (k, k, In, Out) or (In, Out). With BF16 it is a matrix of Out columns, packed by PackRounded.
type Pass[T Element] interface {
	// Packs returns which operand Pack packs. Run takes what is packed in place of that operand.
	Packs() Packs
	PackedSize() int
	PackJobs() int
	Pack(packed, operand []T, job int, scratch []float32)

	// Scratch returns the size of the scratch for Pack and Run.
	Scratch() int
	Jobs() int
	Run(y, x, w []T, e Epilogue, job int, scratch []float32)
}

// Gradient computes dw, the gradient of a kernel, row by row in float32, from dy and x.
// It is a sum over splits, each computed by some of the jobs: add the dw of the splits in order.
type Gradient[T Element] interface {
	// PackedSize returns the size of what Pack makes of dy and x for Run, if PackJobs is not 0.
	PackedSize() int
	PackJobs() int
	Pack(packed, dy, x []T, job int, scratch []float32)

	// Scratch returns the size of the scratch for Pack and Run.
	Scratch() int
	Splits() int
	Jobs() int
	// Split returns the split to which a job belongs.
	Split(job int) int
	// Run computes a part of the dw of the job's split.
	Run(dw []float32, dy, x, packed []T, job int, scratch []float32)
}

// unpacked is embedded by gradients that read both operands as they are.
type unpacked[T Element] struct{}

func (unpacked[T]) PackedSize() int                      { return 0 }
func (unpacked[T]) PackJobs() int                        { return 0 }
func (unpacked[T]) Pack(_, _, _ []T, _ int, _ []float32) {}

// divUp returns n/d, rounded up.
func divUp(n, d int) int { return (n + d - 1) / d }
