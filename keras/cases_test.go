package keras

import (
	"path/filepath"
	"testing"

	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/nn"
)

// probe returns an image with well-spread pixels from 0 to 1.
func probe(size int) []float32 {
	x := make([]float32, size)
	for i := range x {
		x[i] = float32((i*i*31+i*17)%256) / 255
	}
	return x
}

// cases are the probabilities that models of other versions of Keras give for the probe. They were
// computed in float64 by NumPy from the weights as h5py reads them.
var cases = map[string][]float32{
	// Keras 2.2.2: the configuration is a list.
	"keras222_list_config.h5": {0.3346142, 0.1376521, 0.06780907, 0.0757139, 0.1187736, 0.05157834, 0.06237158, 0.00775541, 0.02767128, 0.1160604},
}

func TestCases(t *testing.T) {
	b := openCPU(t)
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			m, summary, err := OpenModel(b, filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			if len(summary.Loaded) != len(m.Weights) {
				t.Errorf("loaded %q", summary.Loaded)
			}
			golden.Within(t, "probabilities", probabilities(t, m), want, 1e-6)
		})
	}
}

// probabilities returns what a model says of the probe.
func probabilities(t *testing.T, m *nn.Model) []float32 {
	t.Helper()
	p, err := m.NewPredictor(1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Probabilities(probe(m.Input.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return got
}
