package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// decode reads lines of JSON.
func decode(t testing.TB, text string) []imageFile {
	t.Helper()
	var all []imageFile
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var f imageFile
		if err := d.Decode(&f); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		all = append(all, f)
	}
	return all
}

// TestPredict classifies more images than fit in a batch: a folder with its subfolders, a file, and
// standard input.
func TestPredict(t *testing.T) {
	const count = 128 + 30
	want := classifytest.Probabilities(t, 0, count)
	dir := t.TempDir()
	for i := range count - 2 {
		folder := dir
		if i > 100 {
			folder = filepath.Join(dir, "more")
		}
		clitest.Put(t, classifytest.PNG(t, i), folder, fmt.Sprintf("%03d.png", i))
	}
	clitest.Put(t, []byte("not named as an image"), dir, "notes.txt")
	clitest.Put(t, nil, dir, ".hidden", "x.png")
	file := clitest.Put(t, classifytest.PNG(t, count-2), t.TempDir(), "file without end")
	c := clitest.Command(t, "predict", classifytest.Run(t), dir, file, "-", "--json", "--top", "4")
	c.Stdin = bytes.NewReader(classifytest.PNG(t, count-1))
	files := decode(t, clitest.Expect(t, c, 0))
	if len(files) != count || files[0].Name != filepath.Join(dir, "000.png") || files[count-1].Name != "-" {
		t.Fatalf("%d images, want %d", len(files), count)
	}
	for i, f := range files {
		classifytest.Check(t, f.Classes, 4, want[i])
	}
}

func TestTable(t *testing.T) {
	dir := t.TempDir()
	long := clitest.Put(t, classifytest.PNG(t, 0), dir, "an image\nwith a long name.png")
	short := clitest.Put(t, classifytest.PNG(t, 1), dir, "b.png")
	want := classifytest.Probabilities(t, 0, 2)
	text := clitest.Expect(t, clitest.Command(t, "predict", classifytest.Run(t), long, short, "--top", "20"), 0)
	lines := strings.Split(text, "\n")
	if len(lines) != 3 || len(lines[0]) != len(lines[1]) || !strings.Contains(lines[0], `\n`) {
		t.Fatalf("want two rows of the same width:\n%s", text)
	}
	for i, row := range want {
		for class, p := range row {
			name := classifytest.Shapes().Classes[class]
			if cell := fmt.Sprintf("  %-12s %6.2f %%", name, 100*p); !strings.Contains(lines[i], cell) {
				t.Errorf("%q is not in %q", cell, lines[i])
			}
		}
	}
}

// The names of classes come with a model from anywhere, but do not act on the terminal.
func TestNamesOfClasses(t *testing.T) {
	const red = "\x1b[31mred"
	labels := slices.Repeat([]string{red}, 10)
	var text bytes.Buffer
	classes := slices.Repeat([]classify.Class{{Label: red, Probability: 0.1}}, 3)
	if err := newTable(&text, false, labels, nil).write(&imageFile{Name: "a", Classes: classes}); err != nil {
		t.Fatal(err)
	}
	e := &classify.Evaluation{Classes: labels}
	for range 10 {
		e.Confusion = append(e.Confusion, slices.Repeat([]int{1}, 10))
	}
	if err := writeEvaluation(&text, e, false); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "\x1b") || strings.Count(text.String(), `"\x1b[31mred"`) != 3+2*10 {
		t.Errorf("%q", text.String())
	}
}

// TestOtherSize classifies with a network of another input, without names of classes.
func TestOtherSize(t *testing.T) {
	s := classifytest.Small(20, 44)
	s.Classes = 3
	s.Layers = append(s.Layers[:len(s.Layers)-2], nn.Dense{Units: 3})
	file, image := classifytest.Untrained(t, s), clitest.Put(t, classifytest.PNG(t, 0), t.TempDir(), "a.png")
	guessed := []string{file, "--mean"}
	files := decode(t, clitest.Expect(t, clitest.Command(t, "predict", file, image, "--json"), 0, guessed))
	names := func(f imageFile) (names []string) {
		for _, s := range f.Classes {
			names = append(names, s.Label)
		}
		slices.Sort(names)
		return names
	}
	if got := names(files[0]); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("classes %q", got)
	}
	labels := clitest.Put(t, []byte("\ufeffcat\r\ndog\n\n sea gull "), t.TempDir(), "labels.txt")
	named := decode(t, clitest.Expect(t,
		clitest.Command(t, "predict", file, image, "--json", "--labels", labels, "--mean", "123.68,116.779,103.939"),
		0))
	if got := names(named[0]); !slices.Equal(got, []string{"cat", "dog", "sea gull"}) {
		t.Errorf("classes %q", got)
	}
	if got, want := named[0].Classes[0].Probability, files[0].Classes[0].Probability; got != want {
		t.Errorf("probability %v with the mean that was guessed, %v without", got, want)
	}
	scaled := decode(t, clitest.Expect(t, clitest.Command(t, "predict", file, image, "--json", "--std", "255"), 0))
	if scaled[0].Classes[0].Probability == files[0].Classes[0].Probability {
		t.Error("--std changes nothing")
	}
}

func TestBadImages(t *testing.T) {
	dir := t.TempDir()
	good := classifytest.PNG(t, 0)
	a, z := clitest.Put(t, good, dir, "a.png"), clitest.Put(t, good, dir, "z.png")
	text := clitest.Put(t, []byte("hello"), dir, "text.png")
	half := clitest.Put(t, good[:len(good)/2], dir, "half.png")
	huge := clitest.Put(t, picturetest.Bomb(t, 50_000, 50_000), dir, "huge.png")
	empty := clitest.Put(t, nil, dir, "empty.png")
	hostile, err := filepath.Abs("../picture/testdata/hostile/refine200.jpg")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "folder")
	os.Mkdir(folder, 0o755)
	out := clitest.Expect(t,
		clitest.Command(t, "predict", classifytest.Run(t), a, text, half, "nowhere.png", huge, empty, hostile,
			folder, z, "--json"),
		1,
		[]string{text, "not an image"}, []string{half, "does not decode"}, []string{"nowhere.png", "no such file"},
		[]string{huge, "50000x50000", "too large"}, []string{empty, "not an image"},
		[]string{hostile, "scans", "too large"},
		[]string{folder, "no images"},
		[]string{"7 of 9"})
	files := decode(t, out)
	if len(files) != 9 || files[0].Classes == nil || files[8].Classes == nil {
		t.Fatalf("want 9 images, the first and the last with classes:\n%s", out)
	}
	for _, f := range files[1:8] {
		if f.Error == "" || f.Classes != nil {
			t.Errorf("%s: error %q, classes %v", f.Name, f.Error, f.Classes)
		}
	}
	if out := clitest.Expect(t, clitest.Command(t, "predict", classifytest.Run(t), a, text), 1,
		[]string{text}, []string{"1 of 2"}); strings.Count(out, "\n") != 1 {
		t.Errorf("want a row for the good image only:\n%s", out)
	}
	clitest.Expect(t, clitest.Command(t, "predict", classifytest.Run(t), half), 1,
		[]string{half, "does not decode"}) // one sentence is enough
}

// TestManyScans names JPEGs that would take too long to decode, and classifies others.
func TestManyScans(t *testing.T) {
	dir := t.TempDir()
	lines := [][]string{{"200 of 201"}}
	for i, data := range picturetest.ManyScans(t, 200) {
		name := clitest.Put(t, data, dir, fmt.Sprintf("%03d.jpg", i))
		lines = append(lines[:i], []string{name, "too large"}, lines[i])
	}
	clitest.Put(t, classifytest.PNG(t, 0), dir, "good.png")
	began := time.Now()
	files := decode(t, clitest.Expect(t, clitest.Command(t, "predict", classifytest.Run(t), dir, "--json"), 1, lines...))
	if took := time.Since(began); took > 10*time.Second || len(files) != 201 || files[200].Classes == nil {
		t.Errorf("%d files in %v", len(files), took)
	}
}

// TestOrientation classifies one scene that was stored upright and on its side.
func TestOrientation(t *testing.T) {
	args := []string{"predict", classifytest.Run(t), "--json", "--top", "10"}
	for _, name := range []string{"1", "6"} {
		path, err := filepath.Abs("../picture/testdata/orientation/exif_orientation_" + name + ".jpg")
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	files := decode(t, clitest.Expect(t, clitest.Command(t, args...), 0))
	byName := map[string]float64{}
	for _, c := range files[0].Classes {
		byName[c.Label] = c.Probability
	}
	for _, c := range files[1].Classes { // JPEG loses a little in each
		if p := byName[c.Label]; max(p, c.Probability)-min(p, c.Probability) > 0.05 {
			t.Errorf("%s: %.3f upright, %.3f on its side", c.Label, p, c.Probability)
		}
	}
}

func TestBadCommands(t *testing.T) {
	dir := t.TempDir()
	image := clitest.Put(t, classifytest.PNG(t, 0), dir, "a.png")
	labels := clitest.Put(t, []byte("cat\ndog\n"), dir, "labels.txt")
	checkpoint, err := os.ReadFile(classifytest.Checkpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	half := clitest.Put(t, checkpoint[:len(checkpoint)/2], dir, "half.lamina")
	checkpoint[len(checkpoint)/2] ^= 1
	damaged := clitest.Put(t, checkpoint, dir, "damaged.lamina")
	empty := clitest.Put(t, nil, dir, "empty.txt")
	m, err := nn.OpenModel(classifytest.OpenCPU(t), classifytest.Checkpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	cut := saveCut(t, m, filepath.Join(dir, "cut.h5"))
	s := classifytest.Small(32, 32)
	s.Input = tensor.Shape{32, 32, 4}
	four := classifytest.Untrained(t, s)
	run := classifytest.Run(t)
	for _, test := range []struct {
		code  int
		words []string
		args  []string
	}{
		{2, []string{"no model", "--help"}, []string{"predict"}},
		{2, []string{"no model", "--help"}, []string{"evaluate"}},
		{2, []string{"no model", "--help"}, []string{"serve"}},
		{2, []string{"no image files for " + run}, []string{"predict", run}},
		{2, []string{`unexpected argument "9000": one model`}, []string{"serve", run, "9000"}},
		{2, []string{`unexpected argument "shapes"`}, []string{"evaluate", run, "shapes"}},
		{2, []string{"unknown flag --limit"}, []string{"predict", run, image, "--limit", "1"}},
		{2, []string{"unknown flag --confusion"}, []string{"serve", run, "--confusion", "c.png"}},
		{2, []string{"unknown flag --json"}, []string{"serve", run, "--json"}},
		{2, []string{"unknown flag --top"}, []string{"evaluate", run, "--top", "1"}},
		{2, []string{"--listen", "port"}, []string{"serve", run, "--listen", "99999"}},
		{2, []string{"--listen", "port"}, []string{"serve", run, "--listen", "http://localhost"}},
		{2, []string{"--listen", "port"}, []string{"serve", run, "--listen", ""}},
		{2, []string{"--top 0"}, []string{"predict", run, image, "--top", "0"}},
		{2, []string{"--top 0"}, []string{"serve", run, "--top", "0"}},
		{2, []string{"- is given twice"}, []string{"predict", run, "-", image, "-"}},
		{2, []string{"--limit -1"}, []string{"evaluate", run, "--limit", "-1"}},
		{2, []string{"--mean", "one number, or 3"}, []string{"predict", run, image, "--mean", "1,2"}},
		{2, []string{"--mean", `"nan" must be a finite number`}, []string{"predict", run, image, "--mean", "nan"}},
		{2, []string{"--mean", `"a" must be a finite number`}, []string{"predict", run, image, "--mean", "1,a,2"}},
		{2, []string{"--std", `"" must be a finite number`}, []string{"predict", run, image, "--std", ""}},
		{2, []string{"--std 0"}, []string{"predict", run, image, "--std", "1,0,1"}},
		{2, []string{"--backend"}, []string{"predict", run, image, "--backend", "abacus"}},
		{2, []string{"--colour", "--help"}, []string{"predict", run, image, "--colour"}},
		{1, []string{"nowhere", "checkpoint"}, []string{"predict", "nowhere", image}},
		{1, []string{dir, classify.CheckpointName}, []string{"predict", dir, image}},
		{1, []string{half, "cut off"}, []string{"predict", half, image}},
		{1, []string{damaged, "checksum"}, []string{"predict", damaged, image}},
		{1, []string{image, "HDF5"}, []string{"predict", image, image}},
		{1, []string{cut, infile.Damaged}, []string{"predict", cut, image}},
		{1, []string{"model", "4 channels"}, []string{"predict", four, image}},
		{1, []string{"--labels", labels, "2 for the 10 classes"}, []string{"predict", run, image, "--labels", labels}},
		{1, []string{"--labels", "0 for the 10 classes"}, []string{"predict", run, image, "--labels", empty}},
		{2, []string{"--confusion", half, ".png"}, []string{"evaluate", run, "--confusion", half}},
		{1, []string{"not finite", "std"}, []string{"predict", run, image, "--std", "1e-38"}},
		{1, []string{"--labels", os.DevNull, "not a file"}, []string{"predict", run, image, "--labels", os.DevNull}},
		{1, []string{"--labels nowhere.txt: no such file"}, []string{"predict", run, image, "--labels", "nowhere.txt"}},
	} {
		t.Run(strings.Join(test.words, " "), func(t *testing.T) { fail(t, test.code, test.words, test.args...) })
	}
}

// saveCut saves a model for Keras, and cuts the file off.
func saveCut(t *testing.T, m *nn.Model, path string) string {
	t.Helper()
	if err := keras.Save(path, m, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080", "0.0.0.0:80": "0.0.0.0:80",
		"localhost:0": "localhost:0", "[::1]:8080": "[::1]:8080", "[::]:1": "[::]:1",
	} {
		if got, err := address("listen", text); got != want || err != nil {
			t.Errorf("%s is %s, %v, want %s", text, got, err, want)
		}
	}
}
