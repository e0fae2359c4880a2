package nn

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/tensor"
)

// moments are the statistics of a sample.
type moments struct{ Mean, Std, Min, Max, Kurtosis float64 }

func momentsOf(x []float32) moments {
	m := moments{Min: math.Inf(1), Max: math.Inf(-1)}
	for _, v := range x {
		m.Mean += float64(v)
		m.Min, m.Max = min(m.Min, float64(v)), max(m.Max, float64(v))
	}
	m.Mean /= float64(len(x))
	var second, fourth float64
	for _, v := range x {
		d := float64(v) - m.Mean
		second += d * d
		fourth += d * d * d * d
	}
	n := float64(len(x))
	m.Std = math.Sqrt(second / n)
	m.Kurtosis = fourth / n / (second / n * second / n)
	return m
}

func TestGoldenInit(t *testing.T) {
	type facts struct {
		Std      float64 `json:"std"`
		Before   float64 `json:"stddev_before_truncation"`
		Limit    float64 `json:"limit"`
		Measured moments `json:"measured"`
	}
	var data struct {
		Truncation float64 `json:"truncation_constant"`
		Samples    int     `json:"samples"`
		Kernels    []struct {
			Shape  tensor.Shape `json:"shape"`
			FanIn  int          `json:"fan_in"`
			FanOut int          `json:"fan_out"`
			He     facts        `json:"he_normal"`
			Glorot facts        `json:"glorot_uniform"`
		} `json:"kernels"`
	}
	golden.JSON(t, "init.json", &data)
	if data.Truncation != truncation || len(data.Kernels) == 0 {
		t.Errorf("truncation constant %v, %d kernels", data.Truncation, len(data.Kernels))
	}
	// check takes a sample and compares it with Keras's: each moment within 5 of its standard
	// errors (of both samples), the extremes within the limit.
	check := func(t *testing.T, in Initializer, w Weight, want facts) {
		t.Helper()
		x := make([]float32, data.Samples)
		in.fill(x, w, 1, 0)
		got, n := momentsOf(x), float64(data.Samples)
		deviationError := want.Std * math.Sqrt((want.Measured.Kurtosis-1)/4/n)
		if !(math.Abs(got.Mean) <= 5*want.Std/math.Sqrt(n)) || !(math.Abs(got.Std-want.Std) <= 5*deviationError) ||
			!(math.Abs(got.Kurtosis-want.Measured.Kurtosis) <= 5*math.Sqrt2*math.Sqrt(24/n)) {
			t.Errorf("drew %+v, want %+v", got, want)
		}
		if want.Limit == 0 { // not cut: the largest of n lies well beyond four deviations
			if !(got.Max >= 4*want.Std && got.Min <= -4*want.Std) {
				t.Errorf("extremes %v and %v of deviation %v: cut", got.Min, got.Max, want.Std)
			}
			return
		}
		limit := float64(float32(want.Limit))
		if !(got.Max <= limit && got.Min >= -limit && got.Max >= 0.999*limit && got.Min <= -0.999*limit) {
			t.Errorf("extremes %v and %v, limit %v", got.Min, got.Max, limit)
		}
	}
	for _, k := range data.Kernels {
		t.Run(k.Shape.String(), func(t *testing.T) {
			layer, in := Layer(Dense{Units: k.Shape[len(k.Shape)-1]}), k.Shape[:1]
			if len(k.Shape) == 4 {
				layer, in = Conv2D{Filters: k.Shape[3], Kernel: k.Shape[0]}, tensor.Shape{1, 1, k.Shape[2]}
			}
			w := layer.weights(in)[0]
			if !w.Shape.Equal(k.Shape) || w.FanIn != k.FanIn || w.FanOut != k.FanOut {
				t.Errorf("kernel %+v, want %+v", w, k)
			}
			if got := HeNormal().scale(Weight{FanIn: k.FanIn, FanOut: k.FanOut}); !(math.Abs(got/k.He.Before-1) <= 1e-15) {
				t.Errorf("he_normal: deviation before the cut %v, want %v", got, k.He.Before)
			}
			if got := GlorotUniform().scale(Weight{FanIn: k.FanIn, FanOut: k.FanOut}); !(math.Abs(got/k.Glorot.Limit-1) <= 1e-15) {
				t.Errorf("glorot_uniform: limit %v, want %v", got, k.Glorot.Limit)
			}
			check(t, HeNormal(), w, k.He)
			check(t, GlorotUniform(), w, k.Glorot)
		})
	}
	t.Run("RandomNormal", func(t *testing.T) {
		var all map[string]json.RawMessage
		golden.JSON(t, "init.json", &all)
		for text, key := range map[string]string{"normal": "RandomNormal()", "normal:0.01": "RandomNormal(mean=0, stddev=0.01)"} {
			var want facts
			if err := json.Unmarshal(all[key], &want); err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			in, err := ParseInit(text)
			if err != nil {
				t.Fatal(err)
			}
			check(t, in, Weight{Name: text}, want)
		}
	})
}

func TestInitIsDeterministic(t *testing.T) {
	w := Weight{Name: "block1_conv1/kernel", FanIn: 27, FanOut: 576}
	for _, in := range []Initializer{HeNormal(), GlorotUniform(), RandomNormal(0.05)} {
		whole, halves := make([]float32, 3*initBlock+5), make([]float32, 3*initBlock+5)
		in.fill(whole, w, 7, 0)
		in.fill(halves[:2*initBlock], w, 7, 0)
		in.fill(halves[2*initBlock:], w, 7, 2)
		if !slices.Equal(whole, halves) {
			t.Error("the values depend on how the weight is divided")
		}
		for what, other := range map[string]func([]float32){
			"seed": func(x []float32) { in.fill(x, w, 8, 0) },
			"name": func(x []float32) { in.fill(x, Weight{Name: "fc2/kernel", FanIn: 27, FanOut: 576}, 7, 0) },
		} {
			other(halves)
			if slices.Equal(whole[:100], halves[:100]) {
				t.Errorf("the same values for another %s", what)
			}
		}
		if slices.Equal(whole[:100], whole[initBlock:initBlock+100]) {
			t.Error("the blocks repeat each other")
		}
	}
}

func TestParseInit(t *testing.T) {
	for text, want := range map[string]Initializer{
		"he_normal": HeNormal(), "glorot_uniform": GlorotUniform(), "normal": RandomNormal(0.05), "normal:0.25": RandomNormal(0.25), "dirac": Dirac(),
	} {
		if got, err := ParseInit(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "he", "normal:", "normal:x", "normal:-1", "normal:NaN", "normal:Inf", "normal:1e300", "HE_NORMAL"} {
		if _, err := ParseInit(text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func BenchmarkInit(b *testing.B) {
	x := make([]float32, 1<<20)
	for _, in := range []Initializer{HeNormal(), GlorotUniform(), RandomNormal(0.05)} {
		b.Run([]string{"he_normal", "glorot_uniform", "normal"}[in.kind], func(b *testing.B) {
			b.SetBytes(4 << 20)
			for b.Loop() {
				in.fill(x, Weight{FanIn: 1000}, 1, 0)
			}
		})
	}
}
