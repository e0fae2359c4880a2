package keras

import (
	"slices"
	"testing"

	"github.com/lamina-go/lamina/internal/golden"
)

// TestGoldenTrace opens the files of the trace's weights, before and after it.
func TestGoldenTrace(t *testing.T) {
	b, trace := openCPU(t), golden.Read(t, "trace.safetensors")
	for _, when := range []string{"init", "final"} {
		m, _, err := OpenModel(b, golden.Path(t, "trace_"+when+".h5"))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range m.Weights {
			got, err := m.Get(w.Name)
			if err != nil {
				t.Fatal(err)
			}
			if want := trace.Get(t, when+"/"+w.Name); !slices.Equal(got, want.Data) || !w.Shape.Equal(want.Shape) {
				t.Errorf("%s of trace_%s.h5 differs", w.Name, when)
			}
		}
	}
}

// TestGoldenSpec opens the pattern of a file, which h5py wrote alone.
func TestGoldenSpec(t *testing.T) {
	m, _, err := OpenModel(openCPU(t), golden.Path(t, "files/spec_whole.h5"))
	if err != nil {
		t.Fatal(err)
	}
	trace := golden.Read(t, "trace.safetensors")
	for _, w := range m.Weights {
		got, err := m.Get(w.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, trace.Get(t, "final/"+w.Name).Data) {
			t.Errorf("%s differs", w.Name)
		}
	}
}
