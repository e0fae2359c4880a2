package hdf5

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Dataset is a numeric array. Its data stay in the file until they are read.
type Dataset struct {
	*Object
	shape []int
	n     int
	typ   datatype

	compact []byte   // the data, if stored in the header
	addr    uint64   // the address of contiguous data
	chunks  *chunked // chunked data
}

// The classes of layouts.
const (
	layoutCompact    = 0
	layoutContiguous = 1
	layoutChunked    = 2
	layoutVirtual    = 3
)

// asDataset returns the object as a dataset whose shape matches the stored data.
func (o *Object) asDataset() (*Dataset, error) {
	if o.dataset != nil || o.err != nil {
		return o.dataset, o.err
	}
	d := &Dataset{Object: o}
	if err := d.read(); err != nil {
		o.err = err
		return nil, err
	}
	o.dataset = d
	return d, nil
}

func (d *Dataset) read() error {
	typ, space, layout := d.find(msgDatatype), d.find(msgDataspace), d.find(msgLayout)
	if typ == nil || space == nil || layout == nil {
		return d.f.fail(d.Object, "object header", d.Object.addr, errors.New("not a dataset"))
	}
	if m := d.find(msgExternalFiles); m != nil {
		return d.block(m, "external file list").unsupported("a dataset in other files")
	}
	b := d.block(typ, "datatype")
	d.typ = readDatatype(b)
	if b.err == nil && d.typ.class != classInt && d.typ.class != classFloat {
		b.unsupported("a dataset of strings")
	}
	if b.err != nil {
		return b.err
	}
	b = d.block(space, "dataspace")
	d.shape = readDataspace(b)
	if b.err != nil {
		return b.err
	}
	return d.readLayout(d.block(layout, "layout"))
}

// readLayout locates the data and checks that all are present.
func (d *Dataset) readLayout(b *block) error {
	version := b.version(3, 5)
	class := b.u8()
	if class != layoutChunked {
		// Unlike chunks, these layouts store every byte.
		limit := int(d.f.size) / d.typ.size
		if d.n = elements(d.shape, limit); d.n > limit {
			return b.fail("shape %v of %s in a file of %d bytes", d.shape, d.typ, d.f.size)
		}
	}
	size := uint64(d.n * d.typ.size)
	switch class {
	case layoutCompact:
		stored := b.u16()
		d.compact = b.take(stored)
		if b.err == nil && size != uint64(stored) {
			b.fail("shape %v of %s needs %d bytes, %d are stored", d.shape, d.typ, size, stored)
		}
		return b.err
	case layoutContiguous:
		addr, stored := b.address(), b.length()
		if b.err != nil || d.n == 0 {
			return b.err
		}
		if addr == undefined {
			return b.unsupported("a dataset that was never written (of fill values)")
		}
		if stored != size {
			return b.fail("shape %v of %s needs %d bytes, %d are stored", d.shape, d.typ, size, stored)
		}
		d.addr = addr
		return d.f.claim(d.Object, "data", addr, size)
	case layoutChunked:
		if version > 3 {
			if b.err != nil {
				return b.err
			}
			return b.unsupported("layout version " + fmt.Sprint(version) + " of chunks (a newer chunk index)")
		}
		return d.readChunked(b)
	case layoutVirtual:
		return b.unsupported("a virtual dataset")
	}
	if b.err != nil {
		return b.err
	}
	return b.unsupported(fmt.Sprintf("layout class %d", class))
}

// Shape returns the dimensions; a scalar has none.
func (d *Dataset) Shape() []int { return slices.Clone(d.shape) }

// ReadFloats reads len(dst) elements from first on, in row-major order, rounded to float32. It
// decompresses every chunk that holds one of them.
func (d *Dataset) ReadFloats(dst []float32, first int) error {
	plain := d.typ == datatype{class: classFloat, size: 4, signed: true}
	return d.readRange(first, len(dst), func(at int, p []byte) {
		if plain {
			for i := range len(p) / 4 {
				dst[at+i] = math.Float32frombits(binary.LittleEndian.Uint32(p[4*i:]))
			}
			return
		}
		for i := range len(p) / d.typ.size {
			dst[at+i] = float32(d.typ.float(p[i*d.typ.size:]))
		}
	})
}

// Block returns how many elements to read at a time, or a multiple of that, so that each chunk is
// decompressed once. It is 1 for data without chunks.
func (d *Dataset) Block() int {
	if d.chunks == nil {
		return 1
	}
	if d.chunks.dims[0] >= d.shape[0] {
		return d.n
	}
	return d.n / d.shape[0] * d.chunks.dims[0]
}

// pieceBytes is the size of a read of contiguous data.
const pieceBytes = 1 << 18

// readRange calls emit with the bytes of the n elements from first on, piece by piece; at is the
// index of a piece's first element among the n.
func (d *Dataset) readRange(first, n int, emit func(at int, p []byte)) error {
	if first < 0 || n > d.n || first > d.n-n {
		return d.f.fail(d.Object, "data", d.Object.addr, fmt.Errorf("elements %d to %d requested of %d", first, first+n, d.n))
	}
	if n == 0 {
		return nil
	}
	size := d.typ.size
	switch {
	case d.chunks != nil:
		return d.readChunks(first, n, emit)
	case d.compact != nil:
		emit(0, d.compact[first*size:(first+n)*size])
		return nil
	}
	buf := make([]byte, min(n*size, pieceBytes))
	for at := 0; at < n; {
		p := buf[:min(len(buf), (n-at)*size)]
		if err := d.f.readAt(d.Object, "data", d.addr+uint64((first+at)*size), p); err != nil {
			return err
		}
		emit(at, p)
		at += len(p) / size
	}
	return nil
}
