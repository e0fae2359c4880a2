// Package safetensors reads and writes float32 tensors in the safetensors container:
// uint64 little-endian length of the header, a JSON header (name → dtype, shape,
// data_offsets; __metadata__ with strings), then the data, little-endian and row-major.
// See https://github.com/huggingface/safetensors.
package safetensors

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Tensor is a named array in row-major order.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// File is the contents of a safetensors file, its tensors in the order of their data.
type File struct {
	Metadata map[string]string
	Tensors  []Tensor
}

// Tensor returns the tensor of that name, or nil.
func (f *File) Tensor(name string) *Tensor {
	i := slices.IndexFunc(f.Tensors, func(t Tensor) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Tensors[i]
}

const (
	metadataKey = "__metadata__"
	// maxHeader is the format's own limit of the header.
	maxHeader = 100_000_000
)

type entry struct {
	DType   string    `json:"dtype"`
	Shape   []int64   `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
}

// Read reads a file of size bytes. It allocates no more than the size justifies, and
// an error tells what is wrong with which tensor.
func Read(r io.Reader, size int64) (*File, error) {
	br := bufio.NewReaderSize(r, 1<<20)
	var word [8]byte
	if _, err := io.ReadFull(br, word[:]); err != nil {
		return nil, fmt.Errorf("safetensors: no header: %w", err)
	}
	length := binary.LittleEndian.Uint64(word[:])
	if length > maxHeader || int64(length) > size-8 {
		return nil, fmt.Errorf("safetensors: header of %d bytes in a file of %d", length, size)
	}
	header := make([]byte, length)
	if _, err := io.ReadFull(br, header); err != nil {
		return nil, fmt.Errorf("safetensors: header cut off: %w", err)
	}
	f, err := parseHeader(header, uint64(size)-8-length)
	if err != nil {
		return nil, err
	}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if err := readFloats(br, t.Data); err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		}
	}
	return f, nil
}

// parseHeader returns the file with its tensors allocated, after checking that they
// fill the size bytes of data without gap or overlap.
func parseHeader(header []byte, size uint64) (*File, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(header, &raw); err != nil {
		return nil, fmt.Errorf("safetensors: header: %w", err)
	}
	f := &File{}
	if m, ok := raw[metadataKey]; ok {
		if err := json.Unmarshal(m, &f.Metadata); err != nil {
			return nil, fmt.Errorf("safetensors: metadata: %w", err)
		}
		delete(raw, metadataKey)
	}
	type located struct {
		name string
		entry
	}
	var entries []located
	for name, m := range raw {
		var e entry
		if err := json.Unmarshal(m, &e); err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", name, err)
		}
		entries = append(entries, located{name, e})
	}
	slices.SortFunc(entries, func(a, b located) int {
		switch {
		case a.Offsets[0] != b.Offsets[0]:
			if a.Offsets[0] < b.Offsets[0] {
				return -1
			}
			return 1
		case a.Offsets[1] != b.Offsets[1]:
			if a.Offsets[1] < b.Offsets[1] {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	var at uint64
	for _, e := range entries {
		if e.DType != "F32" {
			return nil, fmt.Errorf("safetensors: tensor %q: type %s is not supported, only F32", e.name, e.DType)
		}
		n := uint64(1)
		shape := make([]int, len(e.Shape))
		for i, d := range e.Shape {
			if d < 0 || d > 0 && n > size/uint64(d) {
				return nil, fmt.Errorf("safetensors: tensor %q: shape %v does not fit into the file", e.name, e.Shape)
			}
			n *= uint64(d)
			shape[i] = int(d)
		}
		if e.Offsets[0] != at || e.Offsets[1] < at || e.Offsets[1]-at != 4*n || e.Offsets[1] > size {
			return nil, fmt.Errorf("safetensors: tensor %q: offsets %v, shape %v and %d bytes of data disagree", e.name, e.Offsets, e.Shape, size)
		}
		at = e.Offsets[1]
		f.Tensors = append(f.Tensors, Tensor{e.name, shape, make([]float32, n)})
	}
	if at != size {
		return nil, fmt.Errorf("safetensors: %d bytes of data, the header tells of %d", size, at)
	}
	return f, nil
}

func readFloats(r io.Reader, dst []float32) error {
	var buf [1 << 16]byte
	for len(dst) > 0 {
		n := min(len(dst), len(buf)/4)
		if _, err := io.ReadFull(r, buf[:4*n]); err != nil {
			return fmt.Errorf("data cut off: %w", err)
		}
		for i := range n {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(buf[4*i:]))
		}
		dst = dst[n:]
	}
	return nil
}

// Write writes f to w. Shapes must fit the data.
func Write(w io.Writer, f *File) error {
	header := map[string]any{}
	if len(f.Metadata) > 0 {
		header[metadataKey] = f.Metadata
	}
	var at uint64
	for _, t := range f.Tensors {
		shape := make([]int64, len(t.Shape))
		for i, d := range t.Shape {
			shape[i] = int64(d)
		}
		end := at + 4*uint64(len(t.Data))
		header[t.Name] = entry{"F32", shape, [2]uint64{at, end}}
		at = end
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	// Spaces at the end of the header align the data to 8 bytes.
	text = append(text, strings.Repeat(" ", -len(text)&7)...)

	bw := bufio.NewWriterSize(w, 1<<20)
	bw.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text))))
	bw.Write(text)
	var word [4]byte
	for _, t := range f.Tensors {
		for _, v := range t.Data {
			binary.LittleEndian.PutUint32(word[:], math.Float32bits(v))
			bw.Write(word[:])
		}
	}
	return bw.Flush() // a bufio.Writer keeps its first error
}
