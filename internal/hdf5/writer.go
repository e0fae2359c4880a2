package hdf5

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// Tree is a group to be written, with its contents. A program first describes the whole file; Write
// then writes it sequentially and reads array data on demand.
//
// Write returns the errors of the description, such as a duplicate name.
type Tree struct {
	errs       *[]error // of the whole file
	path       string
	attributes []newAttribute
	groups     map[string]*Tree
	arrays     map[string]*array
}

type newAttribute struct {
	name  string
	value any
}

// array is a dataset to be written.
type array struct {
	path   string
	shape  []int
	n      int
	floats func(dst []float32, first int) error // reads float32 data
	ints   []int64                              // the data if floats is nil
}

// NewTree returns an empty root group.
func NewTree() *Tree { return newTree(new([]error), "") }

func newTree(errs *[]error, path string) *Tree {
	return &Tree{errs: errs, path: path, groups: map[string]*Tree{}, arrays: map[string]*array{}}
}

func (t *Tree) fail(format string, args ...any) {
	*t.errs = append(*t.errs, fmt.Errorf("hdf5: "+format, args...))
}

// Group returns the group at a path ("model_weights/conv1") relative to t. It creates the group and
// its parents as needed.
func (t *Tree) Group(path string) *Tree {
	for name := range strings.SplitSeq(path, "/") {
		child := t.groups[name]
		if child == nil {
			child = newTree(t.errs, t.path+"/"+name)
			t.checkName(name)
			t.groups[name] = child
		}
		t = child
	}
	return t
}

// checkName records an error if a new child cannot have that name.
func (t *Tree) checkName(name string) {
	if name == "" || name == "." || strings.Contains(name, "\x00") {
		t.fail("%s/: invalid name %q", t.path, name)
	}
	if t.groups[name] != nil || t.arrays[name] != nil {
		t.fail("%s/%s is defined twice", t.path, name)
	}
}

// Attr sets an attribute of the group: a string, a list of strings, an int64 or a float64. Strings
// are stored null-padded at a fixed length, or at variable length if that would exceed the format's
// limit of about 64 KB.
func (t *Tree) Attr(name string, value any) {
	for _, a := range t.attributes {
		if a.name == name {
			t.fail("%s: attribute %q is defined twice", t.path, name)
		}
	}
	t.attributes = append(t.attributes, newAttribute{name, value})
}

// Floats adds an array of float32 at a path relative to t. Write calls read for len(dst) elements
// from first on, in row-major order; [Dataset.ReadFloats] is such a function.
func (t *Tree) Floats(path string, shape []int, read func(dst []float32, first int) error) {
	t.add(path, &array{shape: shape, floats: read})
}

// Ints adds an array of int64 at a path relative to t.
func (t *Tree) Ints(path string, shape []int, values []int64) {
	t.add(path, &array{shape: shape, ints: values})
}

func (t *Tree) add(path string, a *array) {
	name := path
	if i := strings.LastIndex(path, "/"); i >= 0 {
		t, name = t.Group(path[:i]), path[i+1:]
	}
	t.checkName(name)
	t.arrays[name] = a
	a.path = t.path + "/" + name
	const limit = math.MaxInt64/8 - 1
	a.n = elements(a.shape, limit)
	if slices.ContainsFunc(a.shape, func(d int) bool { return d < 0 }) || a.n > limit || len(a.shape) > 32 {
		t.fail("%s: shape %v", a.path, a.shape)
	} else if a.floats == nil && a.n != len(a.ints) {
		t.fail("%s: %d values of shape %v", a.path, len(a.ints), a.shape)
	}
}

// Write writes a file with root t: superblock version 0, symbol tables, contiguous little-endian
// data. Equal trees give equal bytes.
func (t *Tree) Write(w io.Writer) error {
	e := &encoder{}
	if len(*t.errs) == 0 {
		e.file(t)
	}
	if err := errors.Join(append(*t.errs, e.errs...)...); err != nil {
		return err
	}
	if _, err := w.Write(e.buf); err != nil {
		return err
	}
	floats, raw := make([]float32, pieceBytes/4), make([]byte, 0, pieceBytes)
	for _, a := range e.arrays {
		for first := 0; first < a.n; {
			raw = raw[:0]
			if a.floats != nil {
				p := floats[:min(len(floats), a.n-first)]
				if err := a.floats(p, first); err != nil {
					return fmt.Errorf("hdf5: %s: %w", a.path, err)
				}
				for _, v := range p {
					raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
				}
				first += len(p)
			} else {
				for ; first < a.n && len(raw) < pieceBytes; first++ {
					raw = binary.LittleEndian.AppendUint64(raw, uint64(a.ints[first]))
				}
			}
			if first == a.n {
				raw = append(raw, make([]byte, -len(raw)&7)...)
			}
			if _, err := w.Write(raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// names returns the names of the group's children in symbol table order.
func (t *Tree) names() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(t.groups)), maps.Keys(t.arrays))
	slices.Sort(names)
	return names
}
