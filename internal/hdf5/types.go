package hdf5

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-go/lamina/internal/float16"
)

// The supported classes of datatypes.
const (
	classInt    = 0
	classFloat  = 1
	classString = 3
	classVlen   = 9
)

// classNames names the other classes, for errors.
var classNames = map[int]string{2: "time", 4: "bit field", 5: "opaque", 6: "compound", 7: "reference",
	8: "enumeration", 9: "variable-length sequence", 10: "array", 11: "complex"}

// datatype is the type of an element. A variable-length string has classVlen.
type datatype struct {
	class   int
	size    int // bytes of an element in the file
	big     bool
	signed  bool
	padding int // of a fixed-length string: 0 null-terminated, 1 null-padded, 2 space-padded
}

// String returns NumPy's name of the type: "float32", "uint8", "string".
func (t datatype) String() string {
	switch {
	case t.class == classFloat:
		return fmt.Sprintf("float%d", 8*t.size)
	case t.class == classInt && t.signed:
		return fmt.Sprintf("int%d", 8*t.size)
	case t.class == classInt:
		return fmt.Sprintf("uint%d", 8*t.size)
	}
	return "string"
}

// floatFormats describes IEEE floats by size: the sign's bit, then offset and width of exponent and
// mantissa, then the exponent's bias.
var floatFormats = map[int][6]int{
	2: {15, 10, 5, 0, 10, 15},
	4: {31, 23, 8, 0, 23, 127},
	8: {63, 52, 11, 0, 52, 1023},
}

// readDatatype reads a datatype message.
func readDatatype(b *block) datatype {
	at := b.pos
	head := b.u8()
	bits := b.u8() | b.u8()<<8 | b.u8()<<16
	t := datatype{class: head & 15, size: b.u32()}
	reject := func(what string) datatype {
		b.pos = at
		b.unsupported(what)
		return t
	}
	if version := head >> 4; b.err == nil && (version < 1 || version > 5) {
		return reject(fmt.Sprintf("datatype version %d", version))
	}
	if b.err == nil && t.size == 0 {
		return reject("a datatype of 0 bytes")
	}
	switch t.class {
	case classInt:
		t.big, t.signed = bits&1 != 0, bits&8 != 0
		if offset, precision := b.u16(), b.u16(); b.err == nil &&
			(offset != 0 || precision != 8*t.size || !slices.Contains([]int{1, 2, 4, 8}, t.size)) {
			return reject(fmt.Sprintf("an integer of %d bits at bit %d in %d bytes", precision, offset, t.size))
		}
	case classFloat:
		t.big, t.signed = bits&1 != 0, true
		offset, precision := b.u16(), b.u16()
		format := [6]int{bits >> 8 & 255, b.u8(), b.u8(), b.u8(), b.u8(), b.u32()}
		want, known := floatFormats[t.size]
		// Bit 6 means VAX byte order; bits 4 and 5 mean that the mantissa's leading 1 is implied.
		if b.err == nil && (!known || format != want || offset != 0 || precision != 8*t.size || bits&0x70 != 0x20) {
			return reject(fmt.Sprintf("a float of %d bytes that is not IEEE's", t.size))
		}
	case classString:
		t.padding = bits & 15
	case classVlen:
		if bits&15 != 1 {
			return reject("the datatype " + classNames[t.class])
		}
		// The base type, a character, adds nothing.
		if b.err == nil && t.size != 4+b.f.offsetSize+4 {
			b.fail("a variable-length string in %d bytes", t.size)
		}
	default:
		name := classNames[t.class]
		if name == "" {
			name = fmt.Sprintf("class %d", t.class)
		}
		return reject("the datatype " + name)
	}
	return t
}

// readDataspace reads a dataspace message; a null dataspace has shape (0).
func readDataspace(b *block) []int {
	v := b.version(1, 2)
	rank, flags := b.u8(), b.u8()
	kind := 1
	if v == 1 {
		b.skip(5)
	} else {
		kind = b.u8()
	}
	if b.err == nil && rank > 32 {
		b.fail("rank %d, at most 32 is allowed", rank)
	}
	if b.err == nil && flags&2 != 0 {
		b.unsupported("a permutation of dimensions")
	}
	if kind == 2 {
		return []int{0}
	}
	shape := []int{}
	for range rank {
		d := b.length()
		if d > math.MaxInt {
			b.fail("a dimension of %d", d)
		}
		if b.err != nil {
			return nil
		}
		shape = append(shape, int(d))
	}
	if flags&1 != 0 {
		b.skip(rank * b.f.lengthSize) // largest dimensions
	}
	return shape
}

// elements returns the product of the dimensions, at most limit + 1.
func elements(shape []int, limit int) int {
	if slices.Contains(shape, 0) {
		return 0
	}
	n := 1
	for _, d := range shape {
		if d > limit/n {
			return limit + 1
		}
		n *= d
	}
	return n
}

// word returns the bits of an element; signed integers are sign-extended.
func (t datatype) word(p []byte) uint64 {
	var order binary.ByteOrder = binary.LittleEndian
	if t.big {
		order = binary.BigEndian
	}
	switch t.size {
	case 1:
		if t.signed {
			return uint64(int8(p[0]))
		}
		return uint64(p[0])
	case 2:
		if t.signed {
			return uint64(int16(order.Uint16(p)))
		}
		return uint64(order.Uint16(p))
	case 4:
		if t.signed {
			return uint64(int32(order.Uint32(p)))
		}
		return uint64(order.Uint32(p))
	}
	return order.Uint64(p)
}

// float returns an element as float64.
func (t datatype) float(p []byte) float64 {
	w := t.word(p)
	switch {
	case t.class == classInt && t.signed:
		return float64(int64(w))
	case t.class == classInt:
		return float64(w)
	case t.size == 2:
		return float64(float16.Value(uint16(w)))
	case t.size == 4:
		return float64(math.Float32frombits(uint32(w)))
	}
	return math.Float64frombits(w)
}
