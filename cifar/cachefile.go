package cifar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/lamina-go/lamina/internal/infile"
)

// A cache file has the images that exceed the memory: a record of bytes for each, then a row for
// each, then the end. Its name is a digest of what it is made of.
//
// Records are read with pread and not mapped. The copy takes some 0.1 ms for 224x224 pixels, but a
// file that another program cuts off is an error, and not a signal that ends the process.

// cacheRow describes a record.
type cacheRow struct {
	ID      [16]byte // of the image file: see identity
	Content sum      // of the image file, or zeros if no split needed it
	Sum     uint32   // CRC-32C of the record
}

// cacheEnd ends a cache file.
type cacheEnd struct {
	Magic [8]byte
	Key   [16]byte
	Rows  uint32
	Sum   uint32 // CRC-32C of the rows
}

// cacheMagic ends in the version of the format, and of how images are decoded and resized. Raise it
// when any pixel changes.
var cacheMagic = [8]byte{'l', 'a', 'm', 'i', 'n', 'a', ' ', '1'}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	cacheRowBytes = 52
	cacheEndBytes = 32
	cacheSuffix   = ".images"
)

// cacheFile is an open cache file. Several goroutines may read it.
type cacheFile struct {
	*os.File
	each int // bytes of a record
	rows []cacheRow
}

// read sets record to record i.
func (c *cacheFile) read(record []byte, i int) error {
	if _, err := c.ReadAt(record, int64(i)*int64(c.each)); err != nil && err != io.EOF {
		return fmt.Errorf("cifar: the cache file: %w", err)
	} else if err != nil || crc32.Checksum(record, castagnoli) != c.rows[i].Sum {
		return fmt.Errorf("cifar: the cache file %s was changed while it was read, or the disk is damaged: "+
			"delete it, and start again to rebuild it", c.Name())
	}
	return nil
}

// errStale is that of a cache file that must be rebuilt.
var errStale = errors.New("stale")

// openCache opens a cache file of records of so many bytes. The error is errStale unless it is
// whole.
func openCache(path string, key [16]byte, each int) (c *cacheFile, err error) {
	f, size, err := infile.Open(path)
	if err != nil {
		return nil, errStale
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	var end cacheEnd
	last := io.NewSectionReader(f, size-cacheEndBytes, cacheEndBytes)
	if err := binary.Read(last, binary.LittleEndian, &end); err != nil {
		return nil, errStale
	}
	pixels := int64(end.Rows) * int64(each)
	if end.Magic != cacheMagic || end.Key != key || size != pixels+int64(end.Rows)*cacheRowBytes+cacheEndBytes {
		return nil, errStale
	}
	text := make([]byte, int(end.Rows)*cacheRowBytes)
	if _, err := f.ReadAt(text, pixels); err != nil || crc32.Checksum(text, castagnoli) != end.Sum {
		return nil, errStale
	}
	rows := make([]cacheRow, end.Rows)
	_, err = binary.Decode(text, binary.LittleEndian, rows)
	return &cacheFile{f, each, rows}, err
}
