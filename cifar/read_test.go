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
	"slices"
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

// pack returns a .tar.gz of files, in no particular order, in a folder.
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

// Without a path, what is in the cache folder is taken.
func TestOpenCached(t *testing.T) {
	for _, variable := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} { // Linux, macOS, Windows
		t.Setenv(variable, t.TempDir())
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	os.MkdirAll(filepath.Join(cache, "lamina"), 0o755)
	os.WriteFile(filepath.Join(cache, "lamina", official().name), packFiles(t, binaryFiles()), 0o644)
	d, err := Open(context.Background(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	checkDistribution(t, d, "a b c d e f g h i j")
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

// without returns files less one, with returns files and one more or another.
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
		{"a folder for a file", with(without(binaryFiles(), "test_batch.bin"), "test_batch.bin/x", nil), []string{"test_batch.bin"}},
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
		checkError(t, d, err, "there is no "+path)
	})
}

// An archive that is cut anywhere, or of which any byte is another, is an error or gives the same images.
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

// What several versions of Python and numpy wrote is read, and nothing is lost
// when it is cut anywhere or has other bytes.
func TestPickles(t *testing.T) {
	folders := picklesOf(t)
	if len(folders) < 10 {
		t.Fatalf("only %d pickles", len(folders))
	}
	for name, f := range folders {
		t.Run(name, func(t *testing.T) {
			batch, meta := f["data_batch_1"], f["batches.meta"]
			images, err := readPickle(bytes.NewReader(batch), int64(len(batch)))
			if err != nil {
				t.Fatal(err)
			}
			checkImages(t, images)
			names, err := readPickleNames(bytes.NewReader(meta), int64(len(meta)))
			if err != nil || strings.Join(names, " ") != officialNames {
				t.Errorf("names %q, %v", names, err)
			}
			for i := 0; i < len(batch); i += 1 + len(batch)/500 {
				if _, err := unpickle(batch[:i]); err == nil {
					t.Errorf("cut after %d bytes: no error", i)
				}
			}
			for i := range meta {
				for bit := range 8 {
					damaged := slices.Clone(meta)
					damaged[i] ^= 1 << bit
					unpickle(damaged) // does not panic
				}
			}
		})
	}
}

func TestBadPickles(t *testing.T) {
	const array = "(S'data'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
	tests := []struct{ name, pickle, want string }{
		{"function", "cposix\nsystem\n(S'true'\ntR.", "wants to run posix.system"},
		{"function of protocol 4", "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", "wants to run os.system"},
		{"class", "(ios\nPopen\n.", "wants to run os.Popen"},
		{"object", "(cnumpy\ndtype\no.", "opcode 'o'"},
		{"new object", "cnumpy\nndarray\n)\x81.", `opcode '\u0081'`},
		{"instance", "(inumpy\nndarray\n.", "opcode 'i'"},
		{"builtin", "c__builtin__\neval\n(S'1'\ntR.", "wants to run __builtin__.eval"},
		{"strange name", "c\x1b[2J\nx\n.", "wants to run ?[2J.x"},
		{"extension", "\x82\x01.", `opcode '\u0082'`},
		{"persistent", "Pid\n.", "opcode 'P'"},
		{"call of a class", "cnumpy\nndarray\n(tR.", "strange arguments of numpy.ndarray"},
		{"call of a string", "S'os'\n(tR.", "wrong type"},
		{"state of a list", "](I1\ntb.", "strange state"},
		{"protocol 9", "\x80\x09N.", "protocol 9"},
		{"empty stack", ".", "too few"},
		{"no mark", "t.", "no mark"},
		{"pop below a mark", "N(0.", "too few"},
		{"kept nothing", "h\x05.", "no value 5"},
		{"odd items", "}(Nu.", "key without a value"},
		{"key of None", "}NNs.", "not a short string"},
		{"long key", "}S'" + strings.Repeat("x", 101) + "'\nNs.", "not a short string"},
		{"huge string", "\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "cut off"},
		{"huge number", "\x8a\xff" + strings.Repeat("x", 255) + ".", "too large"},
		{"decoded again and again", "c_codecs\nencode\nq\x00X\x20\x00\x00\x00" + strings.Repeat("x", 32) + "q\x01X\x06\x00\x00\x00latin1q\x02" +
			strings.Repeat("0h\x00h\x01h\x02\x86R", 50) + ".", "too often"},
		{"not Latin-1", "c_codecs\nencode\n(V\\u4e00\nS'latin1'\ntR.", "not a byte"},
		{"other coding", "c_codecs\nencode\n(Vx\nS'rot13'\ntR.", "strange arguments of _codecs.encode"},
		{"array of floats", array + "(I1\n(I1\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntRI00\nS'12345678'\ntb.", `type "f8"`},
		{"array of three axes", array + "(I1\n(I1\nI1\nI1\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntRI00\nS'x'\ntb.", "3 axes"},
		{"array too large", array + "(I1\n(I5000000000\nI5000000000\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntRI00\nS'x'\ntb.", "shape"},
		{"array too small", array + "(I1\n(I2\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntRI00\nS'x'\ntb.", "does not fit"},
		{"array of columns", array + "(I1\n(I1\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntRI01\nS'x'\ntb.", "column-major"},
		{"list", "].", "not a pickled dictionary"},
		{"no data", "}.", `"data" is not an array`},
		{"label that holds itself", "}(S'data'\n" + oneImage + "S'labels'\n]p9\ng9\nau.", "label is not a number"},
		{"label 10", "}(S'data'\n" + oneImage + "S'labels'\n]I10\nau.", "record 0: label 10"},
		{"label −1", "}(S'data'\n" + oneImage + "S'labels'\n]J\xff\xff\xff\xffau.", "record 0: label -1"},
		{"too few labels", "}(S'data'\n" + oneImage + "S'labels'\n]u.", "list of 1 numbers"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readPickle(strings.NewReader(test.pickle), int64(len(test.pickle)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

// oneImage is the pickle of an array of one black image.
var oneImage = "cnumpy.core.numeric\n_frombuffer\n(B\x00\x0c\x00\x00" + strings.Repeat("\x00", imageBytes) +
	"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I1\nI3072\ntS'C'\ntR"

// Numbers and strings of every opcode have the values that Python gives them.
func TestPickleValues(t *testing.T) {
	tests := []struct {
		pickle string
		want   any
	}{
		{"N.", nil},
		{"\x88.", true},
		{"I00\n.", false},
		{"I01\n.", true},
		{"I-7\n.", int64(-7)},
		{"L70000000000L\n.", int64(70000000000)},
		{"K\xff.", int64(255)},
		{"M\x01\x02.", int64(513)},
		{"J\xfe\xff\xff\xff.", int64(-2)},
		{"\x8a\x00.", int64(0)},
		{"\x8a\x01\x80.", int64(-128)},
		{"\x8a\x02\x00\x80.", int64(-32768)},
		{"\x8a\x05\xff\xff\xff\xff\x00.", int64(4294967295)},
		{"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\xff.", int64(-1)},
		{"F1.5\n.", 1.5},
		{"G\x3f\xf8\x00\x00\x00\x00\x00\x00.", 1.5},
		{`S'it\'s "\\" \x00\xff\n'` + "\n.", "it's \"\\\" \x00\xff\n"},
		{`S"it's"` + "\n.", "it's"},
		{`V\u4e00\u005c` + "\xe9\n.", "一\\é"},
		{"U\x02hi.", "hi"},
		{"X\x02\x00\x00\x00hi.", "hi"},
		{"\x8c\x02hi.", "hi"},
		{"S'kept'\np1\n0g1\n.", "kept"},
		{"\x8c\x01a\x94\x8c\x01b\x940h\x00.", "a"},
		{"(I1\nI2\n1I3\n.", int64(3)},
	}
	for _, test := range tests {
		got, err := unpickle([]byte(test.pickle))
		if s, ok := got.(text); ok {
			got = string(s)
		}
		if err != nil || got != test.want {
			t.Errorf("%q is %#v, %v, want %#v", test.pickle, got, err, test.want)
		}
	}
}
