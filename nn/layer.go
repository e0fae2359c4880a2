package nn

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/lamina-go/lamina/tensor"
)

// Layer is one layer of a Sequential: a Conv2D, BatchNorm, ReLU, MaxPool, Flatten, Dense or
// Dropout. An empty Name becomes the name that Keras would choose: the class in lower case,
// numbered from the second on, skipping names that other layers have.
type Layer interface {
	// class returns Keras's name of the class, and the base of its layers' default names.
	class() (class, base string)
	// name returns the layer's name, "" if it has none.
	name() string
	// output returns the shape of the layer's output for one image.
	output(in tensor.Shape) (tensor.Shape, error)
	// weights returns the layer's weights, in Keras's order.
	weights(in tensor.Shape) []Weight
}

// Conv2D is a convolution of stride 1 with padding "same" and a bias.
type Conv2D struct {
	Name    string  `json:"name,omitempty"`
	Filters int     `json:"filters"`
	Kernel  int     `json:"kernel"`       // 3 or 1
	L2      float32 `json:"l2,omitempty"` // λ of the penalty λ·Σw² on the kernel
}

// BatchNorm normalizes each channel by the mean and variance of the batch, or in inference by the
// running ones, then scales by γ and shifts by β (https://arxiv.org/abs/1502.03167). In step t of a
// new training, a running statistic keeps at most the share t/(t + 10) of its value.
type BatchNorm struct {
	Name     string  `json:"name,omitempty"`
	Momentum float32 `json:"momentum,omitempty"` // of the running statistics; 0 means 0.99
	Epsilon  float32 `json:"epsilon,omitempty"`  // added to the variance; 0 means 0.001
}

// ReLU is max(0, x).
type ReLU struct {
	Name string `json:"name,omitempty"`
}

// MaxPool takes the maximum of 2x2 pixels, stride 2; odd last rows and columns are dropped.
type MaxPool struct {
	Name string `json:"name,omitempty"`
}

// Flatten reshapes an image to a vector.
type Flatten struct {
	Name string `json:"name,omitempty"`
}

// Dense is a fully connected layer with a bias.
type Dense struct {
	Name  string  `json:"name,omitempty"`
	Units int     `json:"units"`
	L2    float32 `json:"l2,omitempty"` // λ of the penalty λ·Σw² on the kernel
}

// Dropout sets elements of a vector to zero with probability Rate in training, and scales the
// others by 1/(1 − Rate). In inference it does nothing. On images, before Flatten, it is supported
// in inference only.
type Dropout struct {
	Name string  `json:"name,omitempty"`
	Rate float32 `json:"rate"`
}

// softmax is the last layer of every Sequential. It is computed from the logits, with the loss.
type softmax struct{}

func (Conv2D) class() (string, string)    { return "Conv2D", "conv2d" }
func (BatchNorm) class() (string, string) { return "BatchNormalization", "batch_normalization" }
func (ReLU) class() (string, string)      { return "Activation", "activation" }
func (MaxPool) class() (string, string)   { return "MaxPooling2D", "max_pooling2d" }
func (Flatten) class() (string, string)   { return "Flatten", "flatten" }
func (Dense) class() (string, string)     { return "Dense", "dense" }
func (Dropout) class() (string, string)   { return "Dropout", "dropout" }
func (softmax) class() (string, string)   { return "Activation", "activation" }

func (l Conv2D) name() string    { return l.Name }
func (l BatchNorm) name() string { return l.Name }
func (l ReLU) name() string      { return l.Name }
func (l MaxPool) name() string   { return l.Name }
func (l Flatten) name() string   { return l.Name }
func (l Dense) name() string     { return l.Name }
func (l Dropout) name() string   { return l.Name }
func (softmax) name() string     { return "" }

const (
	needsImage  = "needs an image (height, width, channels): put it before Flatten"
	needsVector = "needs a vector: put a Flatten before it"
)

func (l Conv2D) output(in tensor.Shape) (tensor.Shape, error) {
	switch {
	case len(in) != 3:
		return nil, errors.New(needsImage)
	case l.Filters < 1:
		return nil, fmt.Errorf("%d filters: must be at least 1", l.Filters)
	case l.Kernel != 1 && l.Kernel != 3:
		return nil, fmt.Errorf("kernel of size %d: must be 3 or 1", l.Kernel)
	}
	return tensor.Shape{in[0], in[1], l.Filters}, checkL2(l.L2)
}

func (l BatchNorm) output(in tensor.Shape) (tensor.Shape, error) {
	switch {
	case !(l.Momentum >= 0 && l.Momentum < 1):
		return nil, fmt.Errorf("momentum %g: must be at least 0 and below 1", l.Momentum)
	case !(l.Epsilon >= 0) || l.Epsilon > 1:
		return nil, fmt.Errorf("epsilon %g: must be from 0 to 1", l.Epsilon)
	}
	return in, nil
}

func (l BatchNorm) epsilon() float32  { return cmp.Or(l.Epsilon, 1e-3) }
func (l BatchNorm) momentum() float32 { return cmp.Or(l.Momentum, 0.99) }

func (l ReLU) output(in tensor.Shape) (tensor.Shape, error) { return in, nil }

func (l MaxPool) output(in tensor.Shape) (tensor.Shape, error) {
	switch {
	case len(in) != 3:
		return nil, errors.New(needsImage)
	case in[0] < 2 || in[1] < 2:
		return nil, fmt.Errorf("an image of %dx%d is too small for a 2x2 max pool: use larger images or fewer pools", in[0], in[1])
	}
	return tensor.Shape{in[0] / 2, in[1] / 2, in[2]}, nil
}

func (l Flatten) output(in tensor.Shape) (tensor.Shape, error) {
	if len(in) != 3 {
		return nil, errors.New(needsImage)
	}
	return tensor.Shape{in.Size()}, nil
}

func (l Dense) output(in tensor.Shape) (tensor.Shape, error) {
	switch {
	case len(in) != 1:
		return nil, errors.New(needsVector)
	case l.Units < 1:
		return nil, fmt.Errorf("%d units: must be at least 1", l.Units)
	}
	return tensor.Shape{l.Units}, checkL2(l.L2)
}

func (l Dropout) output(in tensor.Shape) (tensor.Shape, error) {
	if !(l.Rate >= 0 && l.Rate < 1) {
		return nil, fmt.Errorf("rate %g: must be at least 0 and below 1", l.Rate)
	}
	return in, nil
}

func (softmax) output(in tensor.Shape) (tensor.Shape, error) { return in, nil }

func checkL2(lambda float32) error {
	if !(lambda >= 0 && lambda < 1) {
		return fmt.Errorf("L2 penalty %g: must be at least 0 and below 1", lambda)
	}
	return nil
}

func (l Conv2D) weights(in tensor.Shape) []Weight {
	taps := l.Kernel * l.Kernel
	return []Weight{
		{Name: "kernel", Shape: tensor.Shape{l.Kernel, l.Kernel, in[2], l.Filters}, Trainable: true,
			FanIn: taps * in[2], FanOut: taps * l.Filters, L2: l.L2},
		{Name: "bias", Shape: tensor.Shape{l.Filters}, Trainable: true},
	}
}

func (l BatchNorm) weights(in tensor.Shape) []Weight {
	channels := tensor.Shape{in[len(in)-1]}
	return []Weight{
		{Name: "gamma", Shape: channels, Trainable: true, start: 1},
		{Name: "beta", Shape: channels, Trainable: true},
		{Name: "moving_mean", Shape: channels},
		{Name: "moving_variance", Shape: channels, start: 1},
	}
}

func (l Dense) weights(in tensor.Shape) []Weight {
	return []Weight{
		{Name: "kernel", Shape: tensor.Shape{in[0], l.Units}, Trainable: true,
			FanIn: in[0], FanOut: l.Units, L2: l.L2},
		{Name: "bias", Shape: tensor.Shape{l.Units}, Trainable: true},
	}
}

func (l ReLU) weights(tensor.Shape) []Weight    { return nil }
func (l MaxPool) weights(tensor.Shape) []Weight { return nil }
func (l Flatten) weights(tensor.Shape) []Weight { return nil }
func (l Dropout) weights(tensor.Shape) []Weight { return nil }
func (softmax) weights(tensor.Shape) []Weight   { return nil }
