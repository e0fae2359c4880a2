//go:build cudnn && cgo && linux

package cudnn

// #include "launch.h"
import "C"

import (
	"fmt"

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
// In bf16, x and the kernel get channels of zeros up to a multiple of 8: fast kernels of cuDNN need
// that, and it would otherwise pad in each pass by itself.
//
// In bf16, y is rounded twice if the bias is not 0: cuDNN rounds its output, which has the type of
// x, and the sum with the bias is rounded again. Before a BatchNorm the bias stays 0.
type conv2D struct {
	b                  *Backend
	spec               backend.Conv2DSpec
	x, y, kernel, bias tensor.Shape
	nchw               bool
	channels           int // of x for cuDNN
	passes             [3]*pass
	packed             layout
	kept               C.CUdeviceptr // the kernel that Forward packs for BackwardData
}

// pass is one of the passes of a convolution and what cuDNN knows of it.
type pass struct {
	c      C.lamina_convolution
	choice choice
}

// layout has the offsets of packed tensors in the scratch memory.
type layout struct{ w, x, y, end int64 }

// Conv2D makes a plan of a convolution.
func (b *Backend) Conv2D(s backend.Conv2DSpec) (backend.Conv2D, error) {
	s.Window.Check(s.H, s.W)
	if k := s.Window.Height; s.Window != tensor.Centered(k) || k != 1 && k != 3 {
		return nil, errUnsupported
	}
	leave := b.enter()
	defer leave()
	c := b.newConv2D(s)
	c.packed.x = aligned(b.bytes(c.kernelSize()))
	c.packed.y = c.packed.x
	if c.nchw || c.channels != s.In {
		c.packed.y += aligned(b.bytes(c.inputSize()))
	}
	if c.packed.end = c.packed.y; c.nchw {
		c.packed.end += aligned(b.bytes(c.y.Size()))
	}
	if err := b.reserve(&b.memory.packed, c.packed.end); err != nil {
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
	return c, b.reserveSums(s.N*s.H*s.W, s.Out)
}

// newConv2D makes a plan without algorithms.
func (b *Backend) newConv2D(s backend.Conv2DSpec) *conv2D {
	channels := s.In
	if b.bf16 {
		channels = (channels + 7) &^ 7
	}
	return &conv2D{
		b: b, spec: s, channels: channels,
		x: tensor.Shape{s.N, s.H, s.W, s.In}, y: tensor.Shape{s.N, s.H, s.W, s.Out},
		kernel: tensor.Shape{s.Window.Height, s.Window.Height, s.In, s.Out}, bias: tensor.Shape{s.Out},
		nchw: b.options.Precision == "fp32",
	}
}

// inputSize and kernelSize return the elements of x and of the kernel for cuDNN.
func (c *conv2D) inputSize() int  { return c.x.Size() / c.spec.In * c.channels }
func (c *conv2D) kernelSize() int { return c.kernel.Size() / c.spec.In * c.channels }

// aligned rounds up to a multiple of 256.
func aligned(bytes int64) int64 { return (bytes + 255) &^ 255 }

// describe makes and sets the descriptors, which are freed by Close.
func (p *pass) describe(b *Backend, plan *conv2D) error {
	s := plan.spec
	format, kind := C.lamina_enum(C.LAMINA_CUDNN_TENSOR_NHWC), C.lamina_enum(C.LAMINA_CUDNN_DATA_FLOAT)
	if plan.nchw {
		format = C.LAMINA_CUDNN_TENSOR_NCHW
	}
	if b.bf16 {
		kind = C.LAMINA_CUDNN_DATA_BFLOAT16
	}
	b.free = append(b.free, func() { p.close(b) })
	c := &p.c
	c.handle = b.cudnn
	n, h, w, in, out, k := C.int(s.N), C.int(s.H), C.int(s.W), C.int(plan.channels), C.int(s.Out), C.int(s.Window.Height)
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
			return C.lamina_cudnnSetTensor4dDescriptor(b.api, c.yDesc, format, kind, n, out, h, w)
		}},
		{"cudnnSetFilter4dDescriptor", func() C.lamina_enum {
			return C.lamina_cudnnSetFilter4dDescriptor(b.api, c.wDesc, kind, format, out, in, k, k)
		}},
		{"cudnnSetConvolution2dDescriptor", func() C.lamina_enum {
			return C.lamina_cudnnSetConvolution2dDescriptor(b.api, c.convolution, k/2, k/2, 1, 1, 1, 1,
				C.LAMINA_CUDNN_CROSS_CORRELATION, C.LAMINA_CUDNN_DATA_FLOAT)
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
	if size != [4]C.int{n, out, h, w} {
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
	return fmt.Sprintf("conv %dx%d, %dx%dx%dx%d to %d", s.Window.Height, s.Window.Height, s.N, s.H, s.W, s.In, s.Out)
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

// in returns activations in the layout of cuDNN: at itself, or packed at an offset.
func (c *conv2D) in(at C.CUdeviceptr, offset int64, channels int) C.CUdeviceptr {
	if !c.nchw {
		return at
	}
	pixels := c.spec.H * c.spec.W
	c.b.transpose("swap_axes", c.spec.N, pixels, channels,
		pointer(c.at(offset)), pointer(at), integer(c.spec.N), integer(pixels), integer(channels))
	return c.at(offset)
}

// input returns x in the layout of cuDNN.
func (c *conv2D) input(x C.CUdeviceptr) C.CUdeviceptr {
	if c.channels == c.spec.In {
		return c.in(x, c.packed.x, c.spec.In)
	}
	c.resize(c.at(c.packed.x), x, c.spec.In, c.channels)
	return c.at(c.packed.x)
}

// resize copies pixels of so many channels to pixels of others, and sets those that are new to zero.
func (c *conv2D) resize(to, from C.CUdeviceptr, channelsFrom, channelsTo int) {
	n := c.spec.N * c.spec.H * c.spec.W * channelsTo
	c.b.elementwise("resize_channels", n, pointer(to), pointer(from), count(n), integer(channelsFrom), integer(channelsTo))
}

// dst returns where cuDNN writes activations; out then unpacks them to at.
func (c *conv2D) dst(at C.CUdeviceptr, offset int64) C.CUdeviceptr {
	if !c.nchw {
		return at
	}
	return c.at(offset)
}

func (c *conv2D) out(at C.CUdeviceptr, offset int64, channels int) {
	if !c.nchw {
		return
	}
	pixels := c.spec.H * c.spec.W
	c.b.transpose("swap_axes", c.spec.N, channels, pixels,
		pointer(at), pointer(c.at(offset)), integer(c.spec.N), integer(channels), integer(pixels))
}

// pack returns the packed kernel for Forward, and keeps it for BackwardData.
func (c *conv2D) pack(w C.CUdeviceptr) C.CUdeviceptr {
	to := c.at(c.packed.w)
	if c.kept != 0 {
		to = c.kept
	}
	c.reorder("pack_kernel", pointer(to), pointer(w))
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

// reorder packs a kernel, or unpacks its gradient.
func (c *conv2D) reorder(name string, pointers ...argument) {
	s := &c.spec
	taps := s.Window.Height * s.Window.Height
	c.b.transpose(name, 1, taps*c.channels, s.Out,
		append(pointers, integer(taps), integer(s.In), integer(c.channels), integer(s.Out), flag(c.nchw))...)
}

// Forward computes y.
func (c *conv2D) Forward(y, x, w, b tensor.Tensor) {
	yAt, xAt, wAt, bias := address(y, c.y), address(x, c.x), address(w, c.kernel), address(b, c.bias)
	packed := c.pack(wAt)
	c.run(C.LAMINA_FORWARD, c.input(xAt), c.dst(yAt, c.packed.y), packed)
	c.out(yAt, c.packed.y, c.spec.Out)
	c.b.addBias(yAt, bias, c.spec.N*c.spec.H*c.spec.W, c.spec.Out, c.spec.Function.IsRectifier())
}

// BackwardFilter computes dw and db.
func (c *conv2D) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	dwAt, dbAt, dyAt, xAt := address(dw, c.kernel), address(db, c.bias), address(dy, c.y), address(x, c.x)
	c.run(C.LAMINA_BACKWARD_FILTER, c.input(xAt), c.in(dyAt, c.packed.y, c.spec.Out), c.at(c.packed.w))
	if c.spec.BatchNorm { // which removes any constant, so db is exactly zero
		c.reorder("unpack_kernel", pointer(dwAt), pointer(c.at(c.packed.w)), pointer(dbAt))
		return
	}
	c.reorder("unpack_kernel", pointer(dwAt), pointer(c.at(c.packed.w)), pointer(0))
	c.b.biasGradient(dbAt, dyAt, c.spec.N*c.spec.H*c.spec.W, c.spec.Out)
}

// BackwardData computes dx.
func (c *conv2D) BackwardData(dx, dy, w tensor.Tensor) {
	dxAt, dyAt, wAt := address(dx, c.x), address(dy, c.y), address(w, c.kernel)
	to := c.dst(dxAt, c.packed.x)
	if c.channels != c.spec.In {
		to = c.at(c.packed.x)
	}
	c.run(C.LAMINA_BACKWARD_DATA, to, c.in(dyAt, c.packed.y, c.spec.Out), c.repacked(wAt))
	if c.channels != c.spec.In {
		c.resize(dxAt, to, c.channels, c.spec.In)
	}
	c.out(dxAt, c.packed.x, c.spec.In)
}

// addBias adds the bias to rows of channels, and applies max(0, …) if relu is set.
func (b *Backend) addBias(y, bias C.CUdeviceptr, rows, channels int, relu bool) {
	b.rows("add_bias", rows, channels, pointer(y), pointer(bias), count(rows), integer(channels), flag(relu))
}

// biasGradient sums dy over the rows.
func (b *Backend) biasGradient(db, dy C.CUdeviceptr, rows, channels int) {
	b.sumRows("column_sums", rows, channels, pointer(db), pointer(dy), pointer(b.memory.sums.at), pointer(b.kernels.counters),
		count(rows), integer(channels))
}
