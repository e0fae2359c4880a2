//go:build cudnn && cgo && linux

package cudnn

// #include "launch.h"
import "C"

import (
	"fmt"
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// conv2D is a convolution. cuDNN's order of the kernel differs from that of parameters, so Forward
// packs the kernel, also for BackwardData, and BackwardFilter unpacks its gradient.
//
// In float32, activations are also converted to NCHW and back. cuDNN supports NHWC since version 8,
// but without tensor cores its fast algorithms (Winograd, FFT) need NCHW; NVIDIA tried NHWC in
// TensorFlow and reverted it (tensorflow/tensorflow, pull request 56744). Whether TF32 gains from
// NCHW has not been measured.
//
// For tensor cores, x, y and the kernel get channels of zeros up to a multiple of 16 bytes: fast
// kernels of cuDNN need that, and it would otherwise pad in each pass by itself.
//
// cuDNN pads both sides of an image alike. Where a window needs more on one side, x is copied with
// its padding, and cuDNN adds none.
//
// In bf16, y is rounded twice if the bias is not 0: cuDNN rounds its output, which has the type of
// x, and the sum with the bias is rounded again. Before a BatchNorm the bias stays 0.
type conv2D struct {
	b            *Backend
	spec         backend.Conv2DSpec
	kernel, bias tensor.Shape
	x, y         operand
	padH, padW   int // by cuDNN, on both sides
	passes       [3]*pass
	scratch      int64         // bytes of scratch memory: the kernel and what operands need
	kept         C.CUdeviceptr // the kernel that Forward packs for BackwardData
}

// operand is x or y of a convolution, or its gradient.
type operand struct {
	shape     tensor.Shape // of the tensor
	dnn       tensor.Shape // for cuDNN, with more channels and its padding
	top, left int          // of that padding
	nchw      bool
	// Offsets in the scratch memory: of the tensor as cuDNN sees it, in NHWC and in NCHW.
	placed, packed int64
}

// pass is one of the passes of a convolution and what cuDNN knows of it.
type pass struct {
	c      C.lamina_convolution
	choice choice
}

// Conv2D makes a plan of a convolution.
func (b *Backend) Conv2D(s backend.Conv2DSpec) (backend.Conv2D, error) {
	s.Window.Check(s.H, s.W)
	if err := s.Function.Check(); err != nil {
		return nil, err
	}
	leave := b.enter()
	defer leave()
	c := b.newConv2D(s)
	if err := b.reserve(&b.memory.packed, c.scratch); err != nil {
		return nil, err
	}
	if !s.Inference && !s.NoInputGrad {
		var err error
		if c.kept, err = b.alloc(b.bytes(c.kernelSize())); err != nil {
			return nil, err
		}
	}
	passes := []C.int{C.LAMINA_FORWARD, C.LAMINA_BACKWARD_FILTER, C.LAMINA_BACKWARD_DATA}
	switch {
	case s.Inference:
		passes = passes[:1]
	case s.NoInputGrad:
		passes = passes[:2]
	}
	before := len(b.measured)
	for _, which := range passes {
		p := new(pass)
		if err := p.describe(b, c); err != nil {
			return nil, err
		}
		var err error
		if p.choice, err = b.choose(which, c, p); err != nil {
			return nil, err
		}
		c.passes[which] = p
	}
	if len(b.measured) > before {
		b.keepMeasured()
	}
	if s.Inference || s.BatchNorm {
		return c, nil
	}
	return c, b.reserveSums(c.pixels(), s.Out)
}

// newConv2D makes a plan without algorithms.
func (b *Backend) newConv2D(s backend.Conv2DSpec) *conv2D {
	channels := func(n int) int { // for cuDNN
		if b.options.Precision == "fp32" {
			return n
		}
		vector := b.vector()
		return (n + vector - 1) / vector * vector
	}
	win := s.Window
	high, wide := win.Output(s.H, s.W)
	c := &conv2D{
		b: b, spec: s, padH: win.Top, padW: win.Left,
		kernel: tensor.Shape{win.Height, win.Width, s.In, s.Out}, bias: tensor.Shape{s.Out},
	}
	nchw := b.options.Precision == "fp32"
	c.x = operand{shape: tensor.Shape{s.N, s.H, s.W, s.In}, dnn: tensor.Shape{s.N, s.H, s.W, channels(s.In)}, nchw: nchw}
	c.y = operand{shape: tensor.Shape{s.N, high, wide, s.Out}, dnn: tensor.Shape{s.N, high, wide, channels(s.Out)}, nchw: nchw}
	alike := win
	alike.Bottom, alike.Right = win.Top, win.Left
	if h, w := alike.Output(s.H, s.W); h != high || w != wide {
		c.padH, c.padW = 0, 0
		c.x.top, c.x.left = win.Top, win.Left
		c.x.dnn[1], c.x.dnn[2] = win.Top+s.H+win.Bottom, win.Left+s.W+win.Right
	}
	c.scratch = aligned(b.bytes(c.kernelSize()))
	for _, o := range []*operand{&c.x, &c.y} {
		size := aligned(b.bytes(o.dnn.Size()))
		if o.placed = c.scratch; o.isPlaced() {
			c.scratch += size
		}
		if o.packed = c.scratch; nchw {
			c.scratch += size
		}
	}
	return c
}

// pixels returns the number of pixels of y.
func (c *conv2D) pixels() int { return c.y.shape.Size() / c.spec.Out }

// kernelSize returns the elements of the kernel for cuDNN.
func (c *conv2D) kernelSize() int { return c.spec.Window.Taps() * c.x.dnn[3] * c.y.dnn[3] }

// aligned rounds up to a multiple of 256.
func aligned(bytes int64) int64 { return (bytes + 255) &^ 255 }

// describe makes and sets the descriptors, which are freed by Close.
func (p *pass) describe(b *Backend, plan *conv2D) error {
	format, kind := C.lamina_enum(C.LAMINA_CUDNN_TENSOR_NHWC), C.lamina_enum(C.LAMINA_CUDNN_DATA_FLOAT)
	if plan.x.nchw {
		format = C.LAMINA_CUDNN_TENSOR_NCHW
	}
	if b.bf16 {
		kind = C.LAMINA_CUDNN_DATA_BFLOAT16
	}
	b.free = append(b.free, func() { p.close(b) })
	c := &p.c
	c.handle = b.cudnn
	win := plan.spec.Window
	dimensions := func(s tensor.Shape) (n, h, w, channels C.int) {
		return C.int(s[0]), C.int(s[1]), C.int(s[2]), C.int(s[3])
	}
	n, h, w, in := dimensions(plan.x.dnn)
	_, high, wide, out := dimensions(plan.y.dnn)
	for _, step := range []struct {
		call string
		do   func() C.lamina_enum
	}{
		{"cudnnCreateTensorDescriptor", func() C.lamina_enum { return C.lamina_cudnnCreateTensorDescriptor(b.api, &c.xDesc) }},
		{"cudnnCreateTensorDescriptor", func() C.lamina_enum { return C.lamina_cudnnCreateTensorDescriptor(b.api, &c.yDesc) }},
		{"cudnnCreateFilterDescriptor", func() C.lamina_enum { return C.lamina_cudnnCreateFilterDescriptor(b.api, &c.wDesc) }},
		{"cudnnCreateConvolutionDescriptor", func() C.lamina_enum { return C.lamina_cudnnCreateConvolutionDescriptor(b.api, &c.convolution) }},
		{"cudnnSetTensor4dDescriptor", func() C.lamina_enum {
			return C.lamina_cudnnSetTensor4dDescriptor(b.api, c.xDesc, format, kind, n, in, h, w)
		}},
		{"cudnnSetTensor4dDescriptor", func() C.lamina_enum {
			return C.lamina_cudnnSetTensor4dDescriptor(b.api, c.yDesc, format, kind, n, out, high, wide)
		}},
		{"cudnnSetFilter4dDescriptor", func() C.lamina_enum {
			return C.lamina_cudnnSetFilter4dDescriptor(b.api, c.wDesc, kind, format, out, in, C.int(win.Height), C.int(win.Width))
		}},
		{"cudnnSetConvolution2dDescriptor", func() C.lamina_enum {
			return C.lamina_cudnnSetConvolution2dDescriptor(b.api, c.convolution, C.int(plan.padH), C.int(plan.padW),
				C.int(win.StrideH), C.int(win.StrideW), 1, 1, C.LAMINA_CUDNN_CROSS_CORRELATION, C.LAMINA_CUDNN_DATA_FLOAT)
		}},
	} {
		if err := b.dnn(step.call, step.do()); err != nil {
			return fmt.Errorf("%w, for %s", err, plan)
		}
	}
	var size [4]C.int
	if err := b.dnn("cudnnGetConvolution2dForwardOutputDim", C.lamina_cudnnGetConvolution2dForwardOutputDim(b.api,
		c.convolution, c.xDesc, c.wDesc, &size[0], &size[1], &size[2], &size[3])); err != nil {
		return fmt.Errorf("%w, for %s", err, plan)
	}
	if size != [4]C.int{n, out, high, wide} {
		return fmt.Errorf("cudnn: cuDNN computes a wrong shape for %s: %v", plan, size)
	}
	return nil
}

func (p *pass) close(b *Backend) {
	c := &p.c
	if c.xDesc != nil {
		C.lamina_cudnnDestroyTensorDescriptor(b.api, c.xDesc)
	}
	if c.yDesc != nil {
		C.lamina_cudnnDestroyTensorDescriptor(b.api, c.yDesc)
	}
	if c.wDesc != nil {
		C.lamina_cudnnDestroyFilterDescriptor(b.api, c.wDesc)
	}
	if c.convolution != nil {
		C.lamina_cudnnDestroyConvolutionDescriptor(b.api, c.convolution)
	}
}

// String returns "conv 3x3, 128x32x32x3 to 64".
func (c *conv2D) String() string {
	s := &c.spec
	return fmt.Sprintf("conv %s, %dx%dx%dx%d to %d", windowName(s.Window), s.N, s.H, s.W, s.In, s.Out)
}

// windowName returns "3x3", and more where a window has a stride or does not keep the size.
func windowName(w tensor.Window) string {
	name := fmt.Sprintf("%dx%d", w.Height, w.Width)
	same := tensor.Window{Height: w.Height, Width: w.Width, StrideH: 1, StrideW: 1}
	if w == same.Same(1, 1) {
		return name
	}
	return fmt.Sprintf("%s stride %dx%d padding %d,%d,%d,%d", name, w.StrideH, w.StrideW, w.Top, w.Bottom, w.Left, w.Right)
}

// run enqueues a pass, with the packed kernel at w and activations in the layout of cuDNN.
func (c *conv2D) run(which C.int, x, y, w C.CUdeviceptr) {
	if c.b.err != nil {
		return
	}
	p := c.passes[which]
	p.c.x, p.c.y, p.c.w = x, y, w
	p.c.workspace, p.c.bytes = c.b.memory.shared.at, C.size_t(p.choice.bytes)
	if status := C.lamina_convolve(c.b.api, which, &p.c, p.choice.algo); status != 0 {
		c.b.fail(c.b.dnn(fmt.Sprintf("%s pass of %s", passNames[which], c), status))
	}
}

func (c *conv2D) at(offset int64) C.CUdeviceptr {
	return c.b.memory.packed.at + C.CUdeviceptr(offset)
}

// isPlaced reports whether cuDNN's tensor has other pixels or channels.
func (o *operand) isPlaced() bool {
	return o.top != 0 || o.left != 0 || !slices.Equal(o.shape, o.dnn)
}

// input returns an operand at an address in the layout of cuDNN: itself, or in the scratch memory.
func (c *conv2D) input(o *operand, at C.CUdeviceptr) C.CUdeviceptr {
	if o.isPlaced() {
		c.b.place(c.at(o.placed), at, o.dnn, o.shape, o.top, o.left)
		at = c.at(o.placed)
	}
	if !o.nchw {
		return at
	}
	pixels := o.dnn[1] * o.dnn[2]
	c.b.swapAxes(c.at(o.packed), at, o.dnn[0], pixels, o.dnn[3])
	return c.at(o.packed)
}

// output returns where cuDNN writes an operand, which finish then brings to its address.
func (c *conv2D) output(o *operand, at C.CUdeviceptr) C.CUdeviceptr {
	switch {
	case o.nchw:
		return c.at(o.packed)
	case o.isPlaced():
		return c.at(o.placed)
	}
	return at
}

func (c *conv2D) finish(o *operand, at C.CUdeviceptr) {
	from := at
	if o.isPlaced() {
		from = c.at(o.placed)
	}
	if o.nchw {
		c.b.swapAxes(from, c.at(o.packed), o.dnn[0], o.dnn[3], o.dnn[1]*o.dnn[2])
	}
	if o.isPlaced() {
		c.b.place(at, from, o.shape, o.dnn, -o.top, -o.left)
	}
}

// swapAxes transposes matrices.
func (b *Backend) swapAxes(to, from C.CUdeviceptr, batch, rows, cols int) {
	b.transpose("swap_axes", batch, rows, cols, pointer(to), pointer(from), integer(batch), integer(rows), integer(cols))
}

// pack returns the packed kernel for Forward, and keeps it for BackwardData.
func (c *conv2D) pack(w C.CUdeviceptr) C.CUdeviceptr {
	to := c.at(0)
	if c.kept != 0 {
		to = c.kept
	}
	in, out := c.x.dnn[3], c.y.dnn[3]
	c.b.transpose("pack_kernel", 1, c.spec.Window.Taps()*in, out, pointer(to), pointer(w),
		integer(c.spec.Window.Taps()), integer(c.spec.In), integer(in), integer(c.spec.Out), integer(out), flag(c.x.nchw))
	c.b.keepWeights(w, c.kernel.Size(), true, c.kept)
	return to
}

// repacked returns the packed kernel for BackwardData.
func (c *conv2D) repacked(w C.CUdeviceptr) C.CUdeviceptr {
	if at, ok := c.b.packedWeights(w, c.kernel.Size(), true); ok {
		return at
	}
	return c.pack(w)
}

// Forward computes y.
func (c *conv2D) Forward(y, x, w, b tensor.Tensor) {
	yAt, xAt, wAt, bias := address(y, c.y.shape), address(x, c.x.shape), address(w, c.kernel), addressOrNil(b, c.bias)
	packed := c.pack(wAt)
	c.run(C.LAMINA_FORWARD, c.input(&c.x, xAt), c.output(&c.y, yAt), packed)
	c.finish(&c.y, yAt)
	c.b.addBias(yAt, bias, c.pixels(), c.spec.Out, c.spec.Function, c.spec.BatchNorm && !c.spec.Inference)
}

// BackwardFilter computes dw and db.
func (c *conv2D) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	dwAt, dbAt, dyAt, xAt := address(dw, c.kernel), addressOrNil(db, c.bias), address(dy, c.y.shape), address(x, c.x.shape)
	c.run(C.LAMINA_BACKWARD_FILTER, c.input(&c.x, xAt), c.input(&c.y, dyAt), c.at(0))
	var zero C.CUdeviceptr
	if c.spec.BatchNorm { // which removes any constant, so db is exactly zero
		zero, dbAt = dbAt, 0
	}
	taps, in := c.spec.Window.Taps(), c.x.dnn[3]
	c.b.transpose("unpack_kernel", 1, taps*in, c.spec.Out, pointer(dwAt), pointer(c.at(0)), pointer(zero),
		integer(taps), integer(c.spec.In), integer(in), integer(c.spec.Out), flag(c.x.nchw))
	c.b.biasGradient(dbAt, dyAt, c.pixels(), c.spec.Out, false)
}

// BackwardData computes dx.
func (c *conv2D) BackwardData(dx, dy, w tensor.Tensor) {
	dxAt, dyAt, wAt := address(dx, c.x.shape), address(dy, c.y.shape), address(w, c.kernel)
	c.run(C.LAMINA_BACKWARD_DATA, c.output(&c.x, dxAt), c.input(&c.y, dyAt), c.repacked(wAt))
	c.finish(&c.x, dxAt)
}
