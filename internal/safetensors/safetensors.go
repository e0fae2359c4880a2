// Package safetensors reads and writes tensors in the safetensors container:
// uint64 little-endian length of the header, a JSON header (name → dtype, shape,
// data_offsets; __metadata__ with strings), then the data, little-endian and row-major.
// See https://github.com/huggingface/safetensors.
package safetensors

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/internal/infile"
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

// Header tells what is in a safetensors file.
type Header struct {
	Metadata map[string]string
	Entries  []Entry // in the order of their data, which lie side by side
	Start    int64   // where in the file the data begin; set by ReadHeader
}

// Entry tells what a tensor is and where.
type Entry struct {
	Name  string
	Type  string // "F32" or "U8"
	Shape []int
	// Offset is where the tensor's data begin, counted from the first data; set by ReadHeader.
	Offset int64
}

// Size returns the number of bytes of the tensor's data.
func (e *Entry) Size() int64 {
	n := int64(typeSize(e.Type))
	for _, d := range e.Shape {
		n *= int64(d)
	}
	return n
}

// typeSize returns the bytes of an element, 0 of a type that is not supported.
func typeSize(t string) uint64 {
	switch t {
	case "F32":
		return 4
	case "U8":
		return 1
	}
	return 0
}

const (
	metadataKey = "__metadata__"
	// maxHeader is the format's own limit of the header.
	maxHeader = 100_000_000
)

// entryJSON is an Entry in the header.
type entryJSON struct {
	DType   string    `json:"dtype"`
	Shape   []int64   `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
}

// ReadHeader reads the header of a file of size bytes, and checks that the tensors fill the
// data without gap or overlap. It allocates no more than the size justifies, and an
// error tells what is wrong with which tensor.
func ReadHeader(r io.Reader, size int64) (*Header, error) {
	var word [8]byte
	if _, err := io.ReadFull(r, word[:]); err != nil {
		return nil, damaged("no header: %w", err)
	}
	length := binary.LittleEndian.Uint64(word[:])
	if length > maxHeader || int64(length) > size-8 {
		return nil, damaged("header of %d bytes in a file of %d", length, size)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, damaged("header: %w", err)
	}
	h, err := parseHeader(text, uint64(size)-8-length)
	if err != nil {
		return nil, err
	}
	h.Start = int64(8 + length)
	return h, nil
}

// parseHeader reads the header of a file with size bytes of data.
func parseHeader(text []byte, size uint64) (*Header, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, damaged("header: %w", err)
	}
	h := &Header{}
	if m, ok := raw[metadataKey]; ok {
		if err := json.Unmarshal(m, &h.Metadata); err != nil {
			return nil, damaged("metadata: %w", err)
		}
		delete(raw, metadataKey)
	}
	type located struct {
		name string
		entryJSON
	}
	var entries []located
	for name, m := range raw {
		var e entryJSON
		if err := json.Unmarshal(m, &e); err != nil {
			return nil, damaged("tensor %q: %w", name, err)
		}
		entries = append(entries, located{name, e})
	}
	slices.SortFunc(entries, func(a, b located) int {
		return cmp.Or(cmp.Compare(a.Offsets[0], b.Offsets[0]), cmp.Compare(a.Offsets[1], b.Offsets[1]),
			cmp.Compare(a.name, b.name))
	})
	var at uint64
	for _, e := range entries {
		n := typeSize(e.DType)
		if n == 0 {
			return nil, fmt.Errorf("safetensors: tensor %q: type %s is not supported, only F32 and U8", e.name, e.DType)
		}
		if slices.Contains(e.Shape, 0) {
			n = 0
		}
		shape := make([]int, len(e.Shape))
		for i, d := range e.Shape {
			if d < 0 || d > 0 && n > size/uint64(d) {
				return nil, damaged("tensor %q: shape %v does not fit into the file", e.name, e.Shape)
			}
			n *= uint64(d)
			shape[i] = int(d)
		}
		if e.Offsets[0] != at || e.Offsets[1] < at || e.Offsets[1]-at != n || e.Offsets[1] > size {
			return nil, damaged("tensor %q: offsets %v, shape %v and %d bytes of data disagree", e.name, e.Offsets, e.Shape, size)
		}
		h.Entries = append(h.Entries, Entry{e.name, e.DType, shape, int64(at)})
		at = e.Offsets[1]
	}
	if at != size {
		return nil, damaged("%d bytes of data, the header tells of %d", size, at)
	}
	return h, nil
}

// damaged returns an error about what no program writes.
func damaged(format string, args ...any) error {
	return fmt.Errorf("safetensors: %w: %s", fmt.Errorf(format, args...), infile.Damaged)
}

// WriteHeader writes a header; the data of its entries, in their order, have to follow.
func WriteHeader(w io.Writer, h *Header) error {
	header := map[string]any{}
	if len(h.Metadata) > 0 {
		header[metadataKey] = h.Metadata
	}
	var at uint64
	for _, e := range h.Entries {
		shape := make([]int64, len(e.Shape))
		for i, d := range e.Shape {
			shape[i] = int64(d)
		}
		end := at + uint64(e.Size())
		header[e.Name] = entryJSON{e.Type, shape, [2]uint64{at, end}}
		at = end
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	// Spaces at the end of the header align the data to 8 bytes.
	text = append(text, strings.Repeat(" ", -len(text)&7)...)
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text)))); err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// Read reads a file of size bytes, whose tensors must be float32.
func Read(r io.Reader, size int64) (*File, error) {
	br := bufio.NewReaderSize(r, 1<<20)
	h, err := ReadHeader(br, size)
	if err != nil {
		return nil, err
	}
	f := &File{Metadata: h.Metadata}
	for _, e := range h.Entries {
		if e.Type != "F32" {
			return nil, fmt.Errorf("safetensors: tensor %q: type %s, want F32", e.Name, e.Type)
		}
		t := Tensor{e.Name, e.Shape, make([]float32, e.Size()/4)}
		if err := ReadFloats(br, t.Data); err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		}
		f.Tensors = append(f.Tensors, t)
	}
	return f, nil
}

// floatBuffer is the number of bytes converted at a time.
const floatBuffer = 1 << 16

// ReadFloats fills dst with little-endian float32 numbers.
func ReadFloats(r io.Reader, dst []float32) error {
	buffer := make([]byte, min(floatBuffer, 4*len(dst)))
	for len(dst) > 0 {
		n := min(len(dst), len(buffer)/4)
		if _, err := io.ReadFull(r, buffer[:4*n]); err != nil {
			return fmt.Errorf("data cut off: %w", err)
		}
		for i := range n {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(buffer[4*i:]))
		}
		dst = dst[n:]
	}
	return nil
}

// WriteFloats writes src as little-endian float32 numbers.
func WriteFloats(w io.Writer, src []float32) error {
	buffer := make([]byte, min(floatBuffer, 4*len(src)))
	for len(src) > 0 {
		n := min(len(src), len(buffer)/4)
		for i, v := range src[:n] {
			binary.LittleEndian.PutUint32(buffer[4*i:], math.Float32bits(v))
		}
		if _, err := w.Write(buffer[:4*n]); err != nil {
			return err
		}
		src = src[n:]
	}
	return nil
}

// Write writes f to w. Shapes must fit the data.
func Write(w io.Writer, f *File) error {
	h := &Header{Metadata: f.Metadata}
	for _, t := range f.Tensors {
		h.Entries = append(h.Entries, Entry{Name: t.Name, Type: "F32", Shape: t.Shape})
	}
	if err := WriteHeader(w, h); err != nil {
		return err
	}
	for _, t := range f.Tensors {
		if err := WriteFloats(w, t.Data); err != nil {
			return err
		}
	}
	return nil
}
