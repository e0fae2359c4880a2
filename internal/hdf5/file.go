package hdf5

import (
	"bytes"
	"fmt"
	"io"

	"github.com/lamina-go/lamina/internal/infile"
)

// File is an HDF5 file open for reading. It is not for use by several goroutines at once.
type File struct {
	name string
	r    io.ReaderAt
	base int64  // the offset of address 0 in r
	size uint64 // the first address after the file

	offsetSize, lengthSize int // bytes of an address and of a length

	budget  *infile.Budget
	claimed uint64              // bytes of all parts found so far
	starts  map[uint64]struct{} // their addresses
	objects map[uint64]*Object
	heaps   map[uint64]*globalHeap
	root    *Group
}

// NewFile opens a file of size bytes in r; errors contain name. Data are read on demand. All memory
// except for the arrays of callers is taken from the budget.
func NewFile(r io.ReaderAt, size int64, name string, budget *infile.Budget) (*File, error) {
	f := &File{name: name, r: r, budget: budget, starts: map[uint64]struct{}{}, objects: map[uint64]*Object{},
		heaps: map[uint64]*globalHeap{}}
	root, err := f.readSuperblock(size)
	if err != nil {
		return nil, err
	}
	o, err := f.object(nil, "", root)
	if err != nil {
		return nil, err
	}
	f.root, err = o.asGroup()
	return f, err
}

// Root returns the root group.
func (f *File) Root() *Group { return f.root }

// The memory that reading takes for a thing, including the maps and lists that grow with it.
const (
	partBytes    = 160 // a part
	objectBytes  = 800
	messageBytes = 300
	linkBytes    = 400
	chunkBytes   = 200
	stringBytes  = 32 // besides its contents
)

// take takes memory for a part at an address from the budget.
func (f *File) take(o *Object, part string, addr uint64, n int) error {
	if err := f.budget.Take(int64(n)); err != nil {
		return f.fail(o, part, addr, err)
	}
	return nil
}

// claim records n bytes at addr as a part of the file. Parts lie inside the file and do not
// overlap.
func (f *File) claim(o *Object, part string, addr, n uint64) error {
	if n == 0 {
		return nil
	}
	if addr > f.size || n > f.size-addr {
		return f.fail(o, part, addr, damaged("its %d bytes extend beyond the file's end at %d", n, f.base+int64(f.size)))
	}
	if _, seen := f.starts[addr]; seen {
		return f.fail(o, part, addr, damaged("this offset already belongs to another part: a cycle"))
	}
	if n > f.size-f.claimed {
		return f.fail(o, part, addr, damaged("its %d bytes overlap other parts of the file", n))
	}
	f.starts[addr] = struct{}{}
	f.claimed += n
	return f.take(o, part, addr, partBytes)
}

// read claims and reads n bytes at addr.
func (f *File) read(o *Object, part string, addr, n uint64) (*block, error) {
	err := f.claim(o, part, addr, n)
	if err == nil {
		err = f.take(o, part, addr, int(n))
	}
	if err != nil {
		return nil, err
	}
	b := &block{f: f, o: o, part: part, addr: addr, data: make([]byte, n)}
	return b, f.readAt(o, part, addr, b.data)
}

// readAt fills p from addr.
func (f *File) readAt(o *Object, part string, addr uint64, p []byte) error {
	if n, err := f.r.ReadAt(p, f.base+int64(addr)); n < len(p) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return f.fail(o, part, addr+uint64(n), err)
	}
	return nil
}

// signature begins every HDF5 file, at offset 0, 512, 1024, 2048 and so on.
var signature = []byte("\x89HDF\r\n\x1a\n")

// findSignature sets base to the end of the user block.
func (f *File) findSignature(size int64) error {
	var b [8]byte
	for at := int64(0); at <= size-int64(len(b)); at = max(512, 2*at) {
		if n, err := f.r.ReadAt(b[:], at); n < len(b) {
			return f.fail(nil, "superblock", uint64(at), err)
		}
		if bytes.Equal(b[:], signature) {
			f.base = at
			return nil
		}
	}
	return fmt.Errorf("hdf5: %s is not an HDF5 file: no signature in its %d bytes", f.name, size)
}

// readSuperblock reads the superblock of a file of size bytes and returns the address of
// the root group.
func (f *File) readSuperblock(size int64) (root uint64, err error) {
	if err := f.findSignature(size); err != nil {
		return 0, err
	}
	f.size = uint64(size - f.base)
	const part = "superblock"
	// The longest superblock, version 1 with 8-byte addresses, has 100 bytes.
	b := &block{f: f, part: part, data: make([]byte, min(100, f.size))}
	if err := f.readAt(nil, part, 0, b.data); err != nil {
		return 0, err
	}
	b.skip(len(signature))
	version := b.u8()
	if version > 3 {
		return 0, b.unsupported(fmt.Sprintf("superblock version %d", version))
	}
	if version < 2 {
		b.skip(4)
	}
	f.offsetSize, f.lengthSize = b.u8(), b.u8()
	for _, n := range []int{f.offsetSize, f.lengthSize} {
		if n != 2 && n != 4 && n != 8 {
			return 0, b.unsupported(fmt.Sprintf("an address or length of %d bytes", n))
		}
	}
	switch version {
	case 0:
		b.skip(1 + 2 + 2 + 4)
	case 1:
		b.skip(1 + 2 + 2 + 4 + 4)
	default:
		b.skip(1)
	}
	// Addresses count from the signature, whatever base the file states.
	base := b.address()
	b.address() // free space, or the superblock's extension
	end := b.address()
	if version < 2 {
		if driver := b.address(); driver != undefined {
			return 0, b.unsupported("a driver information block (a multi-file layout)")
		}
		b.uint(f.offsetSize) // the root's name
	}
	root = b.address()
	if version < 2 {
		b.skip(4 + 4 + 16)
	} else {
		b.checksum()
	}
	if b.err != nil {
		return 0, b.err
	}
	if end < base || end == undefined {
		return 0, b.fail("end of file at %d before its base at %d", end, base)
	}
	if end -= base; end > f.size {
		return 0, b.fail("the file was written with %d bytes and has %d", end+uint64(f.base), size)
	}
	f.size = end
	return root, f.claim(nil, part, 0, uint64(b.pos))
}
