package cifar

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/boundtest"
)

// checkHostile opens an archive that claims to hold far more than its size justifies: one sentence
// within 2 s and 64 MB beyond the size.
func checkHostile(t *testing.T, path string, want ...string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var d *Dataset
	boundtest.Within(t, int(info.Size()), func() { d, err = openPath(context.Background(), path, Options{}) })
	checkError(t, d, err, path)
	said := false
	for _, words := range want {
		said = said || strings.Contains(err.Error(), words)
	}
	if !said {
		t.Errorf("error %q, want one of %q", err, want)
	}
}

const farMore = "need far more memory than a file of"

func TestHostileArchives(t *testing.T) {
	checkHostile(t, "testdata/hostile/sparse_1.0.tar.gz", "data_batch_1.bin is stored as a sparse file")
	checkHostile(t, "testdata/hostile/pickle_nones_64m.tar.gz", farMore)
	path := filepath.Join(t.TempDir(), "data.tar.gz")
	for i := range 200 {
		os.WriteFile(path, hostileArchive(i, rand.New(rand.NewPCG(2, uint64(i)))), 0o644)
		checkHostile(t, path, "sparse", farMore, "too many for this file")
	}
}

// hostileArchive returns an archive with one file that is sparse, or too large, or a pickle of
// opcodes that take far more memory than their bytes.
func hostileArchive(i int, r *rand.Rand) []byte {
	d := distributions()[r.IntN(4)]
	name := append(d.images, d.meta)[r.IntN(len(d.images)+1)]
	var b bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	archive := tar.NewWriter(zip)
	pickles := distributions()[1+2*r.IntN(2)]
	switch {
	case i%50 == 0: // a large file of zeros
		archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 100_000_000})
		archive.Write(make([]byte, 100_000_000))
	case i%50 == 1: // one that is not read
		archive.WriteHeader(&tar.Header{Name: "README", Mode: 0o644, Size: 100_000_000})
		archive.Write(make([]byte, 100_000_000))
	case i%2 == 0:
		return sparseArchive(name, int64(r.Uint64()>>(2+r.IntN(40))))
	default: // values on the stack, in tuples, lists, dictionaries and the memo
		opcodes := []string{"N", "K\x01", "J1234", "]", "}", "(", "\x94", "2", ")", "\x85", "Na", "h\x00"}
		program := opcodes[r.IntN(len(opcodes))]
		n := 1<<20 + r.IntN(1<<20)
		archive.WriteHeader(&tar.Header{Name: pickles.images[0], Mode: 0o644, Size: int64(n*len(program)) + 3})
		fmt.Fprint(archive, "]\x94]", strings.Repeat(program, n))
	}
	archive.Close()
	zip.Close()
	return b.Bytes()
}

// sparseArchive returns an archive of one sparse file without data, in the format 0.1 of PAX.
func sparseArchive(name string, size int64) []byte {
	record := func(key, value string) string {
		for n := 0; ; n++ {
			if line := fmt.Sprintf("%d %s=%s\n", n, key, value); len(line) == n {
				return line
			}
		}
	}
	records := record("GNU.sparse.size", fmt.Sprint(size)) + record("GNU.sparse.numblocks", "1") +
		record("GNU.sparse.map", fmt.Sprintf("%d,0", size))
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	write := func(name string, kind byte, data string) {
		var block [512]byte
		copy(block[:100], name)
		copy(block[100:], fmt.Sprintf("0000644\x000000000\x000000000\x00%011o\x0000000000000\x00        %c", len(data), kind))
		copy(block[257:], "ustar\x0000")
		sum := 0
		for _, v := range block {
			sum += int(v)
		}
		copy(block[148:], fmt.Sprintf("%06o\x00 ", sum))
		zip.Write(block[:])
		zip.Write([]byte(data))
		zip.Write(make([]byte, (512-len(data)%512)%512))
	}
	write("PaxHeaders/x", tar.TypeXHeader, records)
	write(name, tar.TypeReg, "")
	zip.Write(make([]byte, 1024))
	zip.Close()
	return b.Bytes()
}
