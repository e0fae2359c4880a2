package hdf5

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/internal/infile"
)

// readAll reads as much of a file as possible and returns all errors.
func readAll(data []byte) (errs []error) {
	f, err := NewFile(bytes.NewReader(data), int64(len(data)), "damaged.h5", infile.NewBudget(int64(len(data))))
	if err != nil {
		return []error{err}
	}
	note := func(err error) bool {
		if err != nil {
			errs = append(errs, err)
		}
		return err == nil
	}
	attributes := func(o *Object) {
		for _, a := range o.attributes {
			_, err := o.Attr(a.name)
			note(err)
		}
	}
	var group func(g *Group)
	group = func(g *Group) {
		attributes(g.Object)
		for _, name := range g.Children() {
			is, err := isGroup(g, name)
			if !note(err) {
				continue
			}
			if is {
				if child, err := g.Group(name); note(err) {
					group(child)
				}
			} else if d, err := g.Dataset(name); note(err) {
				attributes(d.Object)
				note(d.ReadFloats(make([]float32, d.n), 0))
			}
		}
	}
	group(f.Root())
	return errs
}

// judge reads a damaged file. It fails the test if that takes too much time or memory, or gives an
// error without a location.
func judge(t testing.TB, data []byte, what func() string) []error {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("%s: panic: %v", what(), r)
		}
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	errs := readAll(data)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	for tries := 1; took > time.Second; tries++ { // a busy machine may be slow once
		if tries == 3 {
			t.Errorf("%s: %v", what(), took)
			break
		}
		start = time.Now()
		readAll(data)
		took = time.Since(start)
	}
	// All allocations, also garbage, up to 64 MB and what good files of this size take.
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20+uint64(20*len(data)) {
		t.Errorf("%s: %d bytes allocated for a file of %d", what(), n, len(data))
	}
	for _, err := range errs {
		var e *Error
		if errors.As(err, &e) {
			if e.File != "damaged.h5" || e.Part == "" || e.Object == "" && e.Part != "superblock" {
				t.Errorf("%s: %#v", what(), e)
			}
		} else if !strings.HasPrefix(err.Error(), "hdf5: damaged.h5 is not an HDF5 file") {
			t.Errorf("%s: %v", what(), err)
		}
	}
	return errs
}

// recorder notes which bytes of a file are read.
type recorder struct {
	*bytes.Reader
	read []bool
}

func (r *recorder) ReadAt(p []byte, at int64) (int, error) {
	n, err := r.Reader.ReadAt(p, at)
	for i := range n {
		r.read[int(at)+i] = true
	}
	return n, err
}

// metadata returns the offsets of all bytes that are read to list a file's contents.
func metadata(t testing.TB, data []byte) []int {
	r := &recorder{bytes.NewReader(data), make([]bool, len(data))}
	f, err := NewFile(r, int64(len(data)), "good.h5", infile.NewBudget(int64(len(data))))
	if err != nil {
		t.Fatal(err)
	}
	if err := walk(f.Root(), func(*Dataset) error { return nil }); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal(err)
	}
	var offsets []int
	for i, read := range r.read {
		if read {
			offsets = append(offsets, i)
		}
	}
	return offsets
}

// goodFiles are the originals of damaged files, in all supported formats.
func goodFiles(t testing.TB) map[string][]byte {
	files := map[string][]byte{}
	for _, name := range []string{"small1.h5", "small2.h5", "tracked.h5", "v1.h5", "v2.h5"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	tree := NewTree()
	tree.Attr("layer_names", []string{"a", "bb"})
	tree.Floats("a/kernel:0", []int{3, 3, 2, 4}, ramp(1))
	tree.Ints("step", nil, []int64{1})
	files["written.h5"] = write(t, tree)
	for i := range 300 {
		tree.Ints(fmt.Sprintf("many/%d", i), nil, []int64{1})
	}
	files["many.h5"] = write(t, tree)
	return files
}

// repair corrects the checksums of version 2 metadata, so that the reader finds other damage.
func repair(data []byte) {
	sum := func(start, end int) {
		if start >= 0 && start < end && end <= len(data)-4 {
			binary.LittleEndian.PutUint32(data[end:], lookup3(data[start:end]))
		}
	}
	base := max(0, bytes.Index(data, signature))
	if len(data) >= base+48 && (data[base+8] == 2 || data[base+8] == 3) {
		sum(base, base+12+4*8)
	}
	for at := 0; ; at += 4 {
		i := bytes.Index(data[at:], []byte("OHDR"))
		if i < 0 || at+i+40 > len(data) {
			return
		}
		at += i
		flags := data[at+5]
		p := at + 6 + int(flags>>5&1)*16 + int(flags>>4&1)*4
		n := 1 << (flags & 3)
		size := int(binary.LittleEndian.Uint64(data[p:]) << (64 - 8*n) >> (64 - 8*n) & math.MaxInt)
		p += n
		if size > len(data)-p {
			continue
		}
		sum(at, p+size)
		for end := p + size; p+4 < end; {
			kind, n := data[p], int(binary.LittleEndian.Uint16(data[p+1:]))
			p += 4 + int(flags>>2&1)*2
			if kind == msgContinuation && p+16 <= end {
				next := base + int(binary.LittleEndian.Uint32(data[p:]))
				sum(next, next+int(binary.LittleEndian.Uint32(data[p+8:]))-4)
			}
			p += n
		}
	}
}

// most is the number of damaged files that a test makes of each good one, evenly spread over its
// bytes, with alternating kinds of damage.
const most = 1200

// spread returns the stride through n cases.
func spread(n int) int { return 1 + n/most }

// TestDamagedBytes changes bytes of metadata, every one of the smaller files. A change under a
// checksum must give an error.
func TestDamagedBytes(t *testing.T) {
	n, summed := 0, 0
	for name, good := range goodFiles(t) {
		data := slices.Clone(good)
		repair(data)
		if !bytes.Equal(data, good) {
			t.Fatalf("%s: repair changes a good file", name)
		}
		offsets := metadata(t, good)
		normal := fmt.Sprint(readAll(good))
		for i := 0; i < len(offsets); i += spread(len(offsets)) {
			at := offsets[i]
			old := good[at]
			v := []byte{old + 1, old ^ 0x80, ^old, ^old >> 4, old - 1}[i%5]
			what := func() string { return fmt.Sprintf("%s: byte %d set to %#x", name, at, v) }
			data := slices.Clone(good)
			data[at] = v
			repaired := slices.Clone(data)
			repair(repaired)
			if same := bytes.Equal(data, repaired); same || i%4 == 0 {
				errs := judge(t, data, what)
				if !same {
					summed++
					if len(errs) == 0 || fmt.Sprint(errs) == normal {
						t.Errorf("%s: a checksum is wrong, errors %v", what(), errs)
					}
				}
			} else {
				judge(t, repaired, what)
			}
			n++
		}
	}
	t.Logf("%d files, %d with a wrong checksum", n, summed)
	if summed < 100 {
		t.Error("too few to test checksums")
	}
}

// TestDamagedWords sets counts, ranks, sizes and addresses to misleading values, some of them
// addresses of other parts.
func TestDamagedWords(t *testing.T) {
	n := 0
	for name, good := range goodFiles(t) {
		size := uint64(len(good))
		values := []uint64{0, 1, size / 2 &^ 7, size - 8, size, size + 1, 1<<16 - 1, 1 << 24, 1<<31 - 1, 1<<32 - 1,
			1 << 40, 1<<61 + 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 7, math.MaxUint64}
		starts := structureStarts(good)
		offsets := metadata(t, good)
		cases := len(offsets) * 3
		for i := 0; i < cases; i += spread(cases) {
			at, width := offsets[i/3], 2<<(i%3)
			v := values[i%len(values)]
			if i%2 == 0 {
				v = starts[i%len(starts)]
			}
			data := slices.Clone(good)
			copy(data[at:min(len(good), at+width)], binary.LittleEndian.AppendUint64(nil, v))
			repair(data)
			judge(t, data, func() string { return fmt.Sprintf("%s: %d bytes at %d set to %#x", name, width, at, v) })
			n++
		}
	}
	t.Logf("%d files", n)
}

// structureStarts returns the addresses of parts with a signature.
func structureStarts(data []byte) (starts []uint64) {
	base := max(0, bytes.Index(data, signature))
	for i := base; i+4 <= len(data); i++ {
		switch string(data[i : i+4]) {
		case "TREE", "SNOD", "HEAP", "GCOL", "OHDR", "OCHK":
			starts = append(starts, uint64(i-base))
		}
	}
	return append(starts, 96)
}

// TestTruncated cuts a file at every length: always an error, which states the missing bytes unless
// the superblock is cut.
func TestTruncated(t *testing.T) {
	for name, good := range goodFiles(t) {
		base := max(0, bytes.Index(good, signature))
		for n := 0; n < len(good); n += 1 + n/1000 {
			errs := judge(t, good[:n:n], func() string { return fmt.Sprintf("%s cut to %d", name, n) })
			if len(errs) != 1 {
				t.Fatalf("%s cut to %d: errors %v", name, n, errs)
			}
			want := fmt.Sprintf("the file was written with %d bytes and has %d: %s", len(good), n, infile.Damaged)
			if n >= base+96 && !strings.HasSuffix(errs[0].Error(), want) {
				t.Fatalf("%s cut to %d: error %v", name, n, errs[0])
			}
		}
	}
}

// TestGoldenDamaged damages files of Keras.
func TestGoldenDamaged(t *testing.T) {
	n := 0
	for name := range goldenFiles(t) {
		if !strings.Contains(name, "micro") && !strings.Contains(name, "gzip") && !strings.Contains(name, "k3_named.weights") {
			continue
		}
		good, err := os.ReadFile(golden.Path(t, filepath.Join("files", name)))
		if err != nil {
			t.Fatal(err)
		}
		offsets := metadata(t, good)
		for i := 0; i < len(offsets); i += 3 * spread(len(offsets)) {
			at := offsets[i]
			data := slices.Clone(good)
			data[at] ^= byte(1 + i%255)
			repair(data)
			judge(t, data, func() string { return fmt.Sprintf("%s: byte %d set to %#x", name, at, data[at]) })
			n++
		}
		for size := 0; size < len(good); size += 9973 {
			if errs := judge(t, good[:size], func() string { return fmt.Sprintf("%s cut to %d", name, size) }); len(errs) != 1 {
				t.Errorf("%s cut to %d: errors %v", name, size, errs)
			}
			n++
		}
	}
	t.Logf("%d files", n)
}
