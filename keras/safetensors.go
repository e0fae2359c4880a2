package keras

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/nn"
)

// openSafetensors lists the layers of a safetensors file with tensors named "<layer>/<weight>".
func (f *File) openSafetensors(r io.ReaderAt) error {
	f.order = byName
	h, err := safetensors.ReadHeader(io.NewSectionReader(r, 0, f.size), f.size)
	if err != nil {
		return err
	}
	f.budget = h.Budget
	if text, ok := h.Metadata[nn.NetworkKey]; ok {
		f.network = new(nn.Sequential)
		if err := f.budget.JSON([]byte(text), f.network); err != nil {
			f.networkError = fmt.Errorf("its network: %w", err)
		}
	}
	_, checkpoint := h.Metadata[nn.PositionKey]
	if checkpoint {
		if err := nn.VerifyCheckpoint(r, f.size); err != nil {
			return err
		}
	}
	index := map[string]int{} // of a layer
	for i := range h.Entries {
		e := &h.Entries[i]
		slash := strings.LastIndex(e.Name, "/")
		// A checkpoint also has velocities, "velocity/<layer>/<weight>", and a checksum. PyTorch
		// adds integers such as num_batches_tracked.
		if !e.IsFloat() || slash < 0 || checkpoint && strings.HasPrefix(e.Name, nn.VelocityPrefix) {
			continue
		}
		name := e.Name[:slash]
		at, seen := index[name]
		if !seen {
			at = len(f.layers)
			index[name] = at
			f.layers = append(f.layers, layer{name: name})
		}
		if err := f.budget.Take(weightBytes); err != nil {
			return err
		}
		read := func(dst []float32, first int) error { return h.Floats(r, e, dst, first) }
		f.layers[at].weights = append(f.layers[at].weights, weight{e.Name[slash+1:], e.Shape, 1, read})
	}
	if len(f.layers) == 0 {
		return noLayers(h.Entries)
	}
	for _, l := range f.layers {
		slices.SortStableFunc(l.weights, func(a, b weight) int { return rank(a.name) - rank(b.name) })
	}
	return nil
}

// noLayers returns the error for a file without tensors named "<layer>/<weight>".
func noLayers(entries []safetensors.Entry) error {
	for _, e := range entries {
		if end := e.Name[strings.LastIndex(e.Name, ".")+1:]; end == "weight" || end == "running_mean" {
			return fmt.Errorf("its tensors, such as %q, are PyTorch's: "+
				"name them <layer>/kernel, bias, gamma, beta, moving_mean and moving_variance, "+
				"transpose convolution kernels from (out, in, height, width) to (height, width, in, out) "+
				"and dense ones from (out, in) to (in, out), and reorder the rows of the first dense kernel "+
				"from (channels, height, width) to (height, width, channels)", e.Name)
		}
	}
	if len(entries) == 0 {
		return errors.New("it has no tensors")
	}
	return fmt.Errorf("its tensors, such as %q, are not floats named <layer>/<weight>", entries[0].Name)
}

// rank returns the position of a weight in its layer. Other writers of safetensors sort by name.
func rank(name string) int {
	for i, names := range [][]string{{"kernel", "gamma", "depthwise_kernel"}, {"pointwise_kernel"}, {"bias", "beta"}, {"moving_mean"}, {"moving_variance"}} {
		if slices.Contains(names, name) {
			return i
		}
	}
	return len(name)
}
