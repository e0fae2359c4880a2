package nn

import "github.com/lamina-go/lamina/tensor"

// Layer is one layer of a Sequential: one of the types of this package that have its methods. An
// empty Name becomes the name that Keras would choose: the class in lower case, numbered from the
// second on, skipping names that other layers have.
type Layer interface {
	// class returns Keras's name of the class, and the base of its layers' default names.
	class() (class, base string)
	// name returns the layer's name, "" if it has none.
	name() string
	// output returns the shape of the layer's output for one image, given those of its inputs.
	output(in ...tensor.Shape) (tensor.Shape, error)
	// weights returns the layer's weights, in Keras's order.
	weights(in tensor.Shape) []Weight
}

// Padding says what surrounds an image when a window moves over it.
type Padding string

// The paddings, as in Keras: Same pads so that the output has ⌈size/stride⌉ pixels, with the larger
// half below and to the right, and Valid not at all.
const (
	Same  Padding = "same"
	Valid Padding = "valid"
)

// Conv2D is a convolution.
type Conv2D struct {
	Name        string  `json:"name,omitempty"`
	Filters     int     `json:"filters"`
	Kernel      int     `json:"kernel"`                 // height
	KernelWidth int     `json:"kernel_width,omitempty"` // 0 means Kernel
	Stride      int     `json:"stride,omitempty"`       // 0 means 1
	StrideWidth int     `json:"stride_width,omitempty"` // 0 means Stride
	Padding     Padding `json:"padding,omitempty"`      // "" means Same
	NoBias      bool    `json:"no_bias,omitempty"`
	L2          float32 `json:"l2,omitempty"` // λ of the penalty λ·Σw² on the kernel
}

// DepthwiseConv2D is a convolution of each channel by itself, with Multiplier outputs.
type DepthwiseConv2D struct {
	Name        string  `json:"name,omitempty"`
	Multiplier  int     `json:"multiplier,omitempty"` // 0 means 1
	Kernel      int     `json:"kernel"`
	KernelWidth int     `json:"kernel_width,omitempty"`
	Stride      int     `json:"stride,omitempty"`
	StrideWidth int     `json:"stride_width,omitempty"`
	Padding     Padding `json:"padding,omitempty"` // "" means Same
	NoBias      bool    `json:"no_bias,omitempty"`
	L2          float32 `json:"l2,omitempty"`
}

// SeparableConv2D is a DepthwiseConv2D without a bias, then a 1x1 Conv2D, with a name and weights
// in common.
type SeparableConv2D struct {
	Name        string  `json:"name,omitempty"`
	Filters     int     `json:"filters"`
	Multiplier  int     `json:"multiplier,omitempty"` // 0 means 1
	Kernel      int     `json:"kernel"`
	KernelWidth int     `json:"kernel_width,omitempty"`
	Stride      int     `json:"stride,omitempty"`
	StrideWidth int     `json:"stride_width,omitempty"`
	Padding     Padding `json:"padding,omitempty"` // "" means Same
	NoBias      bool    `json:"no_bias,omitempty"`
	L2          float32 `json:"l2,omitempty"` // on both kernels
}

// ZeroPadding surrounds an image with rows and columns of zeros.
type ZeroPadding struct {
	Name   string `json:"name,omitempty"`
	Top    int    `json:"top,omitempty"`
	Bottom int    `json:"bottom,omitempty"`
	Left   int    `json:"left,omitempty"`
	Right  int    `json:"right,omitempty"`
}

// BatchNorm normalizes each channel by the mean and variance of the batch, or in inference by the
// running ones, then scales by γ and shifts by β (https://arxiv.org/abs/1502.03167). In step t of a
// new training, a running statistic keeps at most the share t/(t + 10) of its value.
type BatchNorm struct {
	Name     string  `json:"name,omitempty"`
	Momentum float32 `json:"momentum,omitempty"`  // of the running statistics; 0 means 0.99
	Epsilon  float32 `json:"epsilon,omitempty"`   // added to the variance; 0 means 0.001
	NoScale  bool    `json:"no_scale,omitempty"`  // γ is 1
	NoCenter bool    `json:"no_center,omitempty"` // β is 0
	// Inference is for a layer that normalizes by its running statistics in training, too, and
	// leaves them as they are, while γ and β train. A frozen BatchNorm does so anyway.
	Inference bool `json:"inference,omitempty"`
}

// ReLU is max(0, x).
type ReLU struct {
	Name string `json:"name,omitempty"`
}

// Activation applies a function to each element.
type Activation struct {
	Name     string          `json:"name,omitempty"`
	Function tensor.Function `json:"function"`
}

// Softmax makes the channels of each pixel, or the elements of a vector, positive values of sum 1.
// The softmax of a classifier's output is not a layer: it follows the last one.
type Softmax struct {
	Name string `json:"name,omitempty"`
}

// MaxPool takes the maximum of the pixels of a window.
type MaxPool struct {
	Name        string  `json:"name,omitempty"`
	Size        int     `json:"size,omitempty"`         // height of the window; 0 means 2
	SizeWidth   int     `json:"size_width,omitempty"`   // 0 means Size
	Stride      int     `json:"stride,omitempty"`       // 0 means Size
	StrideWidth int     `json:"stride_width,omitempty"` // 0 means Stride, and SizeWidth without one
	Padding     Padding `json:"padding,omitempty"`      // "" means Valid: last rows and columns may be dropped
}

// AveragePool takes the mean of the pixels of a window that are inside the image.
type AveragePool struct {
	Name        string  `json:"name,omitempty"`
	Size        int     `json:"size,omitempty"` // as in MaxPool
	SizeWidth   int     `json:"size_width,omitempty"`
	Stride      int     `json:"stride,omitempty"`
	StrideWidth int     `json:"stride_width,omitempty"`
	Padding     Padding `json:"padding,omitempty"`
}

// GlobalAveragePool takes the mean of each channel: a vector, or an image of one pixel.
type GlobalAveragePool struct {
	Name     string `json:"name,omitempty"`
	KeepDims bool   `json:"keep_dims,omitempty"` // an image
}

// GlobalMaxPool takes the maximum of each channel: a vector, or an image of one pixel.
type GlobalMaxPool struct {
	Name     string `json:"name,omitempty"`
	KeepDims bool   `json:"keep_dims,omitempty"`
}

// Flatten reshapes an image to a vector.
type Flatten struct {
	Name string `json:"name,omitempty"`
}

// Dense is a fully connected layer.
type Dense struct {
	Name   string  `json:"name,omitempty"`
	Units  int     `json:"units"`
	NoBias bool    `json:"no_bias,omitempty"`
	L2     float32 `json:"l2,omitempty"` // λ of the penalty λ·Σw² on the kernel
}

// Dropout sets elements to zero with probability Rate in training, and scales the others by
// 1/(1 − Rate). In inference it does nothing.
type Dropout struct {
	Name    string  `json:"name,omitempty"`
	Rate    float32 `json:"rate"`
	Spatial bool    `json:"spatial,omitempty"` // whole channels of an image
}

// Add is the sum of the outputs of the layers with these names, of one shape. The empty name stands
// for the layer before it, and "input" for the images.
type Add struct {
	Name   string   `json:"name,omitempty"`
	Inputs []string `json:"inputs"`
}

// Concatenate has the channels of the outputs of the layers with these names, in their order. Names
// mean the same as in Add.
type Concatenate struct {
	Name   string   `json:"name,omitempty"`
	Inputs []string `json:"inputs"`
}

// From applies a layer to the output of the layer named Input, in place of that of the layer before
// it. "input" stands for the images.
type From struct {
	Input string
	Layer Layer
}

// Residual is the sum of what Layers and Shortcut make of its input. An empty Shortcut is the input
// itself. A Residual is not a layer of the built network: its layers and an Add, with its Name,
// are.
type Residual struct {
	Name             string
	Layers, Shortcut []Layer
}
