package cifar

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files of the tests hold two images each. Byte i of the planes of a file is 7·i, and
// the labels are 9 and 4.
const perFile = 2

func plane(i int) byte { return byte(7 * i) }

// binaryFile returns a file of the binary distribution.
func binaryFile() []byte {
	var b []byte
	for i, label := range []byte{9, 4} {
		b = append(b, label)
		for j := range imageBytes {
			b = append(b, plane(i*imageBytes+j))
		}
	}
	return b
}

// picklesOf returns the files of each folder of the reference pickles.
func picklesOf(t testing.TB) map[string]map[string][]byte {
	f, err := os.Open("testdata/pickles.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	folders := map[string]map[string][]byte{}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return folders
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Base(filepath.Dir(h.Name))
		if folders[folder] == nil {
			folders[folder] = map[string][]byte{}
		}
		folders[folder][filepath.Base(h.Name)] = data
	}
}

// files returns the contents of a distribution's folder by name.
func files(d *distribution, images, meta []byte) map[string][]byte {
	f := map[string][]byte{d.meta: meta}
	for _, name := range d.images {
		f[name] = images
	}
	return f
}

func binaryFiles() map[string][]byte {
	return files(distributions()[0], binaryFile(), []byte("a b c d e f g h\ni\nj\n\n"))
}

// pickleFiles returns the files as Python 2 wrote the official ones.
func pickleFiles(t testing.TB) map[string][]byte {
	f := picklesOf(t)["python2-numpy1.16.6-protocol2"]
	return files(distributions()[1], f["data_batch_1"], f["batches.meta"])
}

func writeFolder(t testing.TB, files map[string][]byte) string {
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// packFiles returns a .tar.gz of files, in no particular order, in a folder.
func packFiles(t testing.TB, files map[string][]byte) []byte {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	archive := tar.NewWriter(zip)
	archive.WriteHeader(&tar.Header{Name: "cifar/", Typeflag: tar.TypeDir, Mode: 0o755})
	for name, data := range files {
		archive.WriteHeader(&tar.Header{Name: "cifar/" + name, Mode: 0o644, Size: int64(len(data))})
		archive.Write(data)
	}
	archive.Close()
	zip.Close()
	return b.Bytes()
}

// checkDistribution fails unless d is what the test files hold.
func checkDistribution(t *testing.T, d *Dataset, classes string) {
	t.Helper()
	if got := strings.Join(d.Classes, " "); got != classes {
		t.Errorf("classes %q, want %q", got, classes)
	}
	if d.Train.Len() != 5*perFile || d.Test.Len() != perFile {
		t.Fatalf("%d and %d images", d.Train.Len(), d.Test.Len())
	}
	checkImages(t, d.Train)
	checkImages(t, d.Test)
	if notes := strings.Join(d.Notes, "\n"); !strings.Contains(notes, "data_batch_3") || !strings.Contains(notes, " has 2 images, where CIFAR-10 has 10000") {
		t.Errorf("notes %q, want one on files that are too short", d.Notes)
	}
}

func checkImages(t *testing.T, images Images) {
	t.Helper()
	for i, label := range images.Labels {
		if want := []int32{9, 4}[i%perFile]; label != want {
			t.Fatalf("image %d: label %d, want %d", i, label, want)
		}
		for j, got := range images.image(i) {
			pixel, channel := j/3, j%3
			if want := plane(i%perFile*imageBytes + channel*1024 + pixel); got != want {
				t.Fatalf("image %d, pixel %d, channel %d: %d, want %d", i, pixel, channel, got, want)
			}
		}
	}
}

const officialNames = "airplane automobile bird cat deer dog frog horse ship truck"

func TestOpen(t *testing.T) {
	tests := []struct {
		name    string
		files   map[string][]byte
		classes string
	}{
		{"binary", binaryFiles(), "a b c d e f g h i j"},
		{"pickles", pickleFiles(t), officialNames},
	}
	for _, test := range tests {
		for _, meta := range []bool{true, false} {
			if !meta {
				delete(test.files, "batches.meta")
				delete(test.files, "batches.meta.txt")
				test.classes = officialNames
			}
			dir := writeFolder(t, test.files)
			above := t.TempDir()
			if err := os.Rename(dir, filepath.Join(above, map[string]string{"binary": "cifar-10-batches-bin", "pickles": "cifar-10-batches-py"}[test.name])); err != nil {
				t.Fatal(err)
			}
			archive := filepath.Join(t.TempDir(), "data")
			os.WriteFile(archive, packFiles(t, test.files), 0o644)
			for kind, path := range map[string]string{"folder": writeFolder(t, test.files), "folder above": above, "archive": archive} {
				t.Run(fmt.Sprint(test.name, " ", kind, " meta ", meta), func(t *testing.T) {
					d, err := Open(context.Background(), path, nil)
					if err != nil {
						t.Fatal(err)
					}
					checkDistribution(t, d, test.classes)
				})
			}
		}
	}
}

func TestOpenBuiltIn(t *testing.T) {
	d, err := Open(context.Background(), "shapes", nil)
	if err != nil || d.Train.Len() != builtInTrain || d.Test.Len() != builtInTest || len(d.Classes) != 10 {
		t.Errorf("%v, %v", d, err)
	}
}

// Without a path, the archive in the cache folder is read.
func TestOpenCached(t *testing.T) {
	for _, variable := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} { // Linux, macOS, Windows
		t.Setenv(variable, t.TempDir())
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	os.MkdirAll(filepath.Join(cache, "lamina"), 0o755)
	file := filepath.Join(cache, "lamina", official().Name)
	os.WriteFile(file, []byte("<html>"), 0o644)
	d, err := Open(context.Background(), "", nil)
	checkError(t, d, err, file+" has 6 bytes, not 170052171: delete it to download it again")
}

func TestOpenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	archive := filepath.Join(t.TempDir(), "data.tar.gz")
	os.WriteFile(archive, packFiles(t, binaryFiles()), 0o644)
	for _, path := range []string{writeFolder(t, binaryFiles()), archive} {
		if _, err := Open(ctx, path, nil); err != context.Canceled {
			t.Errorf("error %v", err)
		}
	}
}

// without returns files except one; with returns files with one added or replaced.
func without(files map[string][]byte, name string) map[string][]byte {
	delete(files, name)
	return files
}

func with(files map[string][]byte, name string, data []byte) map[string][]byte {
	files[name] = data
	return files
}

func TestOpenBadFolder(t *testing.T) {
	binary := binaryFile()
	label10 := bytes.Clone(binary)
	label10[recordBytes] = 10
	pickle := pickleFiles(t)["test_batch"]
	tests := []struct {
		name  string
		files map[string][]byte
		want  []string // in the error
	}{
		{"empty", nil, []string{"has neither", "data_batch_1.bin", "train"}},
		{"other files", map[string][]byte{"notes.txt": []byte("hello")}, []string{"has neither"}},
		{"batch missing", without(binaryFiles(), "data_batch_3.bin"), []string{"has no data_batch_3.bin"}},
		{"test missing", without(binaryFiles(), "test_batch.bin"), []string{"has no test_batch.bin"}},
		{"one byte short", with(binaryFiles(), "data_batch_4.bin", binary[1:]), []string{"data_batch_4.bin: 6145 bytes", "1 too short"}},
		{"one byte long", with(binaryFiles(), "data_batch_4.bin", append(bytes.Clone(binary), 0)), []string{"data_batch_4.bin: 6147 bytes", "1 too long"}},
		{"empty file", with(binaryFiles(), "test_batch.bin", nil), []string{"test_batch.bin: 0 bytes", "empty"}},
		{"label 10", with(binaryFiles(), "data_batch_2.bin", label10), []string{"data_batch_2.bin: record 1: label 10"}},
		{"nine names", with(binaryFiles(), "batches.meta.txt", []byte("a b c d e f g h i")), []string{"batches.meta.txt: 9 names"}},
		{"a folder for a file", with(without(binaryFiles(), "test_batch.bin"), "test_batch.bin/x", nil), []string{"test_batch.bin is not a file"}},
		{"pickle missing", without(pickleFiles(t), "data_batch_5"), []string{"has no data_batch_5"}},
		{"pickle cut off", with(pickleFiles(t), "data_batch_5", pickle[:len(pickle)-9]), []string{"data_batch_5", "cut off"}},
		{"pickle is text", with(pickleFiles(t), "data_batch_5", []byte("hello\n")), []string{"data_batch_5", "not a pickle"}},
		{"pickle is empty", with(pickleFiles(t), "data_batch_5", nil), []string{"data_batch_5", "cut off"}},
		{"pickle runs code", with(pickleFiles(t), "data_batch_5", []byte("cos\nsystem\n(S'echo'\ntR.")), []string{"data_batch_5", "wants to run os.system"}},
		{"pickle of names", with(pickleFiles(t), "data_batch_5", pickleFiles(t)["batches.meta"]), []string{"data_batch_5", "not of CIFAR-10"}},
		{"names of a pickle", with(pickleFiles(t), "batches.meta", pickle), []string{"batches.meta", "label_names"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := writeFolder(t, test.files)
			d, err := Open(context.Background(), dir, nil)
			checkError(t, d, err, append(test.want, dir)...)
		})
	}
}

func checkError(t *testing.T, d *Dataset, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, but %d and %d images", d.Train.Len(), d.Test.Len())
	}
	if d != nil {
		t.Error("a data set in spite of an error")
	}
	for _, w := range append(want, "cifar: ") {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), "cifar: ") > 1 {
		t.Errorf("error %q", err)
	}
}

func TestOpenBadFile(t *testing.T) {
	good := packFiles(t, binaryFiles())
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 0x10
	checksum := bytes.Clone(good)
	checksum[len(checksum)-8] ^= 1
	var noTar bytes.Buffer
	zip := gzip.NewWriter(&noTar)
	zip.Write(bytes.Repeat([]byte("no archive "), 100))
	zip.Close()
	tests := []struct {
		name string
		data []byte
		want []string
	}{
		{"text", []byte("airplane, automobile\n"), []string{"neither a folder nor a .tar.gz"}},
		{"empty", nil, []string{"neither a folder nor a .tar.gz"}},
		{"a batch", binaryFile(), []string{"neither a folder nor a .tar.gz"}},
		{"cut in the header", good[:9], []string{"cut off"}},
		{"cut in the middle", good[:len(good)/2], []string{"cut off"}},
		{"cut in the checksum", good[:len(good)-3], []string{"cut off"}},
		{"damaged", flipped, []string{""}},
		{"damaged checksum", checksum, []string{"damaged", "checksum"}},
		{"no archive", noTar.Bytes(), []string{"damaged", "tar"}},
		{"other files", packFiles(t, map[string][]byte{"readme.html": []byte("hello")}), []string{"no files of CIFAR-10"}},
		{"batch missing", packFiles(t, without(binaryFiles(), "data_batch_3.bin")), []string{"has no data_batch_3.bin"}},
		{"one byte short", packFiles(t, with(binaryFiles(), "data_batch_4.bin", binaryFile()[1:])), []string{"cifar/data_batch_4.bin", "1 too short"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data.tar.gz")
			os.WriteFile(path, test.data, 0o644)
			d, err := Open(context.Background(), path, nil)
			checkError(t, d, err, append(test.want, path)...)
		})
	}
	t.Run("missing", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "nowhere")
		d, err := Open(context.Background(), path, nil)
		checkError(t, d, err, path+" does not exist")
	})
}

// An archive that is cut off or has another byte is an error, or gives the same images.
func TestOpenDamagedArchive(t *testing.T) {
	good := packFiles(t, binaryFiles())
	path := filepath.Join(t.TempDir(), "data.tar.gz")
	open := func(data []byte) (*Dataset, error) {
		os.WriteFile(path, data, 0o644)
		return openPath(context.Background(), path)
	}
	step := max(1, len(good)/200)
	for i := 2; i < len(good); i += step {
		if d, err := open(good[:i]); err == nil {
			t.Errorf("cut after %d of %d bytes: %d images", i, len(good), d.Train.Len())
		}
		damaged := bytes.Clone(good)
		damaged[i] ^= 1 << (i % 8)
		if d, err := open(damaged); err == nil { // as in the header, and between blocks of the stream
			checkDistribution(t, d, "a b c d e f g h i j")
		}
	}
}
