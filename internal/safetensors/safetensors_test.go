package safetensors

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/internal/infile"
)

// write writes f to w. Shapes must match the data.
func write(w io.Writer, f *File) error {
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

func TestRoundTrip(t *testing.T) {
	long := make([]float32, floatBuffer) // four buffers
	for i := range long {
		long[i] = float32(i) / 3
	}
	want := &File{Metadata: map[string]string{"a": "b", "c": `{"d": 1}`}, Tensors: []Tensor{
		{"z", []int{2, 3}, []float32{1, -2, 3, float32(math.Inf(1)), 5e-45, 6}},
		{"number", []int{}, []float32{7}},
		{"empty", []int{4, 0}, []float32{}},
		{"long", []int{len(long)}, long},
	}}
	var b bytes.Buffer
	if err := write(&b, want); err != nil {
		t.Fatal(err)
	}
	if header := binary.LittleEndian.Uint64(b.Bytes()); header%8 != 0 {
		t.Errorf("header of %d bytes does not align the data", header)
	}
	got, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	none := &File{Tensors: []Tensor{{"empty", []int{4, 0}, []float32{}}}}
	var e bytes.Buffer
	if err := write(&e, none); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(&e, int64(e.Len())); err != nil || cmp.Diff(none, got) != "" {
		t.Errorf("a file without data: %v, %v", got, err)
	}
	for cut := range b.Len() - 4*len(long) {
		if _, err := Read(bytes.NewReader(b.Bytes()[:cut]), int64(cut)); err == nil {
			t.Fatalf("no error for the first %d bytes", cut)
		}
	}
}

// file returns a file of that header and size bytes of data.
func file(header string, size int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, size)...)
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		header string
		size   int
		want   string
	}{
		{`{"a":`, 0, "header"},
		{`[]`, 0, "header"},
		{`{"__metadata__": {"a": 1}}`, 0, "metadata"},
		{`{"a": 1}`, 0, `tensor "a"`},
		{`{"a": {"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`, 8, "type F64, expected F32"},
		{`{"a": {"dtype":"\u001b[31mF9","shape":[1],"data_offsets":[0,4]}}`, 4, `tensor "a": unknown type "\x1b[31mF9"`},
		{`{"a": {"dtype":"F32","shape":[` + strings.Repeat("1,", 64) + `1],"data_offsets":[0,4]}}`, 4, `tensor "a" has 65 dimensions`},
		{`{"a": {"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, 4, "type U8, expected F32"},
		{`{"a": {"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4, "does not fit in"},
		{`{"a": {"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}`, 4, "does not fit in"},
		{`{"a": {"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4, "does not fit in"},
		{`{"a": {"dtype":"F32","shape":[0,2],"data_offsets":[0,4]}}`, 4, "inconsistent"},
		{`{"a": {"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8, "inconsistent: " + infile.Damaged},
		{`{"a": {"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 8, "inconsistent"},
		{`{"a": {"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, "inconsistent"},
		{`{"a": {"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8, "8 bytes of data, the header describes 4"},
	} {
		data := file(c.header, c.size)
		if _, err := Read(bytes.NewReader(data), int64(len(data))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.header, err, c.want)
		}
	}
	huge := binary.LittleEndian.AppendUint64(nil, math.MaxUint64)
	if _, err := Read(bytes.NewReader(huge), 8); err == nil {
		t.Error("no error for a header of 2^64 - 1 bytes")
	}
}

// FuzzRead looks for files that break the reader, or that it reads as something that it
// does not write.
func FuzzRead(f *testing.F) {
	f.Add(file(`{"a": {"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"__metadata__":{"b":"c"}}`, 8))
	f.Add(file(`{"a": {"dtype":"F32","shape":[1],"data_offsets":[4,8]},"b": {"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 8))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := write(&b, got); err != nil {
			t.Fatal(err)
		}
		again, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Fatal(err)
		}
		same := cmp.Comparer(func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
		if diff := cmp.Diff(got, again, same); diff != "" {
			t.Errorf("-read +read again:\n%s", diff)
		}
	})
}
