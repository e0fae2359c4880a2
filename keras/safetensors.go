package keras

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/nn"
)

// openSafetensors finds the layers in a safetensors file, whose tensors are named "<layer>/<weight>".
func (f *File) openSafetensors(r io.ReaderAt) error {
	f.order = byName
	h, err := safetensors.ReadHeader(io.NewSectionReader(r, 0, f.size), f.size)
	if err != nil {
		return err
	}
	if text, ok := h.Metadata[nn.NetworkKey]; ok {
		f.network = new(nn.Sequential)
		if err := json.Unmarshal([]byte(text), f.network); err != nil {
			f.networkError = fmt.Errorf("its network: %w", err)
		}
	}
	_, checkpoint := h.Metadata[nn.PositionKey]
	if checkpoint {
		if err := nn.VerifyCheckpoint(r, f.size); err != nil {
			return err
		}
	}
	place := map[string]int{} // of a layer
	for _, e := range h.Entries {
		i := strings.LastIndex(e.Name, "/")
		// A checkpoint has velocities, "velocity/<layer>/<weight>", and a checksum.
		if e.Type != "F32" || i < 0 || checkpoint && strings.HasPrefix(e.Name, nn.VelocityPrefix) {
			continue
		}
		name := e.Name[:i]
		at, seen := place[name]
		if !seen {
			at = len(f.layers)
			place[name] = at
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

// rank returns the place of a weight in its layer. Other writers of safetensors sort by name.
func rank(name string) int {
	for i, names := range [][]string{{"kernel", "gamma"}, {"bias", "beta"}, {"moving_mean"}, {"moving_variance"}} {
		if slices.Contains(names, name) {
			return i
		}
	}
	return len(name)
}
