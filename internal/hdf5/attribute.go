package hdf5

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
)

// attribute is an attribute message with its name.
type attribute struct {
	name string
	message
}

// addAttribute adds an attribute. The first of a name counts.
func (o *Object) addAttribute(a attribute) {
	if o.byName == nil {
		o.byName = map[string]int{}
	}
	if _, double := o.byName[a.name]; !double {
		o.byName[a.name] = len(o.attributes)
	}
	o.attributes = append(o.attributes, a)
}

// HasAttr reports whether the object has an attribute of that name.
func (o *Object) HasAttr(name string) bool { _, ok := o.byName[name]; return ok }

// Attr returns the value of an attribute: a string, int64 or float64, or a slice of these in
// row-major order for an array of any rank. The error wraps fs.ErrNotExist if there is none.
func (o *Object) Attr(name string) (any, error) {
	if i, ok := o.byName[name]; ok {
		return o.attributeValue(o.attributes[i].message)
	}
	return nil, o.f.fail(o, "object header", o.addr, fmt.Errorf("no attribute %q: %w", name, fs.ErrNotExist))
}

// AttrString returns an attribute that is one string.
func (o *Object) AttrString(name string) (string, error) {
	v, err := o.Attr(name)
	if err != nil {
		return "", err
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	return "", o.f.fail(o, "object header", o.addr, fmt.Errorf("attribute %q is %s, expected one string", name, kindOf(v)))
}

// AttrStrings returns an attribute that is an array of strings. An empty array may have any type:
// h5py writes it as float64.
func (o *Object) AttrStrings(name string) ([]string, error) {
	v, err := o.Attr(name)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []string:
		return v, nil
	case []float64:
		if len(v) == 0 {
			return nil, nil
		}
	}
	return nil, o.f.fail(o, "object header", o.addr,
		fmt.Errorf("attribute %q is %s, expected an array of strings", name, kindOf(v)))
}

// kindOf describes the value of an attribute.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "one string"
	case []string:
		return "an array of strings"
	case int64, float64:
		return "a number"
	}
	return "an array of numbers"
}

// attributeHead reads an attribute message up to its value.
func attributeHead(b *block) (name string, t datatype, shape []int) {
	v := b.version(1, 3)
	flags := b.u8()
	if v >= 2 && flags&3 != 0 {
		b.unsupported("an attribute's shared datatype or dataspace")
	}
	nameSize, typeSize, spaceSize := b.u16(), b.u16(), b.u16()
	if v == 3 {
		b.skip(1) // character set
	}
	// field returns the next n bytes as a block.
	field := func(n int) *block {
		c := *b
		c.data = b.take(n)
		c.addr += uint64(c.pos)
		c.pos, c.err = 0, b.err
		if v == 1 {
			b.skip(min(-n&7, b.left()))
		}
		return &c
	}
	name = text(field(nameSize).data)
	typ, space := field(typeSize), field(spaceSize)
	if b.err == nil {
		t = readDatatype(typ)
		b.err = typ.err
	}
	if b.err == nil {
		shape = readDataspace(space)
		b.err = space.err
	}
	return name, t, shape
}

// readAttribute reads the name of an attribute message.
func (o *Object) readAttribute(m message) (attribute, error) {
	b := o.block(&m, "attribute")
	name, _, _ := attributeHead(b)
	if errors.Is(b.err, errors.ErrUnsupported) && name != "" {
		b.err = nil // attributeValue reports it
	}
	return attribute{name, m}, b.err
}

// attributeValue reads the value of an attribute message.
func (o *Object) attributeValue(m message) (any, error) {
	b := o.block(&m, "attribute")
	name, t, shape := attributeHead(b)
	if b.err != nil {
		return nil, b.err
	}
	b.part = "attribute " + name
	limit := b.left() / t.size
	n := elements(shape, limit)
	if n > limit {
		return nil, b.fail("shape %v of %s needs %d bytes, but %d are left", shape, t, n*t.size, b.left())
	}
	scalar := len(shape) == 0
	b.allocate(n * (stringBytes + t.size))
	if b.err != nil {
		return nil, b.err
	}
	switch t.class {
	case classInt:
		return values(scalar, n, func() int64 {
			w := t.word(b.take(t.size))
			if !t.signed && w > math.MaxInt64 {
				b.unsupported("an integer above the largest int64")
			}
			return int64(w)
		}, b)
	case classFloat:
		return values(scalar, n, func() float64 { return t.float(b.take(t.size)) }, b)
	case classVlen:
		return values(scalar, n, func() string { return o.f.vlen(b) }, b)
	}
	return values(scalar, n, func() string {
		s := b.take(t.size)
		switch t.padding {
		case 0:
			return text(s)
		case 1:
			return strings.TrimRight(string(s), "\x00")
		case 2:
			return strings.TrimRight(string(s), " ")
		}
		b.unsupported(fmt.Sprintf("padding of kind %d of a string", t.padding))
		return ""
	}, b)
}

// values returns the results of n calls of next, or one value if scalar.
func values[T any](scalar bool, n int, next func() T, b *block) (any, error) {
	v := make([]T, n)
	for i := range v {
		v[i] = next()
		if b.err != nil {
			return nil, b.err
		}
	}
	if scalar {
		return v[0], nil
	}
	return v, nil
}

// globalHeap is a collection of variable-length strings.
type globalHeap struct {
	objects map[int]string
	err     error
}

// vlen reads a reference to a string in a global heap, and the string.
func (f *File) vlen(b *block) string {
	n, addr, index := b.u32(), b.address(), b.u32()
	if b.err != nil || n == 0 {
		return ""
	}
	h, ok := f.heaps[addr]
	if !ok {
		h = &globalHeap{objects: map[int]string{}}
		h.err = h.read(f, b.o, addr)
		f.heaps[addr] = h
	}
	if h.err != nil {
		b.failed(h.err)
		b.err = h.err
		return ""
	}
	b.allocate(n) // many may refer to the same string
	s, ok := h.objects[index]
	if !ok || n > len(s) {
		b.fail("string %d of %d bytes is not in the global heap at %d", index, n, addr)
		return ""
	}
	s, _, _ = strings.Cut(s[:n], "\x00")
	return s
}

// read reads a collection.
func (h *globalHeap) read(f *File, o *Object, addr uint64) error {
	const part = "global heap"
	head := 8 + f.lengthSize
	b, err := f.read(o, part, addr, uint64(head))
	if err != nil {
		return err
	}
	b.expect("GCOL")
	b.version(1, 1)
	b.skip(3)
	size := b.length()
	if b.err != nil {
		return b.err
	}
	if size < uint64(head) || size > f.size {
		return b.fail("a collection of %d bytes in a file of %d", size, f.size)
	}
	if err := b.more(int(size) - head); err != nil {
		return err
	}
	b.allocate(len(b.data))
	data := string(b.data) // the objects share this memory
	for b.left() >= head {
		index := b.u16()
		b.skip(2 + 4) // references
		n := b.length()
		if index == 0 {
			break // the rest is free space
		}
		if n > uint64(b.left()) {
			return b.fail("string %d has %d bytes, but %d are left", index, n, b.left())
		}
		if _, double := h.objects[index]; double {
			return b.fail("string %d is stored twice", index)
		}
		b.allocate(partBytes)
		h.objects[index] = data[b.pos : b.pos+int(n)]
		b.skip(int(n))
		b.skip(min(-int(n)&7, b.left()))
	}
	return b.err
}
