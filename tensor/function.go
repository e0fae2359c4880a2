package tensor

import "fmt"

// Function is an activation function: it maps each element x by itself. The zero value is the
// identity.
type Function struct {
	Kind FunctionKind `json:"kind,omitempty"`
	// Alpha is the slope of ReLU below its threshold, the α of ELU, or the slope of HardSigmoid.
	Alpha float32 `json:"alpha,omitempty"`
	// Max, if not 0, is the largest value of ReLU.
	Max float32 `json:"max,omitempty"`
	// Threshold is where ReLU begins.
	Threshold float32 `json:"threshold,omitempty"`
}

// FunctionKind names a function, as in Keras where Keras has it.
type FunctionKind string

// The functions. σ is the sigmoid, 1/(1 + e^−x).
const (
	Identity    FunctionKind = ""
	ReLU        FunctionKind = "relu"         // Max if x ≥ Max; x if x ≥ Threshold; else Alpha·(x − Threshold)
	ELU         FunctionKind = "elu"          // x if x > 0, else Alpha·(e^x − 1)
	SELU        FunctionKind = "selu"         // 1.0507…·ELU of α = 1.6732…
	GELU        FunctionKind = "gelu"         // x·Φ(x), with the normal distribution Φ
	GELUTanh    FunctionKind = "gelu_tanh"    // x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2
	SiLU        FunctionKind = "silu"         // x·σ(x)
	Sigmoid     FunctionKind = "sigmoid"      // σ(x)
	Tanh        FunctionKind = "tanh"         // tanh(x)
	HardSigmoid FunctionKind = "hard_sigmoid" // Alpha·x + 1/2, limited to [0, 1]
	HardSiLU    FunctionKind = "hard_silu"    // x·HardSigmoid of Alpha 1/6
	Softplus    FunctionKind = "softplus"     // ln(1 + e^x)
	Softsign    FunctionKind = "softsign"     // x/(1 + |x|)
	Exponential FunctionKind = "exponential"  // e^x
	Mish        FunctionKind = "mish"         // x·tanh(ln(1 + e^x))
)

// Rectifier returns the function max(0, x).
func Rectifier() Function { return Function{Kind: ReLU} }

// IsRectifier reports whether f is max(0, x).
func (f Function) IsRectifier() bool { return f == Rectifier() }

// Check returns an error if there is no such function, or if its parameters are not finite or not
// possible.
func (f Function) Check() error {
	if !Finite(f.Alpha) || !Finite(f.Max) || !Finite(f.Threshold) {
		return fmt.Errorf("function %q with parameters %g, %g and %g: want finite numbers",
			f.Kind, f.Alpha, f.Max, f.Threshold)
	}
	switch f.Kind {
	case ReLU:
		if f.Alpha < 0 || f.Max < 0 || f.Max > 0 && f.Max < f.Threshold {
			return fmt.Errorf("relu of slope %g, maximum %g and threshold %g: want a slope and a maximum of at least 0, and the threshold below the maximum",
				f.Alpha, f.Max, f.Threshold)
		}
	case Identity, ELU, SELU, GELU, GELUTanh, SiLU, Sigmoid, Tanh, HardSigmoid, HardSiLU, Softplus, Softsign, Exponential, Mish:
	default:
		return fmt.Errorf("unknown function %q", f.Kind)
	}
	return nil
}
