package ops

// Element is the type of activations, and of the operands of matrix products.
type Element interface{ float32 | BF16 }

// Algorithm computes the three passes of a linear layer: of a convolution or a dense layer, of a
// shape S. Its methods plan a pass for a number of workers, on which no result depends.
//
// A caller runs all pack jobs of a pass, if it has any, and then all of its jobs. Jobs of one kind
// may run in any order and at the same time. Each needs scratch of its own, with undefined
// contents. Adjacent jobs read the same memory, so one worker should take them in order.
type Algorithm[S ConvShape | DenseShape, T Element] interface {
	// Forward plans y = x·w.
	Forward(l Level, s S, workers int) Pass[T]
	// InputGradient plans the gradient of x: a Pass whose x is dy and whose y is dx. s is the shape
	// of the forward pass.
	InputGradient(l Level, s S, workers int) Pass[T]
	// KernelGradient plans the gradient of w. s is the shape of the forward pass.
	KernelGradient(l Level, s S, workers int) Gradient[T]
}

// ConvAlgorithm is an algorithm for convolutions.
type ConvAlgorithm[T Element] interface {
	Algorithm[ConvShape, T]
	// String returns the name of the algorithm.
	String() string
	// Fits reports whether the algorithm can compute convolutions of that shape.
	Fits(s ConvShape) bool
}

// Packs says which operand of a pass is packed first.
type Packs uint8

// The operands of a pass.
const (
	PacksNothing Packs = iota
	PacksInput
	PacksKernel
)

// Pass computes y from x and the kernel w, then an epilogue. A float32 kernel is stored row by row:
// (k, k, In, Out) or (In, Out). A BF16 kernel is the matrix of these rows, packed by PackRounded.
// The methods may be called by many goroutines.
type Pass[T Element] interface {
	// Packs returns which operand Pack packs. Run reads the packed one instead.
	Packs() Packs
	// PackedSize returns the size of the packed operand, in floats for BF16 too.
	PackedSize() int
	// PackJobs returns the number of jobs of Pack.
	PackJobs() int
	// Pack packs some of the operand.
	Pack(packed, operand []T, job int, scratch []float32)

	// Scratch returns how many floats Pack and Run need.
	Scratch() int
	// Jobs returns the number of jobs of Run.
	Jobs() int
	// Run computes some of y.
	Run(y, x, w []T, e Epilogue, job int, scratch []float32)
}

// Gradient computes dw, the gradient of a kernel, from dy and x: float32, stored row by row. It is
// a sum of splits, each computed by some of the jobs. The caller adds the dw of the splits, in
// order. The methods may be called by many goroutines.
type Gradient[T Element] interface {
	// PackedSize returns the size of the packed operands, in floats for BF16 too.
	PackedSize() int
	// PackJobs returns the number of jobs of Pack, 0 if Run reads dy and x only.
	PackJobs() int
	// Pack packs some of the operands.
	Pack(packed, dy, x []T, job int, scratch []float32)

	// Scratch returns how many floats Pack and Run need.
	Scratch() int
	// Splits returns the number of splits. It does not depend on the number of workers.
	Splits() int
	// Jobs returns the number of jobs of Run.
	Jobs() int
	// Split returns the split that a job belongs to.
	Split(job int) int
	// Run computes some of the dw of the job's split.
	Run(dw []float32, dy, x, packed []T, job int, scratch []float32)
}

// unpacked is embedded by gradients that read both operands as they are.
type unpacked[T Element] struct{}

func (unpacked[T]) PackedSize() int                      { return 0 }
func (unpacked[T]) PackJobs() int                        { return 0 }
func (unpacked[T]) Pack(_, _, _ []T, _ int, _ []float32) {}

// divUp returns n/d, rounded up.
func divUp(n, d int) int { return (n + d - 1) / d }
