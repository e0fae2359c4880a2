package nn

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"github.com/lamina-go/lamina/tensor"
)

func (Conv2D) class() (string, string)          { return "Conv2D", "conv2d" }
func (DepthwiseConv2D) class() (string, string) { return "DepthwiseConv2D", "depthwise_conv2d" }
func (SeparableConv2D) class() (string, string) { return "SeparableConv2D", "separable_conv2d" }
func (ZeroPadding) class() (string, string)     { return "ZeroPadding2D", "zero_padding2d" }
func (BatchNorm) class() (string, string)       { return "BatchNormalization", "batch_normalization" }
func (ReLU) class() (string, string)            { return "Activation", "activation" }
func (Activation) class() (string, string)      { return "Activation", "activation" }
func (Softmax) class() (string, string)         { return "Softmax", "softmax" }
func (MaxPool) class() (string, string)         { return "MaxPooling2D", "max_pooling2d" }
func (AveragePool) class() (string, string)     { return "AveragePooling2D", "average_pooling2d" }
func (GlobalAveragePool) class() (string, string) {
	return "GlobalAveragePooling2D", "global_average_pooling2d"
}
func (GlobalMaxPool) class() (string, string) { return "GlobalMaxPooling2D", "global_max_pooling2d" }
func (Flatten) class() (string, string)       { return "Flatten", "flatten" }
func (Dense) class() (string, string)         { return "Dense", "dense" }
func (Dropout) class() (string, string)       { return "Dropout", "dropout" }
func (Add) class() (string, string)           { return "Add", "add" }
func (Concatenate) class() (string, string)   { return "Concatenate", "concatenate" }
func (l From) class() (string, string)        { return l.Layer.class() }
func (Residual) class() (string, string)      { return "Add", "add" }

func (l Conv2D) name() string            { return l.Name }
func (l DepthwiseConv2D) name() string   { return l.Name }
func (l SeparableConv2D) name() string   { return l.Name }
func (l ZeroPadding) name() string       { return l.Name }
func (l BatchNorm) name() string         { return l.Name }
func (l ReLU) name() string              { return l.Name }
func (l Activation) name() string        { return l.Name }
func (l Softmax) name() string           { return l.Name }
func (l MaxPool) name() string           { return l.Name }
func (l AveragePool) name() string       { return l.Name }
func (l GlobalAveragePool) name() string { return l.Name }
func (l GlobalMaxPool) name() string     { return l.Name }
func (l Flatten) name() string           { return l.Name }
func (l Dense) name() string             { return l.Name }
func (l Dropout) name() string           { return l.Name }
func (l Add) name() string               { return l.Name }
func (l Concatenate) name() string       { return l.Name }
func (l From) name() string              { return l.Layer.name() }
func (l Residual) name() string          { return l.Name }

const (
	needsImage  = "needs an image (height, width, channels): put it before Flatten"
	needsVector = "needs a vector: put a Flatten before it"
)

var errUnnested = errors.New("must be resolved before it is built")

// window returns the window that moves over an image.
func window(in tensor.Shape, kernel, kernelWidth, stride, strideWidth int, padding Padding) (tensor.Window, error) {
	w := tensor.Window{Height: kernel, Width: cmp.Or(kernelWidth, kernel), StrideH: stride, StrideW: cmp.Or(strideWidth, stride)}
	switch {
	case len(in) != 3:
		return w, errors.New(needsImage)
	case min(w.Height, w.Width) < 1 || max(w.Height, w.Width) > math.MaxInt32:
		return w, fmt.Errorf("window of %dx%d pixels: must be at least 1x1, and not so large", w.Height, w.Width)
	case min(w.StrideH, w.StrideW) < 1 || max(w.StrideH, w.StrideW) > math.MaxInt32:
		return w, fmt.Errorf("stride of %dx%d pixels: must be at least 1x1, and not so large", w.StrideH, w.StrideW)
	}
	switch padding {
	case Same:
		w = w.Same(in[0], in[1])
	case Valid:
	default:
		return w, fmt.Errorf("padding %q: must be \"same\" or \"valid\"", padding)
	}
	if h, wd := w.Output(in[0], in[1]); w.Height > in[0]+w.Top+w.Bottom || w.Width > in[1]+w.Left+w.Right || min(h, wd) < 1 {
		return w, fmt.Errorf("an image of %dx%d is too small for a window of %dx%d: use larger images or fewer pools",
			in[0], in[1], w.Height, w.Width)
	}
	return w, nil
}

// WindowOf returns how the window of a convolution or a pool moves over an image of shape in. Other
// layers have none.
func WindowOf(l Layer, in tensor.Shape) (tensor.Window, error) {
	switch l := l.(type) {
	case Conv2D:
		return l.window(in)
	case DepthwiseConv2D:
		return l.window(in)
	case SeparableConv2D:
		depthwise, _ := l.parts()
		return depthwise.window(in)
	case MaxPool:
		return l.window(in)
	case AveragePool:
		return l.window(in)
	}
	return tensor.Window{}, errors.New("a layer without a window")
}

// windowOutput returns the shape of an image of some channels that a window has moved over.
func windowOutput(w tensor.Window, in tensor.Shape, channels int) tensor.Shape {
	height, width := w.Output(in[0], in[1])
	return tensor.Shape{height, width, channels}
}

func (l Conv2D) window(in tensor.Shape) (tensor.Window, error) {
	return window(in, l.Kernel, l.KernelWidth, cmp.Or(l.Stride, 1), l.StrideWidth, cmp.Or(l.Padding, Same))
}

func (l DepthwiseConv2D) window(in tensor.Shape) (tensor.Window, error) {
	return window(in, l.Kernel, l.KernelWidth, cmp.Or(l.Stride, 1), l.StrideWidth, cmp.Or(l.Padding, Same))
}

// parts returns the two convolutions.
func (l SeparableConv2D) parts() (DepthwiseConv2D, Conv2D) {
	return DepthwiseConv2D{Multiplier: l.Multiplier, Kernel: l.Kernel, KernelWidth: l.KernelWidth, Stride: l.Stride,
			StrideWidth: l.StrideWidth, Padding: l.Padding, NoBias: true, L2: l.L2},
		Conv2D{Filters: l.Filters, Kernel: 1, NoBias: l.NoBias, L2: l.L2}
}

func (l MaxPool) window(in tensor.Shape) (tensor.Window, error) {
	size := cmp.Or(l.Size, 2)
	return window(in, size, l.SizeWidth, cmp.Or(l.Stride, size), cmp.Or(l.StrideWidth, l.Stride, l.SizeWidth), cmp.Or(l.Padding, Valid))
}

func (l AveragePool) window(in tensor.Shape) (tensor.Window, error) { return MaxPool(l).window(in) }

func (l Conv2D) output(in ...tensor.Shape) (tensor.Shape, error) {
	w, err := l.window(in[0])
	if err != nil {
		return nil, err
	}
	if l.Filters < 1 {
		return nil, fmt.Errorf("%d filters: must be at least 1", l.Filters)
	}
	return windowOutput(w, in[0], l.Filters), checkL2(l.L2)
}

func (l DepthwiseConv2D) multiplier() int { return cmp.Or(l.Multiplier, 1) }

func (l DepthwiseConv2D) output(in ...tensor.Shape) (tensor.Shape, error) {
	w, err := l.window(in[0])
	if err != nil {
		return nil, err
	}
	if m := l.multiplier(); m < 1 || m > math.MaxInt32/in[0][2] {
		return nil, fmt.Errorf("depth multiplier %d: must be at least 1, and not so large", l.Multiplier)
	}
	return windowOutput(w, in[0], in[0][2]*l.multiplier()), checkL2(l.L2)
}

func (l SeparableConv2D) output(in ...tensor.Shape) (tensor.Shape, error) {
	depthwise, pointwise := l.parts()
	between, err := depthwise.output(in...)
	if err != nil {
		return nil, err
	}
	return pointwise.output(between)
}

func (l ZeroPadding) output(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in[0]) != 3 {
		return nil, errors.New(needsImage)
	}
	if min(l.Top, l.Bottom, l.Left, l.Right) < 0 || max(l.Top, l.Bottom, l.Left, l.Right) > math.MaxInt32 {
		return nil, fmt.Errorf("padding of %d, %d, %d and %d pixels: must be at least 0, and not so large",
			l.Top, l.Bottom, l.Left, l.Right)
	}
	return tensor.Shape{in[0][0] + l.Top + l.Bottom, in[0][1] + l.Left + l.Right, in[0][2]}, nil
}

func (l BatchNorm) output(in ...tensor.Shape) (tensor.Shape, error) {
	switch {
	case !(l.Momentum >= 0 && l.Momentum < 1):
		return nil, fmt.Errorf("momentum %g: must be at least 0 and below 1", l.Momentum)
	case !(l.Epsilon >= 0) || l.Epsilon > 1:
		return nil, fmt.Errorf("epsilon %g: must be from 0 to 1", l.Epsilon)
	}
	return in[0], nil
}

// What BatchNorm has where a field is 0.
const (
	DefaultEpsilon  = 1e-3
	DefaultMomentum = 0.99
)

func (l BatchNorm) epsilon() float32  { return cmp.Or(l.Epsilon, DefaultEpsilon) }
func (l BatchNorm) momentum() float32 { return cmp.Or(l.Momentum, DefaultMomentum) }

func (l ReLU) output(in ...tensor.Shape) (tensor.Shape, error)    { return in[0], nil }
func (l Softmax) output(in ...tensor.Shape) (tensor.Shape, error) { return in[0], nil }

func (l Activation) output(in ...tensor.Shape) (tensor.Shape, error) {
	return in[0], l.Function.Check()
}

// mostTaps is how many pixels all windows of a pool may have together, or as many as the image. A
// pool has no weights, so a small file could ask for hours.
const mostTaps = 1 << 30

func (l MaxPool) output(in ...tensor.Shape) (tensor.Shape, error) {
	w, err := l.window(in[0])
	if err != nil {
		return nil, err
	}
	out := windowOutput(w, in[0], in[0][2])
	taps := float64(min(w.Height, in[0][0])) * float64(min(w.Width, in[0][1]))
	if windows := float64(out[0]) * float64(out[1]); windows*taps > max(mostTaps, float64(in[0][0])*float64(in[0][1])) {
		return nil, fmt.Errorf("%dx%d windows of %dx%d pixels take too long: use a larger stride or a smaller window",
			out[0], out[1], w.Height, w.Width)
	}
	return out, nil
}

func (l AveragePool) output(in ...tensor.Shape) (tensor.Shape, error) {
	return MaxPool(l).output(in...)
}

func (l GlobalAveragePool) output(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in[0]) != 3 {
		return nil, errors.New(needsImage)
	}
	if l.KeepDims {
		return tensor.Shape{1, 1, in[0][2]}, nil
	}
	return tensor.Shape{in[0][2]}, nil
}

func (l GlobalMaxPool) output(in ...tensor.Shape) (tensor.Shape, error) {
	return GlobalAveragePool(l).output(in...)
}

func (l Flatten) output(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in[0]) != 3 {
		return nil, errors.New(needsImage)
	}
	return tensor.Shape{in[0].Size()}, nil
}

func (l Dense) output(in ...tensor.Shape) (tensor.Shape, error) {
	switch {
	case len(in[0]) != 1:
		return nil, errors.New(needsVector)
	case l.Units < 1:
		return nil, fmt.Errorf("%d units: must be at least 1", l.Units)
	}
	return tensor.Shape{l.Units}, checkL2(l.L2)
}

func (l Dropout) output(in ...tensor.Shape) (tensor.Shape, error) {
	if !(l.Rate >= 0 && l.Rate < 1) {
		return nil, fmt.Errorf("rate %g: must be at least 0 and below 1", l.Rate)
	}
	if l.Spatial && len(in[0]) != 3 {
		return nil, errors.New(needsImage)
	}
	return in[0], nil
}

func (l Add) output(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in) < 2 {
		return nil, errors.New("an addition needs at least two inputs")
	}
	for _, s := range in[1:] {
		if !s.Equal(in[0]) {
			return nil, fmt.Errorf("inputs of shapes %v and %v: an addition needs inputs of one shape", in[0], s)
		}
	}
	return in[0], nil
}

func (l Concatenate) output(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in) < 2 {
		return nil, errors.New("a concatenation needs at least two inputs")
	}
	out := append(tensor.Shape{}, in[0]...)
	last := len(out) - 1
	for _, s := range in[1:] {
		if len(s) != len(out) || !s[:last].Equal(in[0][:last]) {
			return nil, fmt.Errorf("inputs of shapes %v and %v: a concatenation needs images of one size, or vectors", in[0], s)
		}
		out[last] += s[last]
	}
	return out, nil
}

func (From) output(...tensor.Shape) (tensor.Shape, error)     { return nil, errUnnested }
func (Residual) output(...tensor.Shape) (tensor.Shape, error) { return nil, errUnnested }

func checkL2(lambda float32) error {
	if !(lambda >= 0 && lambda < 1) {
		return fmt.Errorf("L2 penalty %g: must be at least 0 and below 1", lambda)
	}
	return nil
}

// bias returns the weight of a bias, unless there is none.
func bias(without bool, size int) []Weight {
	if without {
		return nil
	}
	return []Weight{{Name: "bias", Shape: tensor.Shape{size}, Trainable: true}}
}

func (l Conv2D) weights(in tensor.Shape) []Weight {
	height, width := l.Kernel, cmp.Or(l.KernelWidth, l.Kernel)
	taps := height * width
	kernel := Weight{Name: "kernel", Shape: tensor.Shape{height, width, in[2], l.Filters}, Trainable: true,
		FanIn: taps * in[2], FanOut: taps * l.Filters, L2: l.L2}
	return append([]Weight{kernel}, bias(l.NoBias, l.Filters)...)
}

func (l DepthwiseConv2D) weights(in tensor.Shape) []Weight {
	height, width := l.Kernel, cmp.Or(l.KernelWidth, l.Kernel)
	taps := height * width
	kernel := Weight{Name: "depthwise_kernel", Shape: tensor.Shape{height, width, in[2], l.multiplier()}, Trainable: true,
		FanIn: taps * in[2], FanOut: taps * l.multiplier(), L2: l.L2}
	return append([]Weight{kernel}, bias(l.NoBias, in[2]*l.multiplier())...)
}

func (l SeparableConv2D) weights(in tensor.Shape) []Weight {
	depthwise, pointwise := l.parts()
	between := in[2] * depthwise.multiplier()
	all := append(depthwise.weights(in), pointwise.weights(tensor.Shape{1, 1, between})...)
	all[1].Name = "pointwise_kernel"
	return all
}

func (l BatchNorm) weights(in tensor.Shape) (all []Weight) {
	channels := tensor.Shape{in[len(in)-1]}
	if !l.NoScale {
		all = append(all, Weight{Name: "gamma", Shape: channels, Trainable: true, start: 1})
	}
	if !l.NoCenter {
		all = append(all, Weight{Name: "beta", Shape: channels, Trainable: true})
	}
	return append(all, Weight{Name: "moving_mean", Shape: channels},
		Weight{Name: "moving_variance", Shape: channels, start: 1})
}

func (l Dense) weights(in tensor.Shape) []Weight {
	kernel := Weight{Name: "kernel", Shape: tensor.Shape{in[0], l.Units}, Trainable: true,
		FanIn: in[0], FanOut: l.Units, L2: l.L2}
	return append([]Weight{kernel}, bias(l.NoBias, l.Units)...)
}

func (ZeroPadding) weights(tensor.Shape) []Weight       { return nil }
func (ReLU) weights(tensor.Shape) []Weight              { return nil }
func (Activation) weights(tensor.Shape) []Weight        { return nil }
func (Softmax) weights(tensor.Shape) []Weight           { return nil }
func (MaxPool) weights(tensor.Shape) []Weight           { return nil }
func (AveragePool) weights(tensor.Shape) []Weight       { return nil }
func (GlobalAveragePool) weights(tensor.Shape) []Weight { return nil }
func (GlobalMaxPool) weights(tensor.Shape) []Weight     { return nil }
func (Flatten) weights(tensor.Shape) []Weight           { return nil }
func (Dropout) weights(tensor.Shape) []Weight           { return nil }
func (Add) weights(tensor.Shape) []Weight               { return nil }
func (Concatenate) weights(tensor.Shape) []Weight       { return nil }
func (From) weights(tensor.Shape) []Weight              { return nil }
func (Residual) weights(tensor.Shape) []Weight          { return nil }
