package hdf5

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// encoder builds everything of a file but the array data, which follow it.
type encoder struct {
	buf    []byte // the file from address 0 on
	arrays []*array
	fields []int // the offset in buf of each array's data address
	errs   []error
}

// The format's parameters, stored in the superblock, at the HDF5 library's defaults.
const (
	leafK     = 4  // a symbol table node holds 2·leafK entries
	internalK = 16 // a B-tree node holds 2·internalK children

	leafBytes       = 8 + 2*leafK*40
	nodeBytes       = 24 + (4*internalK+1)*8
	superblockBytes = 96
	minHeapBytes    = 4096 // of a global heap collection

	// maxMessage is Keras's limit, slightly below the format's 65,535 bytes.
	maxMessage = 64512
)

// put appends v in n bytes.
func (e *encoder) put(n int, v uint64) { e.buf = appendUint(e.buf, n, v) }

func appendUint(p []byte, n int, v uint64) []byte {
	return append(p, binary.LittleEndian.AppendUint64(nil, v)[:n]...)
}

// begin pads to a multiple of 8 bytes and returns the next address.
func (e *encoder) begin() uint64 {
	e.buf = pad8(e.buf)
	return uint64(len(e.buf))
}

func pad8(p []byte) []byte { return append(p, make([]byte, -len(p)&7)...) }

// fill appends zeros up to start + n.
func (e *encoder) fill(start uint64, n int) {
	e.buf = append(e.buf, make([]byte, int(start)+n-len(e.buf))...)
}

// file builds the whole file.
func (e *encoder) file(t *Tree) {
	e.buf = make([]byte, superblockBytes)
	header, tree, heap := e.group(t)
	end := e.begin()
	for i, a := range e.arrays {
		binary.LittleEndian.PutUint64(e.buf[e.fields[i]:], end)
		end += uint64(a.bytes()+7) &^ 7
	}
	s := &encoder{buf: append([]byte(nil), signature...)}
	s.buf = append(s.buf, 0, 0, 0, 0, 0, 8, 8, 0)
	s.put(2, leafK)
	s.put(2, internalK)
	s.put(4, 0)
	for _, v := range []uint64{0, undefined, end, undefined, 0, header} {
		s.put(8, v)
	}
	s.put(8, 1) // the entry caches the addresses that follow
	s.put(8, tree)
	s.put(8, heap)
	copy(e.buf, s.buf)
}

func (a *array) bytes() int {
	if a.floats != nil {
		return 4 * a.n
	}
	return 8 * a.n
}

// symbol is an entry of a symbol table.
type symbol struct{ name, header uint64 }

// group builds a group's children, then its header, B-tree and local heap.
func (e *encoder) group(t *Tree) (header, tree, heap uint64) {
	names := make([]byte, 8) // the first is the empty name
	var symbols []symbol
	for _, name := range t.names() {
		s := symbol{name: uint64(len(names))}
		names = pad8(append(append(names, name...), 0))
		if child := t.groups[name]; child != nil {
			s.header, _, _ = e.group(child)
		} else {
			s.header = e.array(t.arrays[name])
		}
		symbols = append(symbols, s)
	}
	heap = e.begin()
	e.buf = append(e.buf, "HEAP\x00\x00\x00\x00"...)
	e.put(8, uint64(len(names)))
	e.put(8, 1) // no free space
	e.put(8, heap+32)
	e.buf = append(e.buf, names...)
	tree = e.tree(symbols)
	h := &header1{}
	h.message(msgSymbolTable, appendUint(appendUint(nil, 8, tree), 8, heap))
	for _, a := range t.attributes {
		if err := e.attribute(h, a); err != nil {
			e.errs = append(e.errs, fmt.Errorf("hdf5: %s/: attribute %q: %w", t.path, a.name, err))
		}
	}
	return e.header(h), tree, heap
}

// tree builds the B-tree of a group and its leaves, and returns the root's address.
func (e *encoder) tree(symbols []symbol) uint64 {
	type child struct{ addr, last uint64 } // last is its largest name
	var children []child
	for entries := range slices.Chunk(symbols, 2*leafK) {
		at := e.begin()
		e.buf = append(e.buf, "SNOD\x01\x00"...)
		e.put(2, uint64(len(entries)))
		for _, s := range entries {
			e.put(8, s.name)
			e.put(8, s.header)
			e.fill(e.begin(), 24)
		}
		e.fill(at, leafBytes)
		children = append(children, child{at, entries[len(entries)-1].name})
	}
	for level := uint64(0); ; level++ {
		nodes := slices.Collect(slices.Chunk(children, 2*internalK))
		if len(nodes) == 0 {
			nodes = [][]child{nil} // an empty group
		}
		children = nil
		key := uint64(0) // the largest name before the node
		for i, node := range nodes {
			at := e.begin()
			left, right := at-nodeBytes, at+nodeBytes
			if i == 0 {
				left = undefined
			}
			if i == len(nodes)-1 {
				right = undefined
			}
			e.buf = append(e.buf, "TREE\x00"...)
			e.put(1, level)
			e.put(2, uint64(len(node)))
			e.put(8, left)
			e.put(8, right)
			e.put(8, key)
			for _, c := range node {
				e.put(8, c.addr)
				e.put(8, c.last)
				key = c.last
			}
			e.fill(at, nodeBytes)
			children = append(children, child{at, key})
		}
		if len(children) == 1 {
			return children[0].addr
		}
	}
}

// array builds the object header of an array.
func (e *encoder) array(a *array) uint64 {
	h := &header1{}
	h.message(msgDataspace, dataspace(a.shape))
	typ := int64Type
	if a.floats != nil {
		typ = float32Type
	}
	h.message(msgDatatype, typ)
	// Version 2: late allocation, the fill value is written if set, its value is zero.
	h.message(msgFillValue, []byte{2, 2, 2, 1, 0, 0, 0, 0})
	h.message(msgLayout, appendUint(appendUint([]byte{3, layoutContiguous}, 8, undefined), 8, uint64(a.bytes())))
	at := e.header(h)
	if a.n > 0 {
		e.arrays = append(e.arrays, a)
		e.fields = append(e.fields, len(e.buf)-24+2) // the layout message ends the header
	}
	return at
}

// header1 is the messages of an object header of version 1.
type header1 struct {
	n   int
	buf []byte
}

// message appends a message.
func (h *header1) message(kind int, data []byte) {
	data = pad8(data)
	h.n++
	h.buf = appendUint(h.buf, 2, uint64(kind))
	h.buf = appendUint(h.buf, 2, uint64(len(data)))
	h.buf = append(h.buf, 0, 0, 0, 0)
	h.buf = append(h.buf, data...)
}

// header builds an object header.
func (e *encoder) header(h *header1) uint64 {
	at := e.begin()
	e.put(2, 1) // version
	e.put(2, uint64(h.n))
	e.put(4, 1) // references
	e.put(8, uint64(len(h.buf)))
	e.buf = append(e.buf, h.buf...)
	return at
}

// Encoded datatypes.
var (
	float32Type = []byte{0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0}
	float64Type = []byte{0x11, 0x20, 63, 0, 8, 0, 0, 0, 0, 0, 64, 0, 52, 11, 0, 52, 0xff, 3, 0, 0}
	int64Type   = []byte{0x10, 0x08, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0}
	// vlenType is a variable-length UTF-8 string; its base type is a byte.
	vlenType = []byte{0x19, 1, 1, 0, 16, 0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0}
)

// fixedType is a zero-padded string of n bytes.
func fixedType(n int, utf8 bool) []byte {
	padding := byte(1)
	if utf8 {
		padding |= 1 << 4
	}
	return appendUint([]byte{0x13, padding, 0, 0}, 4, uint64(n))
}

func dataspace(shape []int) []byte {
	p := []byte{1, byte(len(shape)), 0, 0, 0, 0, 0, 0}
	for _, d := range shape {
		p = appendUint(p, 8, uint64(d))
	}
	return p
}

// attribute adds an attribute to a header.
func (e *encoder) attribute(h *header1, a newAttribute) error {
	if a.name == "" || strings.Contains(a.name, "\x00") {
		return fmt.Errorf("invalid name %q", a.name)
	}
	message := func(typ []byte, shape []int, value []byte) []byte {
		space := dataspace(shape)
		p := []byte{1, 0}
		for _, n := range []int{len(a.name) + 1, len(typ), len(space)} {
			p = appendUint(p, 2, uint64(n))
		}
		p = pad8(append(append(p, a.name...), 0))
		p = pad8(append(p, typ...))
		return append(append(p, space...), value...)
	}
	// encode encodes strings, with variable lengths if fixed ones do not fit.
	encode := func(list []string, shape []int) ([]byte, error) {
		longest, utf8 := 1, false
		for _, s := range list {
			if strings.Contains(s, "\x00") {
				return nil, fmt.Errorf("a zero byte in the string %.40q", s)
			}
			longest = max(longest, len(s))
			utf8 = utf8 || strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
		}
		if longest <= maxMessage/max(1, len(list)) {
			value := make([]byte, longest*len(list))
			for i, s := range list {
				copy(value[i*longest:], s)
			}
			if p := message(fixedType(longest, utf8), shape, value); len(p) <= maxMessage {
				return p, nil
			}
		}
		if len(list) > maxMessage/16 {
			return nil, fmt.Errorf("%d strings, the format allows %d", len(list), maxMessage/16)
		}
		return message(vlenType, shape, e.heap(list)), nil
	}
	var p []byte
	var err error
	switch v := a.value.(type) {
	case string:
		p, err = encode([]string{v}, nil)
	case []string:
		p = message(float64Type, []int{0}, nil) // as h5py writes an empty list
		if len(v) > 0 {
			p, err = encode(v, []int{len(v)})
		}
	case int64:
		p = message(int64Type, nil, appendUint(nil, 8, uint64(v)))
	case float64:
		p = message(float64Type, nil, appendUint(nil, 8, math.Float64bits(v)))
	default:
		err = fmt.Errorf("a value of type %T cannot be written", v) // a programmer's error
	}
	if err == nil && len(p) > maxMessage {
		err = fmt.Errorf("%d bytes, the format allows %d", len(p), maxMessage)
	}
	h.message(msgAttribute, p)
	return err
}

// heap builds a global heap collection of the strings and returns the references to them.
func (e *encoder) heap(list []string) []byte {
	at := e.begin()
	e.buf = append(e.buf, "GCOL\x01\x00\x00\x00"...)
	size := len(e.buf)
	e.put(8, 0)
	var references []byte
	for i, s := range list {
		index := uint64(i + 1)
		if s == "" {
			references = append(references, make([]byte, 16)...)
			continue
		}
		e.put(2, index)
		e.put(6, 1) // references
		e.put(8, uint64(len(s)))
		e.buf = pad8(append(e.buf, s...))
		references = appendUint(references, 4, uint64(len(s)))
		references = appendUint(references, 8, at)
		references = appendUint(references, 4, index)
	}
	if free := int(at) + minHeapBytes - len(e.buf); free >= 16 {
		e.put(8, 0)
		e.put(8, uint64(free))
	}
	e.fill(at, max(minHeapBytes, len(e.buf)-int(at)))
	binary.LittleEndian.PutUint64(e.buf[size:], uint64(len(e.buf))-at)
	return references
}
