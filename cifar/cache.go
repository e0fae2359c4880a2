package cifar

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/lamina-go/lamina/internal/atomicfile"
)

// cacheVariable returns the environment variable that places the user's cache folder.
func cacheVariable() string {
	switch runtime.GOOS {
	case "windows":
		return "LocalAppData"
	case "darwin", "ios":
		return "HOME"
	}
	return "XDG_CACHE_HOME"
}

// cacheWriter decodes images into a cache file.
type cacheWriter struct {
	decoder
	out  io.Writer
	rows []cacheRow
}

func (c *cacheWriter) keep(images *Images, i int) error {
	record := c.record(i)
	images.records = append(images.records, int32(len(c.rows)))
	id := c.reader.ids[c.some[i].path]
	c.rows = append(c.rows, cacheRow{id, c.reader.contents[id], crc32.Checksum(record, castagnoli)})
	_, err := c.out.Write(record)
	return err
}

// finish writes what follows the records.
func (c *cacheWriter) finish(key [16]byte) error {
	var text bytes.Buffer
	binary.Write(&text, binary.LittleEndian, c.rows) // a Buffer returns no error
	end := cacheEnd{cacheMagic, key, uint32(len(c.rows)), crc32.Checksum(text.Bytes(), castagnoli)}
	binary.Write(&text, binary.LittleEndian, end)
	_, err := c.out.Write(text.Bytes())
	return err
}

// cacheFinder finds images in a cache file. What is not there could not be read when it was made.
// If it can be now, the cache file is stale.
type cacheFinder struct {
	decoder
	records map[[16]byte]int32
	found   []int32 // by the last read
}

func newCacheFinder(r *reader, c *cacheFile) *cacheFinder {
	f := &cacheFinder{decoder: decoder{reader: r}, records: make(map[[16]byte]int32, len(c.rows))}
	for i, row := range c.rows {
		f.records[row.ID] = int32(i)
	}
	return f
}

func (f *cacheFinder) read(ctx context.Context, some []file) ([]error, error) {
	errs := make([]error, len(some))
	f.found = make([]int32, len(some))
	for i, one := range some {
		var ok bool
		if f.found[i], ok = f.records[f.reader.ids[one.path]]; ok {
			continue
		}
		again, err := f.decoder.read(ctx, some[i:i+1])
		if err != nil {
			return nil, err
		}
		if errs[i] = again[0]; errs[i] == nil {
			return nil, errStale
		}
	}
	return errs, nil
}

func (f *cacheFinder) keep(images *Images, i int) error {
	images.records = append(images.records, f.found[i])
	return nil
}

// identity returns a digest of the path, the size and the time of a file. One that cannot be read
// has that of its path.
func identity(path string) (id [16]byte) {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	text := path + "\x00"
	if info, err := os.Stat(path); err == nil {
		text += fmt.Sprint(info.Size(), info.ModTime().UnixNano())
	}
	sum := sha256.Sum256([]byte(text))
	return [16]byte(sum[:])
}

// identify sets the identities of the files that a dataset is made of.
func (r *reader) identify(files []file) {
	r.ids = make(map[string][16]byte, len(files))
	for _, f := range files {
		r.ids[f.path] = identity(f.path)
	}
}

// cacheKey returns a digest of the files and of what is made of them. It does not depend on which
// of them are for validation, so that runs with other seeds share the cache file.
func (r *reader) cacheKey() (key [16]byte) {
	h := sha256.New()
	height, width := Images{Height: r.Height, Width: r.Width}.size()
	fmt.Fprintln(h, height, width, r.Resize, r.Limit, r.TestLimit)
	for _, path := range slices.Sorted(maps.Keys(r.ids)) {
		id := r.ids[path]
		h.Write(id[:])
	}
	return [16]byte(h.Sum(nil))
}

// cachePath returns the path of the cache file with a key.
func cachePath(key [16]byte) (string, error) {
	root, err := os.UserCacheDir()
	return filepath.Join(root, "lamina", "images", hex.EncodeToString(key[:])+cacheSuffix), err
}

// cachedContents sets the contents of files to those that a cache file has.
func (r *reader) cachedContents() {
	r.contents = map[[16]byte]sum{}
	key := r.cacheKey()
	path, err := cachePath(key)
	if err != nil {
		return
	}
	c, err := openCache(path, key, r.each())
	if err != nil {
		return
	}
	defer c.Close()
	for _, row := range c.rows {
		if row.Content != (sum{}) {
			r.contents[row.ID] = row.Content
		}
	}
}

// readCache sets the images of d to records of their cache file, which it makes unless it exists.
// It returns the path.
func (r *reader) readCache(ctx context.Context, d *Dataset, s splits) (string, error) {
	if r.ids == nil {
		r.identify(slices.Concat(s.train, s.test))
	}
	key := r.cacheKey()
	path, err := cachePath(key)
	if err != nil {
		return "", fmt.Errorf("cifar: %s: no folder for the images, which exceed the memory: %w", d.Name, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", fmt.Errorf("cifar: %w: the images, which exceed the memory, need this folder, or another %s",
			err, cacheVariable())
	}
	c, err := openCache(path, key, r.each())
	if err == nil {
		err = r.takeAll(ctx, d, s, newCacheFinder(r, c))
	}
	if err != nil && c != nil {
		c.Close()
	}
	if errors.Is(err, errStale) {
		os.Remove(path) // frees the disk
		r.bad, r.done = nil, 0
		if err = r.writeCache(ctx, d, s, path, key); err == nil {
			c, err = openCache(path, key, r.each())
		}
		if errors.Is(err, errStale) {
			err = fmt.Errorf("cifar: another program has changed the cache file %s: start again", path)
		}
	}
	if err != nil {
		return "", err
	}
	d.Train.file, d.Test.file = c, c
	return path, nil
}

// writeCache decodes the images of d into a new cache file.
func (r *reader) writeCache(ctx context.Context, d *Dataset, s splits, path string, key [16]byte) error {
	need := int64(r.total)*int64(r.each()+cacheRowBytes) + cacheEndBytes
	const advice = "free some, set %s to a folder on another disk, " +
		"choose a smaller --size, or fewer images with --limit"
	if left, known := atomicfile.Space(filepath.Dir(path)); known && left < need {
		return fmt.Errorf("cifar: %s: the disk has %.0f MB left, but the images, which exceed the memory, take %.0f: "+advice,
			path, float64(left)/mega, float64(need)/mega, cacheVariable())
	}
	err := atomicfile.Write(path, func(w io.Writer) error {
		writer := &cacheWriter{decoder: decoder{reader: r}, out: w}
		if err := r.takeAll(ctx, d, s, writer); err != nil {
			return err
		}
		if err := r.checkBad(); err != nil {
			return err
		}
		return writer.finish(key)
	})
	var file *fs.PathError
	if errors.As(err, &file) && file.Path == path {
		return fmt.Errorf("cifar: %s: %w: the images, which exceed the memory, take %.0f MB there: "+advice,
			path, file.Err, float64(need)/mega, cacheVariable())
	}
	return err
}

// otherCaches returns how many cache files are beside one, and their bytes.
func otherCaches(path string) (n int, size int64) {
	entries, _ := os.ReadDir(filepath.Dir(path)) // for a note only
	for _, e := range entries {
		if filepath.Ext(e.Name()) != cacheSuffix || e.Name() == filepath.Base(path) {
			continue
		}
		if info, err := e.Info(); err == nil {
			n++
			size += info.Size()
		}
	}
	return n, size
}
