package keras

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// padding returns how a window is padded, "" for the standard of the layer.
func (l *settings) padding(standard nn.Padding) nn.Padding {
	padding := nn.Padding(l.text("padding"))
	switch padding {
	case "", nn.Valid:
		padding = nn.Valid // as in Keras
	case nn.Same:
	default:
		l.reject("padding", fmt.Sprintf("%q", padding), `"same" or "valid"`)
	}
	if padding == standard {
		return ""
	}
	return padding
}

// other returns b if it differs from a, or 0.
func other(a, b int) int {
	if a == b {
		return 0
	}
	return b
}

func (l *settings) conv() nn.Conv2D {
	size, stride := l.extents("kernel_size", [2]int{}), l.extents("strides", [2]int{1, 1})
	padding := l.padding(nn.Same)
	if size == [2]int{1, 1} {
		padding = "" // it makes no difference
	}
	return nn.Conv2D{Name: l.name, Filters: l.integer("filters"), Kernel: size[0], KernelWidth: other(size[0], size[1]),
		Stride: other(1, stride[0]), StrideWidth: other(stride[0], stride[1]), Padding: padding,
		NoBias: !l.flag("use_bias", true), L2: l.l2("kernel_regularizer")}
}

func (l *settings) depthwise() nn.DepthwiseConv2D {
	c := l.conv()
	multiplier := 1
	if l.decode("depth_multiplier", &multiplier); multiplier < 1 {
		l.reject("depth_multiplier", compact(l.raw["depth_multiplier"]), "numbers of at least 1")
	}
	return nn.DepthwiseConv2D{Name: c.Name, Multiplier: other(1, multiplier), Kernel: c.Kernel, KernelWidth: c.KernelWidth,
		Stride: c.Stride, StrideWidth: c.StrideWidth, Padding: c.Padding, NoBias: c.NoBias, L2: l.l2("depthwise_regularizer")}
}

func (l *settings) separable() nn.SeparableConv2D {
	d := l.depthwise()
	pointwise := l.l2("pointwise_regularizer")
	if d.L2 != pointwise {
		l.note("depthwise_regularizer", compact(l.raw["depthwise_regularizer"]))
		l.note("pointwise_regularizer", compact(l.raw["pointwise_regularizer"]))
		d.L2 = 0
	}
	return nn.SeparableConv2D{Name: d.Name, Filters: l.integer("filters"), Multiplier: d.Multiplier, Kernel: d.Kernel,
		KernelWidth: d.KernelWidth, Stride: d.Stride, StrideWidth: d.StrideWidth, Padding: d.Padding, NoBias: d.NoBias, L2: d.L2}
}

func (l *settings) dense() nn.Dense {
	return nn.Dense{Name: l.name, Units: l.integer("units"), NoBias: !l.flag("use_bias", true), L2: l.l2("kernel_regularizer")}
}

func (l *settings) pool() nn.MaxPool {
	size := l.extents("pool_size", [2]int{2, 2})
	stride := l.extents("strides", size)
	p := nn.MaxPool{Name: l.name, Size: other(2, size[0]), SizeWidth: other(size[0], size[1]), Padding: l.padding(nn.Valid)}
	if stride != size {
		p.Stride, p.StrideWidth = stride[0], other(stride[0], stride[1])
	}
	return p
}

// zeroPadding returns a layer whose padding is a number, two numbers, or four in one list or two.
func (l *settings) zeroPadding() nn.ZeroPadding {
	p := nn.ZeroPadding{Name: l.name}
	var list []int
	if text := compact(l.raw["padding"]); len(text) > 1 && text[:2] == "[[" {
		var sides [][]int
		l.decode("padding", &sides)
		if len(sides) == 2 && len(sides[0]) == 2 {
			list = slices.Concat(sides...)
		}
	} else if strings.Count(text, ",") == 3 { // in Keras 1
		l.decode("padding", &list)
	} else {
		both := l.pair("padding", [2]int{1, 1})
		list = []int{both[0], both[0], both[1], both[1]}
	}
	if len(list) != 4 {
		l.reject("padding", compact(l.raw["padding"]), "[[top,bottom],[left,right]]")
		return p
	}
	p.Top, p.Bottom, p.Left, p.Right = list[0], list[1], list[2], list[3]
	return p
}

func (l *settings) batchNorm(vector bool) nn.BatchNorm {
	l.axis(vector)
	return nn.BatchNorm{Name: l.name, Momentum: l.orDefault("momentum", momentumDefault),
		Epsilon: l.orDefault("epsilon", epsilonDefault), NoScale: !l.flag("scale", true), NoCenter: !l.flag("center", true)}
}

// Keras's defaults of BatchNormalization, which nn encodes as 0.
const (
	momentumDefault = 0.99
	epsilonDefault  = 1e-3
)

// orDefault returns a setting, or 0 if it has the default value.
func (l *settings) orDefault(key string, standard float32) float32 {
	x := standard
	l.decode(key, &x)
	switch x {
	case 0:
		l.reject(key, "0", "other values")
	case standard:
		return 0
	}
	return x
}

// softmaxFunction stands for the softmax, which is not a function of one element.
const softmaxFunction tensor.FunctionKind = "softmax"

// function returns the activation function of the settings of a layer or of its argument. Softmax
// has the kind of softmaxFunction.
func (l *settings) function(vector bool) tensor.Function {
	f := tensor.Function{Kind: tensor.ReLU}
	switch l.class {
	case "ReLU":
		f.Max, f.Alpha, f.Threshold = l.float("max_value", 0), l.float("negative_slope", 0), l.float("threshold", 0)
		if l.has("max_value") && f.Max == 0 {
			l.reject("max_value", "0", "numbers above 0, and null")
		}
	case "LeakyReLU":
		f.Alpha = l.float("negative_slope", l.float("alpha", 0.3))
	case "ELU":
		f.Kind, f.Alpha = tensor.ELU, l.float("alpha", 1)
	case "Softmax":
		l.axis(vector)
		f.Kind = softmaxFunction
	}
	return f
}

// activation returns the function of the setting of that name.
func (l *settings) activation(r *networkReader, vector bool) tensor.Function {
	if !l.has("activation") || l.err != nil {
		return tensor.Function{}
	}
	if starts(l.raw["activation"], '{') {
		return l.activationObject(r, vector)
	}
	name := l.text("activation")
	f := tensor.Function{Kind: tensor.FunctionKind(name)}
	switch name {
	case "linear":
		f.Kind = tensor.Identity
	case "softmax", "softmax_v2":
		f.Kind = softmaxFunction
	case "relu6":
		f = tensor.Function{Kind: tensor.ReLU, Max: 6}
	case "leaky_relu":
		f = tensor.Function{Kind: tensor.ReLU, Alpha: 0.2}
	case "elu":
		f.Alpha = 1
	case "swish":
		f.Kind = tensor.SiLU
	case "hard_swish":
		f.Kind = tensor.HardSiLU
	case "hard_sigmoid":
		f.Alpha = 0.2
		if l.keras3 {
			f.Alpha = 1. / 6
		}
	case "relu", "selu", "gelu", "silu", "sigmoid", "tanh", "hard_silu", "softplus", "softsign", "exponential", "mish":
	default:
		l.reject("activation", fmt.Sprintf("%q", name),
			"linear, relu, relu6, leaky_relu, elu, selu, gelu, silu, sigmoid, tanh, hard_sigmoid, hard_silu, softplus, softsign, exponential, mish and softmax")
	}
	return f
}

// activationObject returns the function of a layer that is given as an activation.
func (l *settings) activationObject(r *networkReader, vector bool) tensor.Function {
	var o object
	l.decode("activation", &o)
	switch o.Class {
	case "ReLU", "LeakyReLU", "ELU", "Softmax":
	default:
		l.reject("activation", compact(l.raw["activation"]), "a name of Keras, or a layer ReLU, LeakyReLU, ELU or Softmax")
	}
	if l.err != nil {
		return tensor.Function{}
	}
	inner, err := newSettings(&o, l.name, r.keras3, r.budget)
	if err != nil {
		l.err = err
		return tensor.Function{}
	}
	f := inner.function(vector)
	l.err = inner.err
	return f
}
