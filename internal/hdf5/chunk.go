package hdf5

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// chunked describes the chunks of a dataset.
type chunked struct {
	dims    []int // of a chunk
	grid    []int // number of chunks along each dimension
	size    int   // bytes of a chunk
	filters []filter
	index   []chunk       // by position in the grid, row-major
	zlib    io.ReadCloser // nil until the first chunk is decompressed
}

// chunk locates a stored chunk.
type chunk struct {
	addr   uint64
	stored int
	mask   int // bit i: filter i was skipped
}

// filter is a step that chunks pass through before they are stored.
type filter struct {
	id     int
	values []int
}

// The supported filters.
const (
	filterDeflate  = 1
	filterShuffle  = 2
	filterFletcher = 3
)

// filterNames names other filters, for errors.
var filterNames = map[int]string{4: "szip", 5: "nbit", 6: "scaleoffset", 305: "lzo", 307: "bzip2", 32000: "lzf",
	32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32015: "zstd"}

// expansion is more than trained weights compress, even if many are zero.
const expansion = 16

// maxDeflate is the highest compression ratio of deflate: 258 bytes in 2 bits.
const maxDeflate = 1032

// readChunked reads the rest of the layout message, the filters and the chunk index.
func (d *Dataset) readChunked(b *block) error {
	c := &chunked{}
	rank := b.u8() - 1
	tree := b.address()
	if b.err == nil && (rank != len(d.shape) || rank == 0) {
		return b.fail("chunks of rank %d, data of rank %d", rank, len(d.shape))
	}
	for range d.shape {
		c.dims = append(c.dims, b.u32())
	}
	if size := b.u32(); b.err == nil && size != d.typ.size {
		return b.fail("elements of %d bytes in chunks, %s in the dataset", size, d.typ)
	}
	if b.err != nil {
		return b.err
	}
	limit := math.MaxUint32 / d.typ.size
	n := elements(c.dims, limit)
	if n == 0 || n > limit {
		return b.fail("chunks of shape %v", c.dims)
	}
	c.size = n * d.typ.size
	if err := d.readFilters(c); err != nil {
		return err
	}
	for i, n := range d.shape {
		c.grid = append(c.grid, int((uint64(n)+uint64(c.dims[i])-1)/uint64(c.dims[i])))
	}
	if elements(d.shape, 0) == 0 {
		return nil // no data, no chunks
	}
	if tree == undefined {
		return b.unsupported("a dataset that was never written (of fill values)")
	}
	if !c.fit(d.shape, d.typ.size) {
		return b.fail("chunks of shape %v for data of shape %v", c.dims, d.shape)
	}
	return d.readIndex(b, c, tree)
}

// fit reports whether all chunks together are about as large as data of that shape, in elements of
// size bytes. Chunks at the edges may extend beyond the data.
func (c *chunked) fit(shape []int, size int) bool {
	const edges, small = 16, 1 << 20
	data, all := float64(size), float64(c.size)
	for i, n := range shape {
		data *= float64(n)
		all *= float64(c.grid[i])
	}
	return all <= max(small, edges*data)
}

// readIndex reads the B-tree of chunks and checks that none is missing.
func (d *Dataset) readIndex(b *block, c *chunked, tree uint64) error {
	type located struct {
		chunk
		at int
	}
	var found []located
	keySize := 8 + 8*(len(d.shape)+1)
	err := d.f.walkTree(d.Object, tree, chunkTree, keySize, func(key *block, addr uint64) error {
		p := located{chunk{addr, key.u32(), key.u32()}, 0}
		for i, n := range d.shape {
			at := key.uint(8)
			if at >= uint64(n) || at%uint64(c.dims[i]) != 0 {
				return key.fail("a chunk at %d of dimension %d, which has %d in chunks of %d", at, i, n, c.dims[i])
			}
			p.at = p.at*c.grid[i] + int(at)/c.dims[i]
		}
		if key.err != nil {
			return key.err
		}
		if err := c.check(key, p.chunk); err != nil {
			return err
		}
		found = append(found, p)
		key.allocate(chunkBytes)
		if key.err != nil {
			return key.err
		}
		return d.f.claim(d.Object, "chunk", addr, uint64(p.stored))
	})
	if err != nil {
		return err
	}
	if n := elements(c.grid, len(found)); n != len(found) {
		return b.unsupported(fmt.Sprintf("a dataset of shape %v with only %d of its chunks (the others of fill values)",
			d.shape, len(found)))
	}
	c.index = make([]chunk, len(found))
	for _, p := range found {
		if c.index[p.at].stored != 0 {
			return b.fail("two chunks at one position")
		}
		c.index[p.at] = p.chunk
	}
	d.chunks = c
	if d.n = elements(d.shape, math.MaxInt/d.typ.size-1); d.n > math.MaxInt/d.typ.size-1 {
		return b.fail("shape %v of %s", d.shape, d.typ)
	}
	return nil
}

// check rejects a chunk whose stored size is impossible.
func (c *chunked) check(b *block, k chunk) error {
	least, most := c.size, c.size
	for i, f := range c.filters {
		if k.mask>>i&1 != 0 {
			continue
		}
		switch f.id {
		case filterDeflate:
			least, most = c.size/maxDeflate, math.MaxInt
		case filterFletcher:
			least += 4
			most = max(most, most+4)
		}
	}
	if k.stored == 0 || k.stored < least || k.stored > most {
		return b.fail("%d bytes are stored for a chunk of %d", k.stored, c.size)
	}
	return nil
}

// readFilters reads the filter pipeline.
func (d *Dataset) readFilters(c *chunked) error {
	m := d.find(msgFilters)
	if m == nil {
		return nil
	}
	b := d.block(m, "filter pipeline")
	version := b.version(1, 2)
	n := b.u8()
	if b.err == nil && n > 32 {
		return b.fail("%d filters, at most 32 are allowed", n)
	}
	if version == 1 {
		b.skip(6)
	}
	for range n {
		f := filter{id: b.u16()}
		nameSize := 0
		if version == 1 || f.id >= 256 {
			nameSize = b.u16()
		}
		b.skip(2) // flags
		values := b.u16()
		b.skip(nameSize)
		if version == 1 {
			b.skip(-nameSize & 7)
		}
		if b.err == nil && values > b.left()/4 {
			return b.fail("a filter with %d values", values)
		}
		for range values {
			f.values = append(f.values, b.u32())
		}
		if version == 1 && values%2 == 1 {
			b.skip(4)
		}
		if b.err != nil {
			return b.err
		}
		if f.id != filterDeflate && f.id != filterShuffle && f.id != filterFletcher {
			name := filterNames[f.id]
			if name == "" {
				name = fmt.Sprint(f.id)
			}
			return b.unsupported("the filter " + name)
		}
		c.filters = append(c.filters, f)
	}
	return nil
}

// load reads a chunk and reverses its filters.
func (d *Dataset) load(k chunk) ([]byte, error) {
	c := d.chunks
	// A chunk that expands much more than weights do counts against the file's budget.
	if err := d.f.take(d.Object, "chunk", k.addr, max(0, 2*c.size-expansion*k.stored)); err != nil {
		return nil, err
	}
	p := make([]byte, k.stored)
	if err := d.f.readAt(d.Object, "chunk", k.addr, p); err != nil {
		return nil, err
	}
	var err error
	for i := len(c.filters) - 1; i >= 0 && err == nil; i-- {
		if k.mask>>i&1 != 0 {
			continue
		}
		switch f := c.filters[i]; f.id {
		case filterDeflate:
			p, err = c.inflate(p, c.size+4) // with a checksum
		case filterShuffle:
			p = unshuffle(p, d.typ.size)
		case filterFletcher:
			p, err = checkFletcher(p)
		}
	}
	if err == nil && len(p) != c.size {
		err = fmt.Errorf("%d bytes in a chunk of %d", len(p), c.size)
	}
	if err != nil {
		return nil, d.f.fail(d.Object, "chunk", k.addr, damaged("%w", err))
	}
	return p, nil
}

// inflate decompresses p, which must give at most limit bytes.
func (c *chunked) inflate(p []byte, limit int) ([]byte, error) {
	var err error
	if c.zlib == nil {
		c.zlib, err = zlib.NewReader(bytes.NewReader(p))
	} else {
		err = c.zlib.(zlib.Resetter).Reset(bytes.NewReader(p), nil)
	}
	if err != nil {
		return nil, err
	}
	out := make([]byte, limit+1)
	for n := 0; n < len(out); {
		more, err := c.zlib.Read(out[n:])
		n += more
		if err == io.EOF {
			return out[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("deflate expands it to more than the %d bytes of a chunk", limit)
}

// unshuffle reverses the shuffle filter, which stores the first bytes of all elements, then the
// second bytes and so on.
func unshuffle(p []byte, size int) []byte {
	n := len(p) / size
	out := make([]byte, len(p))
	for j := range size {
		for i, v := range p[j*n : (j+1)*n] {
			out[i*size+j] = v
		}
	}
	copy(out[n*size:], p[n*size:])
	return out
}

// checkFletcher verifies and removes the checksum at the end of p.
func checkFletcher(p []byte) ([]byte, error) {
	if len(p) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	p, sum := p[:len(p)-4], binary.LittleEndian.Uint32(p[len(p)-4:])
	if got := fletcher32(p); got != sum {
		return nil, fmt.Errorf("checksum %08x, stored %08x", got, sum)
	}
	return p, nil
}

// readChunks is readRange for chunked data.
func (d *Dataset) readChunks(first, n int, emit func(at int, p []byte)) error {
	c, rank, size := d.chunks, len(d.shape), d.typ.size
	stride, inner := make([]int, rank), make([]int, rank) // in elements, of data and chunk
	for i, s, t := rank-1, 1, 1; i >= 0; i-- {
		stride[i], inner[i] = s, t
		s *= d.shape[i]
		t *= c.dims[i]
	}
	origin, extent, row := make([]int, rank), make([]int, rank), make([]int, rank)
	for position, k := range c.index {
		// low and high are the chunk's first and last element in the data.
		low, high := 0, 0
		for i := rank - 1; i >= 0; i-- {
			origin[i] = position % c.grid[i] * c.dims[i]
			position /= c.grid[i]
			extent[i] = min(c.dims[i], d.shape[i]-origin[i])
			low += origin[i] * stride[i]
			high += (origin[i] + extent[i] - 1) * stride[i]
		}
		if high < first || low >= first+n {
			continue
		}
		p, err := d.load(k)
		if err != nil {
			return err
		}
		clear(row)
		for more := true; more; more = next(row, extent) {
			at, from := low, 0 // the row's first element in data and chunk
			for i, v := range row {
				at += v * stride[i]
				from += v * inner[i]
			}
			begin, end := max(at, first), min(at+extent[rank-1], first+n)
			if begin < end {
				from += begin - at
				emit(begin-first, p[from*size:(from+end-begin)*size])
			}
		}
	}
	return nil
}

// next advances row to the next row of an array and reports whether there is one.
func next(row, shape []int) bool {
	for i := len(row) - 2; i >= 0; i-- {
		if row[i]++; row[i] < shape[i] {
			return true
		}
		row[i] = 0
	}
	return false
}
