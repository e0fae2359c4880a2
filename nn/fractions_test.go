package nn

import (
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// whole is a backend that computes all images of a batch at once.
type whole struct{ backend.Backend }

func (w whole) Scope() backend.Backend                     { return whole{w.Backend.Scope()} }
func (w whole) InferenceBatch(s backend.InferenceSpec) int { return s.N }

// TestFractions compares a batch with its fractions: no bit differs.
func TestFractions(t *testing.T) {
	net := mustBuild(t, Sequential{Input: tensor.Shape{24, 24, 3}, Classes: 10, Layers: []Layer{
		Conv2D{Filters: 64, Kernel: 3, Padding: Valid}, ReLU{}, DepthwiseConv2D{Kernel: 3, Stride: 2}, BatchNorm{}, ReLU{}, MaxPool{},
		Conv2D{Filters: 16, Kernel: 3}, BatchNorm{}, ReLU{}, Conv2D{Filters: 32, Kernel: 1}, GlobalAveragePool{}, Dense{Units: 10}}})
	const n = 70
	images := make([]float32, n*net.Input.Size())
	for i := range images {
		images[i] = float32(i*i%251)/100 - 1
	}
	for _, level := range ops.FloatLevels() {
		b, err := cpu.Open(cpu.Options{Level: level, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		var logits [2][]float32
		for i, b := range []backend.Backend{b, whole{b}} {
			m, err := NewModel(b, net)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if err := m.Init(HeNormal(), 1); err != nil {
				t.Fatal(err)
			}
			p, err := m.NewPredictor(64, 6)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if got, want := p.batch, []int{16, 64}[i]; got != want {
				t.Errorf("%v: %d images at a time, want %d", level, got, want)
			}
			if logits[i], err = p.Logits(images); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(logits[0], logits[1]) {
			t.Errorf("%v: logits of fractions differ", level)
		}
	}
}
