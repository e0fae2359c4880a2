package cpu

import (
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

func TestInferenceBatch(t *testing.T) {
	large := backend.InferenceSpec{N: 128, Largest: 1 << 17, Activations: 1 << 20, Weights: 1 << 20}
	conv := func(size int) []backend.Conv2DSpec {
		return []backend.Conv2DSpec{{N: 128, H: size, W: size, In: 64, Out: 64, Window: tensor.Centered(3)}}
	}
	for name, test := range map[string]struct {
		threads int
		change  func(s *backend.InferenceSpec)
		want    int
	}{
		"large activations":                   {1, func(s *backend.InferenceSpec) {}, 16},
		"small activations":                   {1, func(s *backend.InferenceSpec) { s.Largest = 1 << 12 }, 128},
		"many workers":                        {8, func(s *backend.InferenceSpec) {}, 32},
		"many weights":                        {1, func(s *backend.InferenceSpec) { s.Weights = 1 << 22 }, 64},
		"an odd multiple":                     {1, func(s *backend.InferenceSpec) { s.N = 100 }, 25},
		"few images":                          {1, func(s *backend.InferenceSpec) { s.N = 20 }, 20},
		"convolutions":                        {1, func(s *backend.InferenceSpec) { s.Convolutions = conv(8) }, 16},
		"convolutions too small for F4 of 16": {1, func(s *backend.InferenceSpec) { s.Convolutions = conv(4) }, 32},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := Open(Options{Threads: test.threads})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			s := large
			test.change(&s)
			if s.Convolutions != nil && b.Name() == "cpu/generic" {
				t.Skip("it has one algorithm")
			}
			if got := b.InferenceBatch(s); got != test.want {
				t.Errorf("%d images, want %d", got, test.want)
			}
			if len(b.ConvTable()) > 0 {
				t.Error("algorithms are noted that no plan has")
			}
		})
	}
}
