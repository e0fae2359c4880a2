package ops

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/golden"
)

// These tests compare what no plan of a backend does, or not with given masks.

func TestGoldenDropoutMask(t *testing.T) {
	data := golden.Read(t, "ops_dropout.safetensors")
	cases := data.Cases()
	if len(cases) == 0 {
		t.Fatal("no case in the file")
	}
	for _, name := range cases {
		t.Run(name, func(t *testing.T) {
			rate, err := strconv.ParseFloat(strings.Split(name, "_")[1], 64)
			if err != nil {
				t.Fatalf("no rate in the name of the case: %v", err)
			}
			get := func(what string) []float32 { return data.Get(t, name+"/"+what).Data }
			mask := get("mask")
			keep := make([]byte, (len(mask)+7)/8)
			for i, m := range mask {
				if m == 1 {
					keep[i/8] |= 1 << (i % 8)
				}
			}
			got := make([]float32, len(mask))
			for _, l := range FloatLevels() {
				l.Dropout(got, get("x"), keep, float32(1/(1-rate)))
				golden.Within(t, l.String()+" y", got, get("y"), 0)
				l.Dropout(got, get("dy"), keep, float32(1/(1-rate)))
				golden.Within(t, l.String()+" dx", got, get("dx"), 0)
			}
		})
	}
}

// The gradient through a normalization by running statistics has no terms from the sums.
func TestGoldenBatchNormEvaluation(t *testing.T) {
	data := golden.Read(t, "ops_batchnorm.safetensors")
	var epsilon float64
	data.Meta(t, "epsilon", &epsilon)
	cases := data.Cases()
	if len(cases) == 0 {
		t.Fatal("no case in the file")
	}
	for _, name := range cases {
		t.Run(name, func(t *testing.T) {
			get := func(what string) []float32 { return data.Get(t, name+"/"+what).Data }
			gamma, variance := get("gamma"), get("moving_var")
			zeros := make([]float32, len(gamma))
			n := NormGrad{
				Norm: Norm{Mean: get("moving_mean"), Scale: make([]float32, len(gamma)), Beta: get("beta"), Floor: float32(math.Inf(-1))},
				A:    zeros, B: zeros,
			}
			for c, v := range variance {
				n.Scale[c] = float32(float64(gamma[c]) / math.Sqrt(float64(v)+epsilon))
			}
			x, want := get("x"), get("dx_eval")
			for _, l := range FloatLevels() {
				dx := make([]float32, len(x))
				l.NormGrad(dx, get("dy"), x, &n)
				golden.Within(t, l.String()+" dx_eval", dx, want, 1e-5*golden.Largest(want))
			}
		})
	}
}
