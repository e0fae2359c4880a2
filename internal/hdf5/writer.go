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

// Tree is a group to be written, with all that is in it. The whole of a file is described first, then
// written from front to back by Write: numbers are asked for when it is their turn.
//
// What is wrong with a description (a name that is taken, a value of another type) is told by Write.
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
	floats func(dst []float32, first int) error // of float32
	ints   []int64                              // else of these
}

// NewTree returns an empty root group.
func NewTree() *Tree { return newTree(new([]error), "") }

func newTree(errs *[]error, path string) *Tree {
	return &Tree{errs: errs, path: path, groups: map[string]*Tree{}, arrays: map[string]*array{}}
}

func (t *Tree) fail(format string, args ...any) {
	*t.errs = append(*t.errs, fmt.Errorf("hdf5: "+format, args...))
}

// Group returns the group at a path ("model_weights/conv1") that begins here. It is made, and those
// above it are, where they are not there yet.
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

// checkName notes what is wrong with the name of a new child.
func (t *Tree) checkName(name string) {
	if name == "" || name == "." || strings.Contains(name, "\x00") {
		t.fail("%s/: %q cannot be a name", t.path, name)
	}
	if t.groups[name] != nil || t.arrays[name] != nil {
		t.fail("%s/%s is there twice", t.path, name)
	}
}

// Attr sets an attribute of the group: a string, a list of strings, an int64 or a float64. Strings
// are stored with a fixed length and filled with zeros, but when that needs more than the format
// allows (about 64 KB) with their own.
func (t *Tree) Attr(name string, value any) {
	for _, a := range t.attributes {
		if a.name == name {
			t.fail("%s: attribute %q is there twice", t.path, name)
		}
	}
	t.attributes = append(t.attributes, newAttribute{name, value})
}

// Floats adds an array of float32 at a path that begins here. Write calls read for the elements from
// first on, in row-major order, as many as dst holds; [Dataset.ReadFloats] is such a function.
func (t *Tree) Floats(path string, shape []int, read func(dst []float32, first int) error) {
	t.add(path, &array{shape: shape, floats: read})
}

// Ints adds an array of int64 at a path that begins here.
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

// Write writes a file whose root is t: superblock version 0, symbol tables, contiguous little-endian
// data. The same tree gives the same bytes.
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

// names returns the names of a group's children in the order of its symbol table.
func (t *Tree) names() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(t.groups)), maps.Keys(t.arrays))
	slices.Sort(names)
	return names
}
