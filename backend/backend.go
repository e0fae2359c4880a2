// Package backend is the interface between networks and the machines that compute them.
//
// A Backend makes tensors, and plans that compute on them. A plan is made once, for fixed shapes.
// It chooses its algorithm, owns its workspace, and keeps what its backward pass needs from its
// forward pass. Nothing above this package knows how a tensor is stored, which precision it has or
// which algorithm runs.
//
// # Gradients share the memory of activations
//
// The gradient of an activation may overwrite that activation: every Backward accepts dx == x, and
// BackwardData accepts as dx the tensor that was x. Plans read each element of x for the last time
// before they write dx over it. So a convolution or dense layer runs BackwardFilter before
// BackwardData. Gradients are assigned, not accumulated: one step, one gradient.
//
// # Errors
//
// A wrong shape is a programmer's error and panics with a constant message. What can fail in a
// sound program (memory, a device) is returned as an error: by constructors at once, by plans
// through the next Run, Read or Metrics. A backend that lacks a kind of plan returns
// errors.ErrUnsupported.
//
// # Goroutines
//
// A backend and its scopes share one lock, which their users hold. Package nn does so for its
// models.
package backend

import (
	"errors"
	"sync"

	"github.com/lamina-go/lamina/tensor"
)

// Backend is a device with its memory, or a scope of one.
type Backend interface {
	// Locker is one lock for a backend and all its scopes. Where several goroutines use them, each
	// holds it during every call of their methods, plans and steps, except Name and Close.
	sync.Locker

	// Name returns the kind of backend and what it runs on: "cpu/avx512".
	Name() string

	// Scope returns a backend on the same device with the same options. It shares the workers and
	// the scratch memory, and its Close frees only what it made: tensors, plans and steps. Plans
	// accept tensors of any open scope of their device.
	Scope() Backend

	// Parameters makes a zeroed float32 tensor: weights, gradients, velocities, statistics, labels.
	// Its elements are in row-major order, so a View at an offset is a contiguous range of it.
	Parameters(shape tensor.Shape) (tensor.Tensor, error)
	// Activations makes a tensor of shape (N, H, W, C) or (N, C) for what flows between layers, in
	// the precision and the layout of the backend. Its contents are undefined.
	Activations(shape tensor.Shape) (tensor.Tensor, error)
	// View returns a tensor of the given shape in the memory of t, starting at element offset. A
	// view of activations starts at offset 0. It shares the memory, not the meaning: a write
	// through one makes the contents of the other undefined. View panics if the view does not fit
	// into t.
	View(t tensor.Tensor, offset int, shape tensor.Shape) tensor.Tensor
	// Kernel is View for the w of a Conv2D or a Dense. It allocates whatever other form of the
	// weights the backend keeps, so that no plan fails for lack of memory later. That memory
	// belongs to the scope that made parameters. A View of its rows may be the w of a
	// DenseSpec.Slice.
	Kernel(parameters tensor.Tensor, offset int, shape tensor.Shape) (tensor.Tensor, error)

	// Write copies src, row-major in the order of the shape, to dst.
	Write(dst tensor.Tensor, src []float32) error
	// Read copies src to dst, row-major in the order of the shape.
	Read(dst []float32, src tensor.Tensor) error

	Conv2D(Conv2DSpec) (Conv2D, error)
	Dense(DenseSpec) (Dense, error)
	BatchNorm(BatchNormSpec) (BatchNorm, error)
	DepthwiseConv2D(DepthwiseSpec) (Conv2D, error)
	Function(shape tensor.Shape, f tensor.Function) (Activation, error)
	Softmax(shape tensor.Shape) (Activation, error)
	Pool(PoolSpec) (Activation, error)
	Pad(PadSpec) (Activation, error)
	Flatten(shape tensor.Shape) (Activation, error)
	Dropout(DropoutSpec) (Activation, error)
	Add(AddSpec) (Merge, error)
	Concat(ConcatSpec) (Merge, error)
	Loss(LossSpec) (Loss, error)
	SGD(SGDSpec) (Optimizer, error)
	AdamW(AdamWSpec) (Optimizer, error)
	Muon(MuonSpec) (Optimizer, error)

	// InferenceBatch returns how many of s.N images a forward pass should take at a time: all, or a
	// fraction whose activations stay in caches. No result depends on it.
	InferenceBatch(s InferenceSpec) int

	// Record returns a Step of the plan calls that f makes. Every call of f makes the same calls on
	// the same tensors and has no other effect: a Run may call f, or replay an earlier call.
	Record(f func()) Step

	// Close takes the lock, waits for the device and frees what this backend made. If it is not a
	// scope, Close also closes all its scopes and releases the device. Plans and tensors must not
	// be used afterwards. Run, Write, Read and everything that allocates return an error. Further
	// calls of Close do nothing.
	Close() error
}

// ErrMemory is in the error chain when a device runs out of memory.
var ErrMemory = errors.New("not enough memory")

// Step is a sequence of plan calls that runs as a whole. It belongs to the backend that recorded
// it.
type Step interface {
	// Run executes the calls with the values v, the only thing that differs between runs. It may
	// return before the device has finished. Runs, of this and other steps, execute in order.
	// Run panics after MaxPending runs without a call of Metrics.
	Run(v StepValues) error
	// Metrics appends to dst the measurements of this step's runs since the last call, one element
	// per Run, oldest first. It waits for these runs to finish.
	Metrics(dst []StepMetrics) ([]StepMetrics, error)
}

// MaxPending is the number of runs of a Step whose metrics are kept until Step.Metrics takes them.
const MaxPending = 256

// StepValues are what changes from run to run of a Step.
type StepValues struct {
	LearningRate float32
	Rates        [MaxRates]float32 // learning rates of the ranges of a MuonSpec
	Step         uint64            // counter of the dropout masks: steps since training began
}

// MaxRates is the number of learning rates besides the first.
const MaxRates = 4

// StepMetrics is what one Run of a Step measured. A field is zero if no plan of the step measures
// it.
type StepMetrics struct {
	Images  int     // in the loss plan's batch
	Loss    float64 // mean cross-entropy over the batch, without the L2 penalty
	Correct int     // images whose largest logit (the first of equals) is that of the label
	Penalty float64 // Σ λ·Σw² before the update
}

// InferenceSpec says what a forward pass of N images reads and writes.
type InferenceSpec struct {
	N            int
	Largest      int // elements of the input and the output of a layer for one image, at most
	Activations  int // the same of all layers together
	Weights      int // elements
	Convolutions []Conv2DSpec
}

// Conv2DSpec describes a convolution,
//
//	y[n,h,w,o] = b[o] + Σ x[n, h·StrideH + r − Top, w·StrideW + s − Left, i]·kernel[r,s,i,o]
//
// over the r, s of the window, where x is zero outside the image.
type Conv2DSpec struct {
	N, H, W, In, Out int
	Window           tensor.Window // the kernel's size, stride and padding
	BatchNorm        bool          // a BatchNorm of y follows: its statistics may be collected, db is exactly zero
	// Function is applied, y = Function(…). In training it is max(0, x) or none, and the backward
	// passes take the gradient of its input as dy.
	Function    tensor.Function
	Inference   bool // Backward is never called
	Constant    bool // every Forward has the same w and b, so packed forms may be kept; inference only
	NoInputGrad bool // BackwardData is never called
}

// Conv2D is a plan made from a Conv2DSpec. x and dx are (N, H, W, In), y and dy (N, h, w, Out) with
// h and w of Window.Output, w and dw (Height, Width, In, Out), b and db (Out,). A layer without a
// bias has b and db nil.
type Conv2D interface {
	Forward(y, x, w, b tensor.Tensor)
	// BackwardFilter comes before BackwardData.
	BackwardFilter(dw, db, dy, x tensor.Tensor)
	BackwardData(dx, dy, w tensor.Tensor)
}

// DepthwiseSpec describes a convolution of each channel by itself, with Multiplier outputs,
//
//	y[n,h,w,i·Multiplier+m] = b[i·Multiplier+m] + Σ x[n, h·StrideH + r − Top, w·StrideW + s − Left, i]·kernel[r,s,i,m]
//
// The other fields mean the same as those of Conv2DSpec. Its plan has x (N, H, W, C), y (N, h, w,
// C·Multiplier), w (Height, Width, C, Multiplier), a View, and b (C·Multiplier,).
type DepthwiseSpec struct {
	N, H, W, C, Multiplier int
	Window                 tensor.Window
	BatchNorm              bool
	Function               tensor.Function
	Inference              bool
	Constant               bool
	NoInputGrad            bool
}

// DenseSpec describes y = x·w + b. Its fields mean the same as those of Conv2DSpec.
type DenseSpec struct {
	N, In, Out  int
	BatchNorm   bool
	Function    tensor.Function
	Inference   bool
	Constant    bool
	NoInputGrad bool
	// Slice, if not zero, restricts the backward passes to some rows of w and the same columns of
	// x. Other plans compute the other rows, and Forward needs a plan of the whole w. So a large w
	// can be updated slice by slice, each before the gradient of the next needs memory. Both ends
	// are multiples of SliceRows, except that To may be In.
	Slice Rows
}

// Rows returns the rows of w that the backward passes compute.
func (s DenseSpec) Rows() Rows {
	if s.Slice == (Rows{}) {
		return Rows{0, s.In}
	}
	return s.Slice
}

// SliceRows is the granularity of DenseSpec.Slice: plans compute this many rows at a time, which
// fill whole cache lines.
const SliceRows = 64

// Rows are the rows of a matrix from From on, before To.
type Rows struct{ From, To int }

// Len returns the number of rows.
func (r Rows) Len() int { return r.To - r.From }

// Dense is a plan made from a DenseSpec. x and dx are (N, In), y and dy (N, Out), w and dw (In,
// Out), b and db (Out,), or nil without a bias. In a plan with a Slice, w and dw have only its
// rows, BackwardData leaves the other columns of dx as they are, and db may be nil.
type Dense interface {
	Forward(y, x, w, b tensor.Tensor)
	BackwardFilter(dw, db, dy, x tensor.Tensor)
	BackwardData(dx, dy, w tensor.Tensor)
}

// BatchNormSpec describes y = γ·(x − mean)/sqrt(variance + ε) + β for each channel
// (https://arxiv.org/abs/1502.03167), fused with the activation and the pool that follow it.
type BatchNormSpec struct {
	Shape    tensor.Shape // of x: (N, H, W, C) or (N, C)
	Epsilon  float32
	Momentum float32         // k in running = k·running + (1 − k)·batch
	Unbiased bool            // the running variance takes m/(m−1) of the batch's, m = N·H·W
	Function tensor.Function // y = Function(…) follows
	// Pool is for a 2x2 max pool of stride 2 that follows, without odd last rows and columns. The
	// Function is max(0, x) or none.
	Pool      bool
	Inference bool // only Infer is called
	// Frozen is for a plan whose Forward normalizes by the running statistics, as Infer does, and
	// leaves them as they are. Backward treats them as constants.
	Frozen bool
	// Fresh is a tensor (1,) of Parameters, or nil. Where it holds 1 instead of 0, the running
	// statistics began with this training: in step t = StepValues.Step, k is at most t/(t + 10). So
	// they forget their initial values at once, follow the weights, which change fast at first, and
	// remember more steps until Momentum limits k.
	Fresh tensor.Tensor
}

// BatchNorm is a plan made from a BatchNormSpec. γ, β and the running statistics are (C,). A nil γ
// is 1 and a nil β is 0 in all channels; a nil dγ or dβ is not wanted. y and dy have the shape of
// x, or the pooled one.
type BatchNorm interface {
	// Forward normalizes by the statistics of the batch and updates the running ones.
	Forward(y, x, gamma, beta, mean, variance tensor.Tensor)
	// Infer normalizes by the running statistics.
	Infer(y, x, gamma, beta, mean, variance tensor.Tensor)
	// Backward is the backward pass of the last Forward, with no Infer in between.
	Backward(dx, dgamma, dbeta, dy, x, gamma, beta tensor.Tensor)
}

// Activation is a plan without parameters, from x to y, which are different tensors.
//
// Function applies a tensor.Function to each element. Its derivative at a bend is that of the side
// below, such as 0 for max(0, x) at 0, with three exceptions. It is 0 for a ReLU of Max at Max, and
// for a HardSigmoid at 1; for a SELU at 0 it is that of the side above. Softmax is that of the
// channels of each pixel. Flatten reshapes (N, H, W, C) to (N, H·W·C).
type Activation interface {
	Forward(y, x tensor.Tensor)
	// Backward takes the x of the last Forward; of max(0, x) also its y in the place of x, whose sign
	// is the same.
	Backward(dx, dy, x tensor.Tensor)
}

// PoolSpec describes a pool of images (N, H, W, C): y[n,h,w,c] is the maximum or the mean of the
// pixels of channel c that the window covers there.
type PoolSpec struct {
	Shape  tensor.Shape
	Window tensor.Window
	Kind   PoolKind
}

// PoolKind is what a pool computes.
type PoolKind uint8

// The pools. The gradient of MaxPool goes to the first maximum of the window in row-major order,
// that of SharedMaxPool in equal shares to all of them.
const (
	MaxPool PoolKind = iota
	SharedMaxPool
	AveragePool
)

// PadSpec describes images with Top, Bottom, Left and Right rows and columns of zeros around them.
type PadSpec struct {
	Shape                    tensor.Shape // (N, H, W, C)
	Top, Bottom, Left, Right int
}

// AddSpec describes y = Function(Σ xs) of Inputs tensors of one shape.
type AddSpec struct {
	Shape    tensor.Shape
	Inputs   int
	Function tensor.Function
}

// ConcatSpec describes images, or rows of a matrix, whose channels are those of the inputs, one
// after the other. The shapes of the inputs differ only in the number of channels.
type ConcatSpec struct {
	Shapes []tensor.Shape
}

// Merge is a plan made from an AddSpec or a ConcatSpec, of several inputs.
type Merge interface {
	// Forward computes y. Where the plan is an Add without a Function, y may be one of xs.
	Forward(y tensor.Tensor, xs []tensor.Tensor)
	// Backward computes the gradients of the inputs; a nil one is not wanted. All inputs of an Add
	// have the same gradient, so it computes one, dxs[0], which may be dy.
	Backward(dxs []tensor.Tensor, dy tensor.Tensor, xs []tensor.Tensor)
}

// DropoutSpec describes y = x·mask/(1 − Rate), where an element of the mask is 0 with probability
// Rate, else 1. Element i of step t is kept if word i%4 of Philox4x32-10 with key Seed and counter
// (i/4, Layer, t) is at least Rate·2³²: see package internal/philox. So masks do not depend on the
// device. i counts the elements of a matrix (N, C) by rows, those of images in the order (H, W, N,
// C), and, with Channels, those of the mask (N, C) that all pixels of an image share.
type DropoutSpec struct {
	Shape    tensor.Shape // (N, H, W, C) or (N, C)
	Channels bool         // drops whole channels of an image
	Rate     float32
	Seed     uint64
	Layer    uint32 // number of the dropout layer in its network
}

// LossSpec describes a cross-entropy against class numbers, computed from the logits without
// clipping.
type LossSpec struct {
	N, Classes int // Classes is 2 if Sigmoid
	// Sigmoid is for two classes and logits (N, 1), whose sigmoid is the probability of class 1.
	// Otherwise logits are (N, Classes), and their softmax is the probabilities.
	Sigmoid bool
	// Smoothing s replaces the target t of each probability by t·(1 − s) + s/Classes.
	Smoothing float32
	// Weights is a tensor (Classes,) of Parameters, or nil: the loss of an image is multiplied by
	// the weight of its label. The mean over the batch is that of these products.
	Weights tensor.Tensor
}

// Loss is a plan made from a LossSpec. Its metrics go to Step.Metrics. labels is a tensor (N,) of
// Parameters that holds whole numbers from 0 to Classes − 1.
type Loss interface {
	Forward(logits, labels tensor.Tensor)
	// Backward computes the gradient of the mean over the batch.
	Backward(dlogits, logits, labels tensor.Tensor)
}

// SGDSpec describes stochastic gradient descent on parameters that lie in one tensor of Size
// elements, as do their gradients and velocities.
type SGDSpec struct {
	Size     int
	Decay    []Decay // in order of offset, not overlapping
	Momentum float32
	Nesterov bool
}

// Decay is an L2 penalty λ·Σw² on a range of the parameters.
type Decay struct {
	Offset, Size int
	Lambda       float32
}

// AdamWSpec describes Adam with decoupled weight decay (https://arxiv.org/abs/1711.05101), as Keras
// computes it, on parameters that lie in one tensor of Size elements.
type AdamWSpec struct {
	Size                  int
	Decay                 []Decay // as in SGDSpec; it adds to the gradient
	Beta1, Beta2, Epsilon float32
	WeightDecay           float32 // w ← w − lr·WeightDecay·w in each step, all parameters
}

// MuonSpec describes Muon (https://kellerjordan.github.io/posts/muon) for kernels, and SGD with
// Nesterov momentum for other parameters, of one tensor of Size elements. Elements in neither stay
// as they are.
type MuonSpec struct {
	Size       int
	Kernels    []MuonKernel
	Others     []MuonRange
	Momentum   float32 // of Kernels
	SGD        float32 // momentum of Others
	Iterations int     // of Newton and Schulz
}

// MuonKernel is a kernel (…, In, Out) as a matrix of Out columns.
type MuonKernel struct {
	Offset, Rows, Columns int
}

// MuonRange is a range of the parameters with a learning rate: StepValues.Rates[Rate]. Decay·w adds
// to the gradient, but not to StepMetrics.Penalty.
type MuonRange struct {
	Offset, Size, Rate int
	Decay              float32
}

// MuonPolynomial has the coefficients a, b and c of an iteration of Muon, X ← a·X + b·X·XᵀX +
// c·X·(XᵀX)². It moves all singular values of X from (0, 1] to about 1.
var MuonPolynomial = [3]float32{3.4445, -4.7750, 2.0315}

// MuonEpsilon is added to the norm by which a matrix is divided before the first iteration.
const MuonEpsilon = 1e-7

// Optimizer is a plan made from an SGDSpec, an AdamWSpec or a MuonSpec.
type Optimizer interface {
	// Step updates w by its gradient g and the state that the optimizer keeps from step to step, and
	// leaves g alone. It adds the penalty of the old w to StepMetrics.Penalty. Each state is a tensor
	// of the size of w, zero at first.
	//
	// SGD has one state, v. With d = g + 2λw it computes v ← m·v − lr·d and w ← w + m·v − lr·d (w ← w
	// + v without Nesterov).
	//
	// AdamW has two, m and v. It decays w, then with t = StepValues.Step + 1 it computes m ← m + (d −
	// m)·(1 − β1), v ← v + (d² − v)·(1 − β2), and w ← w − lr·√(1 − β2^t)/(1 − β1^t)·m/(√v + ε).
	//
	// Muon has one state, v. For a kernel it computes v ← m·v + g and X = g + m·v, divides X by its
	// norm + MuonEpsilon, iterates, scales w to the norm √Columns, and computes w ← w − lr·X. Others
	// are as in SGD, with d = g + Decay·w.
	Step(w tensor.Tensor, state []tensor.Tensor, g tensor.Tensor)
	// Penalty only adds the penalty of w.
	Penalty(w tensor.Tensor)
}
