package run_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"image"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
	"github.com/lamina-go/lamina/internal/run"
)

// records returns n records of the binary distribution of CIFAR-10.
func records(n int) []byte {
	r := rand.NewChaCha8([32]byte{})
	data := make([]byte, n*3073)
	r.Read(data)
	for i := range n {
		data[i*3073] %= 10
	}
	return data
}

func binaryNames() []string {
	return []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
		"data_batch_5.bin", "test_batch.bin"}
}

// putBinary writes a small CIFAR-10.
func putBinary(t *testing.T, dir string) {
	t.Helper()
	for _, name := range binaryNames() {
		clitest.Put(t, records(2), dir, name)
	}
}

// archive returns a .tar.gz of a small CIFAR-10.
func archive(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for _, name := range binaryNames() {
		data := records(2)
		if err := w.WriteHeader(&tar.Header{
			Name: "cifar-10-batches-bin/" + name,
			Size: int64(len(data)),
			Mode: 0o644,
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	zip.Close()
	return b.Bytes()
}

func pngOf(t *testing.T) []byte {
	return picturetest.PNG(t, image.NewRGBA(image.Rect(0, 0, 40, 30)))
}

// putPickles writes a folder of the Python distribution in which all files have the same data.
func putPickles(t *testing.T, dir string, data []byte) {
	t.Helper()
	for _, name := range []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
		"data_batch_5", "test_batch", "batches.meta"} {
		clitest.Put(t, data, dir, name)
	}
}

func TestBadData(t *testing.T) {
	tests := []struct {
		name  string
		make  func(t *testing.T, dir string) (data string)
		words []string // of the error
	}{
		{
			"no folder",
			func(_ *testing.T, dir string) string { return filepath.Join(dir, "cifar") },
			[]string{"cifar", "--data"},
		},
		{"empty folder", func(_ *testing.T, dir string) string { return dir }, []string{"data_batch_1.bin"}},
		{"missing file", func(t *testing.T, dir string) string {
			putBinary(t, dir)
			os.Remove(filepath.Join(dir, "data_batch_3.bin"))
			return dir
		}, []string{"data_batch_3.bin"}},
		{"one byte short", func(t *testing.T, dir string) string {
			putBinary(t, dir)
			clitest.Put(t, records(2)[:2*3073-1], dir, "data_batch_2.bin")
			return dir
		}, []string{"data_batch_2.bin", "1 too short"}},
		{"one byte long", func(t *testing.T, dir string) string {
			putBinary(t, dir)
			clitest.Put(t, append(records(2), 0), dir, "test_batch.bin")
			return dir
		}, []string{"test_batch.bin", "1 too long"}},
		{"label of 10", func(t *testing.T, dir string) string {
			putBinary(t, dir)
			data := records(2)
			data[3073] = 10
			clitest.Put(t, data, dir, "data_batch_5.bin")
			return dir
		}, []string{"data_batch_5.bin", "label 10"}},
		{"archive cut off", func(t *testing.T, dir string) string {
			whole := archive(t)
			return clitest.Put(t, whole[:len(whole)/2], dir, "cifar.tar.gz")
		}, []string{"cifar.tar.gz", "cut off"}},
		{"archive damaged", func(t *testing.T, dir string) string {
			whole := archive(t)
			whole[len(whole)/2] ^= 0x10
			return clitest.Put(t, whole, dir, "cifar.tar.gz")
		}, []string{"cifar.tar.gz", "damaged"}},
		{"archive with a wrong checksum", func(t *testing.T, dir string) string {
			whole := archive(t)
			whole[len(whole)-6] ^= 1
			return clitest.Put(t, whole, dir, "cifar.tar.gz")
		}, []string{"cifar.tar.gz", "damaged"}},
		{"archive of something else", func(t *testing.T, dir string) string {
			var b bytes.Buffer
			zip := gzip.NewWriter(&b)
			tar.NewWriter(zip).Close()
			zip.Close()
			return clitest.Put(t, b.Bytes(), dir, "other.tar.gz")
		}, []string{"other.tar.gz", "CIFAR-10"}},
		{"another pickle", func(t *testing.T, dir string) string {
			putPickles(t, dir, []byte("\x80\x02}q\x00."))
			return dir
		}, []string{dataBatch}},
		{"a pickle that runs code", func(t *testing.T, dir string) string {
			putPickles(t, dir, []byte("\x80\x02cos\nsystem\nq\x00U\x04trueq\x01\x85q\x02Rq\x03."))
			return dir
		}, []string{dataBatch}},
		{"a text file", func(t *testing.T, dir string) string {
			return clitest.Put(t, []byte("These are my images.\n"), dir, "notes.txt")
		}, []string{"notes.txt"}},
		{"no images", func(t *testing.T, dir string) string {
			clitest.Put(t, pngOf(t), dir, "train", "cat", "1.png")
			clitest.Put(t, pngOf(t), dir, "test", "cat", "1.png")
			os.Mkdir(filepath.Join(dir, "train", "dog"), 0o755)
			return dir
		}, []string{filepath.Join("train", "dog")}},
		{"one class", func(t *testing.T, dir string) string {
			clitest.Put(t, pngOf(t), dir, "train", "cat", "1.png")
			clitest.Put(t, pngOf(t), dir, "test", "cat", "1.png")
			return dir
		}, []string{"train", "one class, cat"}},
		{"not an image", func(t *testing.T, dir string) string {
			clitest.Put(t, pngOf(t), dir, "train", "cat", "1.png")
			clitest.Put(t, []byte("not an image"), dir, "train", "cat", "2.png")
			clitest.Put(t, pngOf(t), dir, "train", "dog", "1.png")
			clitest.Put(t, pngOf(t), dir, "test", "cat", "1.png")
			return dir
		}, []string{filepath.Join("train", "cat", "2.png")}},
		{"half an image", func(t *testing.T, dir string) string {
			clitest.Put(t, pngOf(t), dir, "train", "cat", "1.png")
			clitest.Put(t, pngOf(t), dir, "test", "cat", "1.png")
			clitest.Put(t, pngOf(t), dir, "train", "dog", "1.png")
			clitest.Put(t, pngOf(t)[:60], dir, "test", "cat", "2.png")
			return dir
		}, []string{filepath.Join("test", "cat", "2.png")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			out := filepath.Join(t.TempDir(), "run")
			fail(t, 1, test.words, "--data", test.make(t, dir), "--out", out, "--model", "vgg11")
			if _, err := os.Stat(out); err == nil {
				t.Error("a failed start left its folder")
			}
		})
	}
}

// dataBatch begins the names of the files of the Python distribution.
const dataBatch = "data_batch_"

func TestNoNetworkAndNoData(t *testing.T) {
	fail(t, 1, []string{"--data shapes", "cifar-10-binary.tar.gz"}, "--model", "vgg11")
}

func TestUnknownLevel(t *testing.T) {
	t.Setenv("LAMINA_LEVEL", "avx9")
	fail(t, 1, []string{"LAMINA_LEVEL", "avx9", "generic"}, "--data", "shapes")
}

func TestBadFolders(t *testing.T) {
	dir := t.TempDir()
	file := clitest.Put(t, nil, dir, "file")
	full := clitest.Put(t, nil, dir, "full", run.ConfigName)
	orphan := clitest.Put(t, nil, dir, "orphan", run.CheckpointName)
	unreadable := clitest.Put(t, []byte(`{"settings"`), dir, "unreadable", run.ConfigName)
	impossible := clitest.Put(t, []byte(`{"settings": {"model": "vgg21"}}`), dir, "impossible", run.ConfigName)
	untold := clitest.Put(t, []byte(`{"settings": {}, "convolutions": {"forward 2x2x2 1→1": "f9"}}`), dir,
		"untold", run.ConfigName)
	trailing := clitest.Put(t, []byte(`{} {`), dir, "trailing", run.ConfigName)
	typed := clitest.Put(t, []byte(`{"settings": {"epochs": "many"}}`), dir, "typed", run.ConfigName)
	list := clitest.Put(t, []byte(`[]`), dir, "list", run.ConfigName)
	// The superuser writes to any folder. But in one whose path has nearly the 4,096 bytes of Linux,
	// the configuration has a name, and the longer one of a temporary file has not.
	kept := dir
	for len(kept) < 4070 {
		kept = filepath.Join(kept, strings.Repeat("k", min(200, 4074-len(kept))))
	}
	kept = filepath.Join(kept, run.ConfigName)
	if runtime.GOOS == "linux" {
		clitest.Put(t, []byte(`{}`), kept)
	}
	device := filepath.Join(dir, "device")
	if err := os.Mkdir(device, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.DevNull, filepath.Join(device, run.ConfigName)); err != nil {
		t.Fatal(err)
	}
	board := filepath.Dir(filepath.Dir(clitest.Put(t, []byte("of another run"), dir, "board", "train",
		"events.out.tfevents.1")))
	for _, test := range []struct {
		name  string
		args  []string
		words []string
	}{
		{
			"tensorboard of another run",
			[]string{"--tensorboard", board},
			[]string{"--tensorboard " + board, "another run"},
		},
		{
			"tensorboard in a file",
			[]string{"--tensorboard", file},
			[]string{"--tensorboard " + file + ": ", "name a writable folder"},
		},
		{"out is a file", []string{"--out", file}, []string{file, "is a file"}},
		{"out below a file", []string{"--out", filepath.Join(file, "run")}, []string{"--out", file}},
		{"out of a run", []string{"--out", filepath.Dir(full)}, []string{"--resume " + filepath.Dir(full)}},
		{
			"out of an incomplete run",
			[]string{"--out", filepath.Dir(orphan)},
			[]string{run.CheckpointName, "no " + run.ConfigName, "another folder"},
		},
		{"resume of nothing", []string{"--resume", filepath.Join(dir, "nothing")}, []string{"nothing", "--out"}},
		{"resume of a file", []string{"--resume", file}, []string{file, "is a file: name the folder of a run"}},
		{"resume of an empty folder", []string{"--resume", t.TempDir()}, []string{"not the folder of a run"}},
		{"config cut off", []string{"--resume", filepath.Dir(unreadable)}, []string{run.ConfigName}},
		{"config that cannot be", []string{"--resume", filepath.Dir(impossible)}, []string{run.ConfigName, "vgg21"}},
		{
			"config of an unknown algorithm",
			[]string{"--resume", filepath.Dir(untold)},
			[]string{"untold", run.ConfigName, "f9", "im2col"},
		},
		{
			"config with more behind it",
			[]string{"--resume", filepath.Dir(trailing)},
			[]string{"trailing", run.ConfigName},
		},
		{
			"config that is no file",
			[]string{"--resume", device},
			[]string{"device", run.ConfigName, "not a file", "name a run"},
		},
		{
			"config of a wrong type",
			[]string{"--resume", filepath.Dir(typed)},
			[]string{"typed", run.ConfigName, "settings.epochs has a value of the wrong type, string"},
		},
		{
			"config that is a list",
			[]string{"--resume", filepath.Dir(list)},
			[]string{"list", run.ConfigName, "the file has a value of the wrong type, array"},
		},
		{
			"folder that cannot be written to",
			[]string{"--resume", filepath.Dir(kept)},
			[]string{"--resume " + kept, "writable", "a copy"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if slices.Contains(test.args, filepath.Dir(kept)) && runtime.GOOS != "linux" {
				t.Skip("paths have other limits here")
			}
			fail(t, 1, test.words, append(test.args, "--data", "shapes")...)
		})
	}
}
