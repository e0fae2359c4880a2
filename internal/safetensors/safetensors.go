// Package safetensors reads and writes tensors in the safetensors container: the length of the
// header as a little-endian uint64, a JSON header (name → dtype, shape, data_offsets; __metadata__
// with strings), then the data, little-endian and row-major. See
// https://github.com/huggingface/safetensors.
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

	"github.com/lamina-go/lamina/internal/float16"
	"github.com/lamina-go/lamina/internal/infile"
)

// Tensor is a named array in row-major order.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// File is the contents of a safetensors file, with the tensors in data order.
type File struct {
	Metadata map[string]string
	Tensors  []Tensor
}

// Header describes the contents of a safetensors file.
type Header struct {
	Metadata map[string]string
	Entries  []Entry // in the order of their data, which are contiguous
	Start    int64   // the offset of the data in the file; set by ReadHeader
	// Budget is the rest of the memory that reading the file may take; set by ReadHeader.
	Budget *infile.Budget
}

// Entry describes a tensor.
type Entry struct {
	Name  string
	Type  string // "F32", "F16", "I64", …
	Shape []int
	// Offset is the offset of the tensor's data in all data; set by ReadHeader.
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

// typeSize returns the bytes of an element, 0 for an unknown type.
func typeSize(t string) uint64 {
	switch t {
	case "F64", "I64", "U64", "C64":
		return 8
	case "F32", "I32", "U32":
		return 4
	case "F16", "BF16", "I16", "U16":
		return 2
	case "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0":
		return 1
	}
	return 0
}

const (
	metadataKey = "__metadata__"
	// maxHeader is the format's own limit of the header.
	maxHeader = 100_000_000
	// maxRank is the most dimensions of a tensor, more than any framework has.
	maxRank = 64
)

// entryJSON is an Entry in the header.
type entryJSON struct {
	DType   string    `json:"dtype"`
	Shape   []int64   `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
}

// ReadHeader reads the header of a file of size bytes and checks that the tensors fill the data
// without gap or overlap. What it allocates is taken from a budget for the file. Errors name the
// tensor at fault.
func ReadHeader(r io.Reader, size int64) (*Header, error) {
	var word [8]byte
	if _, err := io.ReadFull(r, word[:]); err != nil {
		return nil, damaged("no header: %w", err)
	}
	length := binary.LittleEndian.Uint64(word[:])
	if length > maxHeader || int64(length) > size-8 {
		return nil, damaged("header of %d bytes in a file of %d", length, size)
	}
	budget := infile.NewBudget(size)
	if err := budget.Take(int64(length)); err != nil {
		return nil, fmt.Errorf("safetensors: header: %w", err)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, damaged("header: %w", err)
	}
	h, err := parseHeader(text, uint64(size)-8-length, budget)
	if err != nil {
		return nil, err
	}
	h.Start, h.Budget = int64(8+length), budget
	return h, nil
}

// parseHeader parses the header of a file with size bytes of data.
func parseHeader(text []byte, size uint64, budget *infile.Budget) (*Header, error) {
	var raw map[string]json.RawMessage
	if err := budget.JSON(text, &raw); err != nil {
		return nil, damaged("header: %w", err)
	}
	h := &Header{}
	if m, ok := raw[metadataKey]; ok {
		if err := infile.JSON(m, &h.Metadata); err != nil {
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
		if err := infile.JSON(m, &e); err != nil {
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
			return nil, fmt.Errorf("safetensors: tensor %q: unknown type %q", e.name, e.DType)
		}
		if len(e.Shape) > maxRank {
			return nil, damaged("tensor %q has %d dimensions", e.name, len(e.Shape))
		}
		if slices.Contains(e.Shape, 0) {
			n = 0
		}
		shape := make([]int, len(e.Shape))
		for i, d := range e.Shape {
			if d < 0 || d > 0 && n > size/uint64(d) {
				return nil, damaged("tensor %q: shape %v does not fit in the file", e.name, e.Shape)
			}
			n *= uint64(d)
			shape[i] = int(d)
		}
		if e.Offsets[0] != at || e.Offsets[1] < at || e.Offsets[1]-at != n || e.Offsets[1] > size {
			return nil, damaged("tensor %q: offsets %v, shape %v and %d bytes of data are inconsistent", e.name, e.Offsets, e.Shape, size)
		}
		h.Entries = append(h.Entries, Entry{e.name, e.DType, shape, int64(at)})
		at = e.Offsets[1]
	}
	if at != size {
		return nil, damaged("%d bytes of data, the header describes %d", size, at)
	}
	return h, nil
}

// damaged returns an error for contents that no program writes.
func damaged(format string, args ...any) error {
	return fmt.Errorf("safetensors: %w: %s", fmt.Errorf(format, args...), infile.Damaged)
}

// WriteHeader writes a header. The caller writes the data of its entries, in order.
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
	// Trailing spaces align the data to 8 bytes.
	text = append(text, strings.Repeat(" ", -len(text)&7)...)
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text)))); err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// Read reads a file of size bytes whose tensors are all float32.
func Read(r io.Reader, size int64) (*File, error) {
	br := bufio.NewReaderSize(r, 1<<20)
	h, err := ReadHeader(br, size)
	if err != nil {
		return nil, err
	}
	f := &File{Metadata: h.Metadata}
	for _, e := range h.Entries {
		if e.Type != "F32" {
			return nil, fmt.Errorf("safetensors: tensor %q: type %s, expected F32", e.Name, e.Type)
		}
		t := Tensor{e.Name, e.Shape, make([]float32, e.Size()/4)}
		if err := ReadFloats(br, t.Data); err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		}
		f.Tensors = append(f.Tensors, t)
	}
	return f, nil
}

// floatBuffer is the number of bytes that are converted at a time.
const floatBuffer = 1 << 16

// ReadFloats fills dst with little-endian float32 values.
func ReadFloats(r io.Reader, dst []float32) error {
	return readElements(r, dst, 4, func(dst []float32, p []byte) {
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(p[4*i:]))
		}
	})
}

// readElements fills dst by means of convert, which converts a run of elements of size bytes.
func readElements(r io.Reader, dst []float32, size int, convert func(dst []float32, p []byte)) error {
	buffer := make([]byte, min(floatBuffer, size*len(dst)))
	for len(dst) > 0 {
		n := min(len(dst), len(buffer)/size)
		if _, err := io.ReadFull(r, buffer[:size*n]); err != nil {
			return fmt.Errorf("data cut off: %w", err)
		}
		convert(dst[:n], buffer)
		dst = dst[n:]
	}
	return nil
}

// IsFloat reports whether [Header.Floats] reads the tensor.
func (e *Entry) IsFloat() bool {
	return slices.Contains([]string{"F64", "F32", "F16", "BF16"}, e.Type)
}

// Floats reads len(dst) elements of a tensor, from first on, out of the file r. It rounds F64 and
// widens F16 and BF16 to float32.
func (h *Header) Floats(r io.ReaderAt, e *Entry, dst []float32, first int) error {
	size := int64(typeSize(e.Type))
	from := io.NewSectionReader(r, h.Start+e.Offset+size*int64(first), size*int64(len(dst)))
	switch e.Type {
	case "F32":
		return ReadFloats(from, dst)
	case "F16":
		return readElements(from, dst, 2, func(dst []float32, p []byte) {
			for i := range dst {
				dst[i] = float16.Value(binary.LittleEndian.Uint16(p[2*i:]))
			}
		})
	case "BF16":
		return readElements(from, dst, 2, func(dst []float32, p []byte) {
			for i := range dst {
				dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(p[2*i:])) << 16)
			}
		})
	case "F64":
		return readElements(from, dst, 8, func(dst []float32, p []byte) {
			for i := range dst {
				dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(p[8*i:])))
			}
		})
	}
	return fmt.Errorf("safetensors: tensor %q: type %s, expected floats", e.Name, e.Type)
}

// WriteFloats writes src as little-endian float32 values.
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
