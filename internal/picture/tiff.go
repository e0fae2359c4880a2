package picture

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// The tags of a TIFF directory that matter here.
const (
	tagWidth           = 256
	tagHeight          = 257
	tagCompression     = 259
	tagOrientation     = 274
	tagRowsPerStrip    = 278
	tagStripByteCounts = 279
	tagTileWidth       = 322
	tagTileHeight      = 323
	tagTileByteCounts  = 325
)

// isTIFF reports whether a file begins as a TIFF.
func isTIFF(head []byte) bool { return string(head) == "II*\x00" || string(head) == "MM\x00*" }

// tiffFile is what the first directory of a TIFF says.
type tiffFile struct {
	first  map[uint16]uint32 // the first value of each tag above
	stored int64             // bytes of all strips and tiles
}

// readTIFF reads the first directory of a TIFF of size bytes, as package tiff does, without
// decoding. It ignores damage, which decoding reports.
func readTIFF(file io.ReaderAt, size int64) tiffFile {
	t := tiffFile{first: map[uint16]uint32{}}
	var head [8]byte
	if _, err := file.ReadAt(head[:], 0); err != nil {
		return t
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(head[4:]))
	r := bufio.NewReader(io.NewSectionReader(file, at, size-min(at, size)))
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return t
	}
	for range order.Uint16(n[:]) {
		var entry [12]byte // tag, type, count, value or its offset
		if _, err := io.ReadFull(r, entry[:]); err != nil {
			return t
		}
		tag, width, count := order.Uint16(entry[:]), int64(0), int64(order.Uint32(entry[4:]))
		switch order.Uint16(entry[2:]) {
		case 1:
			width = 1
		case 3:
			width = 2
		case 4:
			width = 4
		}
		var values io.Reader = io.NewSectionReader(file, int64(order.Uint32(entry[8:])), width*count)
		if width*count <= 4 {
			values = bytes.NewReader(entry[8 : 8+width*count])
		}
		value := func(r io.Reader) (uint32, bool) {
			var b [4]byte
			if _, err := io.ReadFull(r, b[:width]); err != nil || width == 0 {
				return 0, false
			}
			switch width {
			case 1:
				return uint32(b[0]), true
			case 2:
				return uint32(order.Uint16(b[:])), true
			}
			return order.Uint32(b[:]), true
		}
		switch tag {
		case tagWidth, tagHeight, tagCompression, tagOrientation, tagRowsPerStrip, tagTileWidth, tagTileHeight:
			t.first[tag], _ = value(values)
		case tagStripByteCounts, tagTileByteCounts:
			stored := int64(0)
			for counts := bufio.NewReader(values); stored <= size; {
				v, ok := value(counts)
				if !ok {
					break
				}
				stored += int64(v)
			}
			t.stored = max(t.stored, stored)
		}
	}
	return t
}

// cost returns the memory beside the pixels that decoding a TIFF of size bytes takes. It rejects
// one that takes too much work. Blocks, which are strips or tiles, are decompressed one by one, to
// at most eight bytes per pixel. Those that overlap in the file would make a small file long.
func (t *tiffFile) cost(size int64) (memory int64, err error) {
	const perPixel, growth = 8, 3 // of a buffer that grows
	if t.stored > size {
		return 0, fmt.Errorf("a TIFF whose parts overlap is %w: it takes too long to decode", ErrTooLarge)
	}
	width, height := int64(t.first[tagWidth]), int64(t.first[tagHeight])
	blockWidth, blockHeight := width, height
	if w := int64(t.first[tagTileWidth]); w != 0 {
		blockWidth, blockHeight = w, int64(t.first[tagTileHeight])
	} else if rows := int64(t.first[tagRowsPerStrip]); rows > 0 && rows < height {
		blockHeight = rows
	}
	if blockWidth <= 0 || blockHeight <= 0 || blockWidth > math.MaxInt32 || blockHeight > math.MaxInt32 {
		return 0, nil // damage
	}
	block := float64(perPixel) * float64(blockWidth) * float64(blockHeight)
	blocks := math.Ceil(float64(width)/float64(blockWidth)) * math.Ceil(float64(height)/float64(blockHeight))
	if compression := t.first[tagCompression]; compression <= 1 { // none, or the tag is missing
		return size, nil
	}
	if block*blocks > 2*maxWork+workPerByte*float64(size) {
		return 0, fmt.Errorf("a TIFF of %dx%d pixels is %w: it takes too long to decode", width, height, ErrTooLarge)
	}
	return int64(growth * block), nil
}

// readerAt reads a file at any offset until its context ends. Only one goroutine may use it.
type readerAt struct {
	ctx  context.Context
	file io.ReadSeeker
}

// ReadAt reads at an offset.
func (r *readerAt) ReadAt(b []byte, offset int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if _, err := r.file.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(r.file, b)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

// Read is for the signature of package tiff, which reads at offsets.
func (r *readerAt) Read(b []byte) (int, error) { return r.file.Read(b) }
