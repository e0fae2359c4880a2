package hdf5

import (
	"slices"
	"testing"
)

// FuzzRead reads damaged files, also with corrected checksums.
func FuzzRead(f *testing.F) {
	for _, data := range goodFiles(f) {
		if len(data) < 10000 {
			f.Add(data)
		}
	}
	tree := NewTree()
	tree.Attr("list", []string{"a", "bb"})
	tree.Floats("a/x", []int{2, 3}, ramp(1))
	f.Add(write(f, tree))
	f.Fuzz(func(t *testing.T, data []byte) {
		judge(t, data, func() string { return "as it is" })
		data = slices.Clone(data)
		repair(data)
		judge(t, data, func() string { return "with checksums" })
	})
}
