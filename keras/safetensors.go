package keras

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/nn"
)

// networkKey is the key of the network in the metadata of a safetensors file, a checkpoint too.
const networkKey = "network"

// openSafetensors lists the layers of a safetensors file with tensors named "<layer>/<weight>".
func (f *File) openSafetensors(r io.ReaderAt) error {
	f.order = byName
	h, err := safetensors.ReadHeader(io.NewSectionReader(r, 0, f.size), f.size)
	if err != nil {
		return err
	}
	f.budget = h.Budget
	if text, ok := h.Metadata[networkKey]; ok {
		f.network = new(nn.Sequential)
		if err := f.budget.JSON([]byte(text), f.network); err != nil {
			f.networkError = fmt.Errorf("its network: %w", err)
		}
	}
	_, checkpoint := h.Metadata["position"]
	if checkpoint {
		if err := nn.VerifyCheckpoint(r, f.size); err != nil {
			return err
		}
	}
	index := map[string]int{} // of a layer
	for _, e := range h.Entries {
		i := strings.LastIndex(e.Name, "/")
		// A checkpoint also has velocities, "velocity/<layer>/<weight>", and a checksum.
		if e.Type != "F32" || i < 0 || checkpoint && strings.HasPrefix(e.Name, "velocity/") {
			continue
		}
		name := e.Name[:i]
		at, seen := index[name]
		if !seen {
			at = len(f.layers)
			index[name] = at
			f.layers = append(f.layers, layer{name: name})
		}
		start := h.Start + e.Offset
		f.layers[at].weights = append(f.layers[at].weights, weight{e.Name[i+1:], e.Shape, func(dst []float32, first int) error {
			return safetensors.ReadFloats(io.NewSectionReader(r, start+4*int64(first), 4*int64(len(dst))), dst)
		}})
	}
	for _, l := range f.layers {
		slices.SortStableFunc(l.weights, func(a, b weight) int { return rank(a.name) - rank(b.name) })
	}
	return nil
}

// rank returns the position of a weight in its layer. Other writers of safetensors sort by name.
func rank(name string) int {
	for i, names := range [][]string{{"kernel", "gamma"}, {"bias", "beta"}, {"moving_mean"}, {"moving_variance"}} {
		if slices.Contains(names, name) {
			return i
		}
	}
	return len(name)
}
