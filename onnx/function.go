package onnx

import (
	"fmt"
	"math"

	"github.com/lamina-go/lamina/tensor"
)

// function appends an activation function. Some are several nodes, since operator set 17 lacks
// them.
func (g *graph) function(f tensor.Function, x string) (string, error) {
	one := func(kind string, attributes ...attribute) (string, error) {
		return g.node(kind, []string{x}, attributes...), nil
	}
	switch f.Kind {
	case tensor.Identity:
		return x, nil
	case tensor.ReLU:
		return g.relu(f, x), nil
	case tensor.ELU:
		return one("Elu", attribute{"alpha", f.Alpha})
	case tensor.SELU:
		return one("Selu")
	case tensor.GELU:
		erf := g.node("Erf", []string{g.mul(x, g.scalar(math.Sqrt(0.5)))})
		return g.mul(g.mul(x, g.scalar(0.5)), g.add(erf, g.scalar(1))), nil
	case tensor.GELUTanh:
		cube := g.mul(g.mul(x, x), x)
		inner := g.mul(g.add(x, g.mul(cube, g.scalar(0.044715))), g.scalar(math.Sqrt(2/math.Pi)))
		return g.mul(g.mul(x, g.scalar(0.5)), g.add(g.node("Tanh", []string{inner}), g.scalar(1))), nil
	case tensor.SiLU:
		return g.mul(x, g.node("Sigmoid", []string{x})), nil
	case tensor.Sigmoid:
		return one("Sigmoid")
	case tensor.Tanh:
		return one("Tanh")
	case tensor.HardSigmoid:
		return one("HardSigmoid", attribute{"alpha", f.Alpha}, attribute{"beta", float32(0.5)})
	case tensor.HardSiLU:
		return one("HardSwish")
	case tensor.Softplus:
		return one("Softplus")
	case tensor.Softsign:
		return one("Softsign")
	case tensor.Exponential:
		return one("Exp")
	case tensor.Mish:
		return g.mul(x, g.node("Tanh", []string{g.node("Softplus", []string{x})})), nil
	}
	return "", fmt.Errorf("the function %q cannot be exported", f.Kind)
}

// relu appends a ReLU of any slope, maximum and threshold.
func (g *graph) relu(f tensor.Function, x string) string {
	switch {
	case f.IsRectifier():
		return g.node("Relu", []string{x})
	case f.Max == 0 && f.Threshold == 0:
		return g.node("LeakyRelu", []string{x}, attribute{"alpha", f.Alpha})
	case f.Alpha == 0 && f.Threshold == 0:
		return g.node("Clip", []string{x, g.scalar(0), g.scalar(float64(f.Max))})
	}
	threshold, above := g.scalar(float64(f.Threshold)), x
	if f.Max != 0 {
		above = g.node("Min", []string{x, g.scalar(float64(f.Max))})
	}
	below := g.mul(g.node("Sub", []string{x, threshold}), g.scalar(float64(f.Alpha)))
	return g.node("Where", []string{g.node("GreaterOrEqual", []string{x, threshold}), above, below})
}

func (g *graph) add(a, b string) string { return g.node("Add", []string{a, b}) }
func (g *graph) mul(a, b string) string { return g.node("Mul", []string{a, b}) }
