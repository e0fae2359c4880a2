package cifar

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"
)

// array is a numpy array of integers in row-major order, the lowest byte first.
type array struct {
	shape []int
	kind  dtype
	bytes []byte
}

// width returns the bytes of an integer, 0 of other types.
func (d dtype) width() int {
	switch strings.TrimLeft(string(d), "|<") {
	case "u1", "i1":
		return 1
	case "u2", "i2":
		return 2
	case "u4", "i4":
		return 4
	case "u8", "i8":
		return 8
	}
	return 0
}

func (a *array) isBytes() bool { return a.kind == "u1" || a.kind == "|u1" }

// integers returns the elements of an array of one axis.
func (a *array) integers() ([]int64, bool) {
	if len(a.shape) != 1 {
		return nil, false
	}
	all, width := make([]int64, a.shape[0]), a.kind.width()
	for i := range all {
		var word [8]byte
		copy(word[:], a.bytes[i*width:][:width])
		v := int64(binary.LittleEndian.Uint64(word[:]))
		if unused := 64 - 8*width; strings.Contains(string(a.kind), "i") {
			v = v << unused >> unused // extends the sign
		}
		all[i] = v
	}
	return all, true
}

// dtype is the type of an array's elements, by its name.
type dtype string

// The functions and the classes that pickles of numpy arrays name. numpy 2 renamed its package.
const (
	ndarray      = "numpy.ndarray"
	newDtype     = "numpy.dtype"
	reconstruct  = "numpy.core.multiarray._reconstruct"
	reconstruct2 = "numpy._core.multiarray._reconstruct"
	frombuffer   = "numpy.core.numeric._frombuffer"
	frombuffer2  = "numpy._core.numeric._frombuffer"
	encode       = "_codecs.encode"
)

// global pushes the name of a function or class that belongs to an array; others are errors.
// Nothing is looked up or run by that name.
func (m *machine) global(module, name []byte) {
	g := global(string(module) + "." + string(name))
	switch g {
	case ndarray, newDtype, reconstruct, reconstruct2, frombuffer, frombuffer2, encode:
		m.push(g)
	default:
		m.fail("it wants to run %.80s, which is not allowed", strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return '?'
		}, string(g)))
	}
}

// call pushes the result of a function.
func (m *machine) call(function global, args tuple) {
	switch {
	case function == newDtype && len(args) == 3: // name, align, copy
		if name, ok := args[0].(text); ok && len(name) <= maxName {
			m.push(dtype(name))
			return
		}
	case (function == reconstruct || function == reconstruct2) && len(args) == 3: // class, shape, type; BUILD sets them
		if args[0] == any(global(ndarray)) {
			m.push(&array{})
			return
		}
	case (function == frombuffer || function == frombuffer2) && len(args) == 4: // data, dtype, shape, order
		if order, ok := args[3].(text); ok {
			m.push(m.array(args[2], args[1], string(order) != "C", args[0]))
			return
		}
	case function == encode && len(args) == 2: // bytes, as Python 3 writes them in old protocols
		s, isText := args[0].(text)
		coding, isText2 := args[1].(text)
		if isText && isText2 && string(coding) == "latin1" {
			m.latin1(s)
			return
		}
	}
	m.fail("unexpected arguments of %s", function)
}

// build sets the state of the object on top of the stack.
func (m *machine) build(state tuple) {
	switch v := m.pop().(type) {
	case dtype: // version, byte order, and fields, which integers lack
		if len(state) > 1 {
			if order, ok := state[1].(text); ok && string(order) == ">" {
				m.fail("an array whose highest byte is first")
			}
		}
		m.push(v)
		return
	case *array:
		if len(state) == 5 { // version, shape, dtype, column-major, data
			*v = *m.array(state[1], state[2], state[3] != false && state[3] != any(int64(0)), state[4])
			m.push(v)
			return
		}
	}
	m.fail("unexpected state of an object")
}

// array returns an array of integers.
func (m *machine) array(shape, kind any, columnMajor bool, data any) *array {
	a := &array{}
	a.kind, _ = kind.(dtype)
	if a.kind.width() == 0 {
		m.fail("an array of type %.20q, not of integers", a.kind)
	}
	if columnMajor {
		m.fail("an array in column-major order")
	}
	content, isText := data.(text)
	extents, isTuple := shape.(tuple)
	n := uint64(a.kind.width())
	if len(extents) > 2 {
		m.fail("an array of %d axes", len(extents))
		return a
	}
	for _, x := range extents {
		d, ok := x.(int64)
		hi, lo := bits.Mul64(n, uint64(d))
		if !ok || d < 0 || hi != 0 {
			m.fail("an array of an invalid shape")
			break
		}
		n = lo
		a.shape = append(a.shape, int(d))
	}
	if !isText || !isTuple || n != uint64(len(content)) {
		m.fail("an array whose shape does not fit its data")
	}
	a.bytes = content
	return a
}

// latin1 pushes the Latin-1 bytes of the characters of s.
func (m *machine) latin1(s text) {
	m.budget -= len(s) // else a short file could decode one string many times
	if m.budget < 0 {
		m.fail("a string is decoded too often")
		return
	}
	out := make(text, 0, len(s))
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		if r > 0xff {
			m.fail("a character that is not a byte")
			return
		}
		out, s = append(out, byte(r)), s[n:]
	}
	m.push(out)
}
