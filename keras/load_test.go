package keras

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// A weight of several parts arrives whole from each kind of file, and is not in memory beside the
// model.
func TestLoadInParts(t *testing.T) {
	b, err := cpu.Open(cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	net, err := nn.Build(nn.Sequential{Input: tensor.Shape{8, 8, 3}, Classes: 2, Layers: []nn.Layer{
		nn.Flatten{}, nn.Dense{Units: 3*partSize/192 + 7}, nn.ReLU{}, nn.Dense{Units: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.NewModel(b, net)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Init(nn.HeNormal(), 1); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"m.h5", "m.keras", "m.safetensors"} {
		path := filepath.Join(t.TempDir(), name)
		if err := Save(path, m, nil); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, _, err := OpenModel(b, path)
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		// Elsewhere the model itself is allocated by Go.
		if n := after.TotalAlloc - before.TotalAlloc; n > 2*4*partSize && runtime.GOOS == "linux" {
			t.Errorf("%s: %d bytes allocated besides the model, of a weight of %d", name, n,
				4*m.Weights[0].Shape.Size())
		}
		sameWeights(t, got, m)
	}
}

// Parts are multiples of what the file keeps together; kernels to rotate are read whole.
func TestParts(t *testing.T) {
	const size = partSize*2 + 1234
	for _, c := range []struct {
		block   int
		rotated bool
		want    []int // elements of the parts
	}{
		{1, false, []int{partSize, partSize, 1234}},
		{1000, false, []int{1048000, 1048000, size - 2*1048000}},
		{partSize + 1, false, []int{partSize + 1, partSize + 1, 1232}},
		{size, false, []int{size}},
		{1, true, []int{size}},
	} {
		t.Run(fmt.Sprint(c.block, c.rotated), func(t *testing.T) {
			var reads, parts []int
			w := &weight{"kernel", []int{size, 1, 1, 1}, c.block, func(dst []float32, first int) error {
				reads = append(reads, len(dst))
				for i := range dst {
					dst[i] = float32(first + i)
				}
				return nil
			}}
			to := nn.Weight{Name: "conv/kernel", Shape: w.shape}
			tr := &transfer{file: &File{rotated: c.rotated, size: 4 * size}, copies: []copying{{w, to, true}}}
			if err := tr.allocate(); err != nil {
				t.Fatal(err)
			}
			next := 0
			if err := tr.read(tr.copies[0], func(part []float32, first int) error {
				if first != next {
					t.Errorf("a part begins at %d, want %d", first, next)
				}
				for i, v := range part {
					want := first + i
					if c.rotated {
						want = size - 1 - want
					}
					if v != float32(want) {
						t.Fatalf("element %d is %v, want %d", first+i, v, want)
					}
				}
				next += len(part)
				parts = append(parts, len(part))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(parts, c.want) || !slices.Equal(reads, c.want) {
				t.Errorf("parts of %v from reads of %v, want %v", parts, reads, c.want)
			}
		})
	}
}
