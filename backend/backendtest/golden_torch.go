package backendtest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/tensor"
)

//go:embed testdata/torch.json
var torchJSON []byte

// torchData is what testdata/make_torch.py wrote.
type torchData struct {
	Muon struct {
		Momentum, SGD float32
		Iterations    int
		Shapes        [][]int // of kernels: (out, in, height, width)
		Others        []struct {
			Size        int
			Rate, Decay float32
		}
		Weights [][]float32 // of the kernels, then of the others
		Steps   []struct {
			Rate               float32
			Gradients, Weights [][]float32
		}
	}
}

// goldenMuon replays PyTorch's steps of Muon and SGD.
func goldenMuon(t *testing.T, open func(t *testing.T) backend.Backend) {
	var data torchData
	if err := json.Unmarshal(torchJSON, &data); err != nil {
		t.Fatal(err)
	}
	c := data.Muon
	if len(c.Steps) == 0 {
		t.Fatal("testdata/torch.json lacks steps")
	}
	// join puts weights behind each other, kernels as (height, width, in, out).
	join := func(weights [][]float32) (all []float32) {
		for i, w := range weights {
			if i < len(c.Shapes) {
				w = channelsLast(w, c.Shapes[i])
			}
			all = append(all, w...)
		}
		return all
	}
	initial := join(c.Weights)
	spec := backend.MuonSpec{Size: len(initial), Momentum: c.Momentum, SGD: c.SGD, Iterations: c.Iterations}
	at := 0
	for _, s := range c.Shapes {
		k := backend.MuonKernel{Offset: at, Rows: s[1] * s[2] * s[3], Columns: s[0]}
		spec.Kernels = append(spec.Kernels, k)
		at += k.Rows * k.Columns
	}
	var rates [backend.MaxRates]float32
	for i, o := range c.Others {
		spec.Others = append(spec.Others, backend.MuonRange{Offset: at, Size: o.Size, Rate: i, Decay: o.Decay})
		rates[i] = o.Rate
		at += o.Size
	}
	d, shape := newDevice(t, open(t)), tensor.Shape{spec.Size}
	plan, err := d.Muon(spec)
	skipUnsupported(d, err)
	p, zero := must(d, plan, err), make([]float32, spec.Size)
	w, v, g := d.parameter(shape, initial), d.parameter(shape, zero), d.parameter(shape, zero)
	for k, s := range c.Steps {
		d.write(g, join(s.Gradients))
		d.replay("step", backend.StepValues{LearningRate: s.Rate, Rates: rates}, func() { p.Step(w, []tensor.Tensor{v}, g) })
		tolerance := 0.0 // a step adds its error to that of the weights before it
		for _, m := range spec.Kernels {
			tolerance = max(tolerance, float64(s.Rate)*muonError(m.Rows, m.Columns, c.Iterations, 12*unit))
		}
		want := join(s.Weights)
		golden.Within(t, fmt.Sprintf("weights after step %d",
			k+1), d.read(w), want, float64(k+1)*(tolerance+16*unit*golden.Largest(want)))
	}
}

// channelsLast returns a kernel (out, in, height, width) as (height, width, in, out).
func channelsLast(w []float32, s []int) []float32 {
	all := slices.Clone(w)
	out, in, size := s[0], s[1], s[2]*s[3]
	for o := range out {
		for i := range in {
			for k := range size {
				all[(k*in+i)*out+o] = w[(o*in+i)*size+k]
			}
		}
	}
	return all
}
