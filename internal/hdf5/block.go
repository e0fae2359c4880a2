package hdf5

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/lamina-go/lamina/internal/infile"
)

// Error says what is wrong with a file and where.
type Error struct {
	File   string
	Object string // path of the group or dataset; empty for the whole file
	Part   string // "object header", "local heap", …
	Offset uint64 // from the start of the file; beyond its end if the file refers there
	Err    error
}

func (e *Error) Error() string {
	object := e.Object
	if object != "" {
		object += ": "
	}
	return fmt.Sprintf("hdf5: %s: %s%s at offset %d: %v", e.File, object, e.Part, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// unsupported names a feature of HDF5 that this package does not read.
type unsupported string

func (u unsupported) Error() string        { return string(u) + " is not supported" }
func (u unsupported) Is(target error) bool { return target == errors.ErrUnsupported }

// fail returns an Error at an address.
func (f *File) fail(o *Object, part string, addr uint64, err error) error {
	e := &Error{File: f.name, Part: part, Offset: uint64(f.base) + addr, Err: err}
	if o != nil {
		e.Object = o.Path()
	}
	return e
}

// damaged returns an error for contents that no program writes.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", fmt.Errorf(format, args...), infile.Damaged)
}

// undefined is the address that stands for none.
const undefined = math.MaxUint64

// block is a piece of the file that is parsed from front to back. The first error sticks in err;
// values read after it are zero.
type block struct {
	f    *File
	o    *Object // the owner; nil for the whole file
	part string
	addr uint64 // of data[0]
	data []byte
	pos  int
	err  error
}

// failed sets the error unless one is set, and returns it.
func (b *block) failed(err error) error {
	if b.err == nil {
		b.err = b.f.fail(b.o, b.part, b.addr+uint64(b.pos), err)
	}
	return b.err
}

func (b *block) fail(format string, args ...any) error {
	return b.failed(damaged(format, args...))
}

func (b *block) unsupported(what string) error { return b.failed(unsupported(what)) }

// allocate takes memory from the file's budget.
func (b *block) allocate(n int) {
	if b.err == nil {
		b.err = b.f.take(b.o, b.part, b.addr+uint64(b.pos), n)
	}
}

// left returns the number of unread bytes.
func (b *block) left() int { return len(b.data) - b.pos }

// take returns the next n bytes, or nil.
func (b *block) take(n int) []byte {
	if b.err == nil && (n < 0 || n > b.left()) {
		b.fail("%d bytes expected, but %d are left", n, b.left())
	}
	if b.err != nil {
		return nil
	}
	b.pos += n
	return b.data[b.pos-n : b.pos : b.pos]
}

func (b *block) skip(n int) { b.take(n) }

// uint returns the next n ≤ 8 bytes as a little-endian integer.
func (b *block) uint(n int) uint64 {
	var word [8]byte
	copy(word[:], b.take(n))
	return binary.LittleEndian.Uint64(word[:])
}

func (b *block) u8() int  { return int(b.uint(1)) }
func (b *block) u16() int { return int(b.uint(2)) }
func (b *block) u32() int { return int(b.uint(4)) }

func (b *block) length() uint64 { return b.uint(b.f.lengthSize) }

// address returns the next address; all ones mean undefined.
func (b *block) address() uint64 {
	a := b.uint(b.f.offsetSize)
	if a == undefined>>(64-8*b.f.offsetSize) {
		return undefined
	}
	return a
}

// expect reads a signature.
func (b *block) expect(signature string) {
	at := b.pos
	if s := b.take(len(signature)); b.err == nil && string(s) != signature {
		b.pos = at
		b.fail("signature %q, expected %s", s, signature)
	}
}

// version reads a version number and rejects all but lowest to highest.
func (b *block) version(lowest, highest int) int {
	at := b.pos
	v := b.u8()
	if b.err == nil && (v < lowest || v > highest) {
		b.pos = at
		b.unsupported(fmt.Sprintf("%s version %d", b.part, v))
	}
	return v
}

// checksum reads the checksum of all bytes before it.
func (b *block) checksum() {
	want := lookup3(b.data[:b.pos])
	if got := uint32(b.uint(4)); b.err == nil && got != want {
		b.fail("checksum %08x, stored %08x", want, got)
	}
}

// text returns s up to its first zero byte.
func text(s []byte) string {
	for i, c := range s {
		if c == 0 {
			return string(s[:i])
		}
	}
	return string(s)
}
