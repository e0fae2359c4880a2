package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/internal/picture"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// probabilities returns what the small model says of test images of the built-in data.
func probabilities(t testing.TB, from, to int) [][]float32 {
	t.Helper()
	m, err := nn.OpenModel(open(t), filepath.Join(model(t), run.CheckpointName))
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.NewPredictor(to - from)
	if err != nil {
		t.Fatal(err)
	}
	d := shapes()
	d.Test.Pixels, d.Test.Labels = d.Test.Pixels[from*32*32*3:], d.Test.Labels[from:]
	for images := range d.Validation(cifar.MeanOnly()).Batches(nn.InOrder, 0, to-from) {
		all, err := p.Probabilities(images)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Collect(slices.Chunk(all, 10))
	}
	return nil
}

// decode reads lines of JSON.
func decode(t testing.TB, text string) []pictureFile {
	t.Helper()
	var all []pictureFile
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var f pictureFile
		if err := d.Decode(&f); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		all = append(all, f)
	}
	return all
}

// checkScores compares scores with the probabilities of all classes.
func checkScores(t testing.TB, got []score, top int, want []float32) {
	t.Helper()
	if len(got) != top {
		t.Fatalf("%d classes, want %d", len(got), top)
	}
	names := shapes().Classes
	for i, s := range got {
		class := slices.Index(names, s.Class)
		if class < 0 || !(math.Abs(s.Probability-float64(want[class])) <= 1e-5) {
			t.Errorf("class %d is %v, want one of %v", i, s, want)
		}
		if i > 0 && !(s.Probability <= got[i-1].Probability) {
			t.Errorf("classes out of order: %v", got)
		}
	}
	if !(got[0].Probability >= float64(slices.Max(want))-1e-5) {
		t.Errorf("the first class is %v, want that of %v", got[0], want)
	}
}

// TestPictures classifies more pictures than fit in a batch: a folder with its subfolders, a file, the
// standard input.
func TestPictures(t *testing.T) {
	const count = fileBatch + 30
	want := probabilities(t, 0, count)
	dir := t.TempDir()
	for i := range count - 2 {
		folder := dir
		if i > 100 {
			folder = filepath.Join(dir, "more")
		}
		put(t, pngOf(t, shape(i)), folder, fmt.Sprintf("%03d.png", i))
	}
	put(t, []byte("no picture, which nobody says it is"), dir, "notes.txt")
	put(t, nil, dir, ".hidden", "x.png")
	file := put(t, pngOf(t, shape(count-2)), t.TempDir(), "file without end")
	c := clitest.Command(t, model(t), dir, file, "-", "--json", "--top", "4")
	c.Stdin = bytes.NewReader(pngOf(t, shape(count-1)))
	files := decode(t, clitest.Expect(t, c, 0))
	if len(files) != count || files[0].Name != filepath.Join(dir, "000.png") || files[count-1].Name != "-" {
		t.Fatalf("%d pictures, want %d", len(files), count)
	}
	for i, f := range files {
		checkScores(t, f.Scores, 4, want[i])
	}
}

// Of large images fewer are classified together, and one at least.
func TestTogether(t *testing.T) {
	for _, c := range []struct{ size, files, want int }{{32, 5, 5}, {32, 1000, fileBatch}, {64, 1000, fileBatch}, {224, 1000, 10}, {224, 3, 3}, {4096, 2, 1}} {
		m := &classifier{Model: &nn.Model{Network: &nn.Network{Sequential: nn.Sequential{Input: tensor.Shape{c.size, c.size, channels}}}}}
		if got := m.together(c.files); got != c.want {
			t.Errorf("of %d images of %d pixels squared %d together, want %d", c.files, c.size, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	dir := t.TempDir()
	long := put(t, pngOf(t, shape(0)), dir, "a picture\nwith a long name.png")
	short := put(t, pngOf(t, shape(1)), dir, "b.png")
	want := probabilities(t, 0, 2)
	text := clitest.Expect(t, clitest.Command(t, model(t), long, short, "--top", "20"), 0)
	lines := strings.Split(text, "\n")
	if len(lines) != 3 || len(lines[0]) != len(lines[1]) || !strings.Contains(lines[0], `\n`) {
		t.Fatalf("want two rows of the same width:\n%s", text)
	}
	for i, row := range want {
		for class, p := range row {
			name := shapes().Classes[class]
			if cell := fmt.Sprintf("  %-12s %6.2f %%", name, 100*p); !strings.Contains(lines[i], cell) {
				t.Errorf("%q is not in %q", cell, lines[i])
			}
		}
	}
}

// A model comes from anywhere: the names of its classes do nothing to a terminal.
func TestNamesOfClasses(t *testing.T) {
	labels := put(t, []byte(strings.Repeat("\x1b[31mred\n", 10)), t.TempDir(), "labels.txt")
	m, err := nn.OpenModel(open(t), filepath.Join(model(t), run.CheckpointName))
	if err != nil {
		t.Fatal(err)
	}
	known, err := newClassifier(m, "red", &command{labels: labels})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	scores, err := known.best(make([]float32, 10), 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := newTable(&text, newCommand(), known, nil).write(&pictureFile{Name: "a", Scores: scores}); err != nil {
		t.Fatal(err)
	}
	e := &evaluation{Classes: known.labels}
	for range 10 {
		e.Confusion = append(e.Confusion, slices.Repeat([]int{1}, 10))
	}
	if err := e.write(&text, false); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "\x1b") || strings.Count(text.String(), `"\x1b[31mred"`) != 3+2*10 {
		t.Errorf("%q", text.String())
	}
}

// TestOtherSize classifies with a network of another input, without names of classes.
func TestOtherSize(t *testing.T) {
	s := small(20, 44)
	s.Classes = 3
	s.Layers = append(s.Layers[:len(s.Layers)-2], nn.Dense{Units: 3})
	file, picture := untrained(t, s), put(t, pngOf(t, shape(0)), t.TempDir(), "a.png")
	guessed := []string{file, "--mean"}
	files := decode(t, clitest.Expect(t, clitest.Command(t, file, picture, "--json"), 0, guessed))
	names := func(f pictureFile) (names []string) {
		for _, s := range f.Scores {
			names = append(names, s.Class)
		}
		slices.Sort(names)
		return names
	}
	if got := names(files[0]); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("classes %q", got)
	}
	labels := put(t, []byte("\ufeffcat\r\ndog\n\n sea gull "), t.TempDir(), "labels.txt")
	named := decode(t, clitest.Expect(t, clitest.Command(t, file, picture, "--json", "--labels", labels, "--mean", "123.68,116.779,103.939"), 0))
	if got := names(named[0]); !slices.Equal(got, []string{"cat", "dog", "sea gull"}) {
		t.Errorf("classes %q", got)
	}
	if got, want := named[0].Scores[0].Probability, files[0].Scores[0].Probability; got != want {
		t.Errorf("probability %v with the mean that was guessed, %v without", got, want)
	}
	scaled := decode(t, clitest.Expect(t, clitest.Command(t, file, picture, "--json", "--std", "255"), 0))
	if scaled[0].Scores[0].Probability == files[0].Scores[0].Probability {
		t.Error("--std changes nothing")
	}
}

// TestKerasFiles classifies with the small model as the files that other programs have it in.
func TestKerasFiles(t *testing.T) {
	m, err := nn.OpenModel(open(t), filepath.Join(model(t), run.CheckpointName))
	if err != nil {
		t.Fatal(err)
	}
	want, picture := probabilities(t, 0, 1), put(t, pngOf(t, shape(0)), t.TempDir(), "a.png")
	for _, name := range []string{"model.h5", "model.keras", "model.safetensors"} {
		file := filepath.Join(t.TempDir(), name)
		if err := keras.Save(file, m, nil); err != nil {
			t.Fatal(err)
		}
		files := decode(t, clitest.Expect(t, clitest.Command(t, file, picture, "--json"), 0))
		checkScores(t, files[0].Scores, 3, want[0])
		if err := os.Truncate(file, 1000); err != nil {
			t.Fatal(err)
		}
		clitest.Expect(t, clitest.Command(t, file, picture), 1, []string{file, infile.Damaged})
	}
}

// TestPreparation checks what goes into the network.
func TestPreparation(t *testing.T) {
	m := &classifier{Model: &nn.Model{Network: &nn.Network{Sequential: nn.Sequential{Input: tensor.Shape{1, 2, 3}}}},
		mean: [3]float32{1, 2, 3}, std: [3]float32{2, 4, 8}}
	two := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	copy(two.Pix, []byte{3, 6, 11, 255, 5, 10, 19, 255})
	p, err := picture.Open(bytes.NewReader(pngOf(t, two)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.read(p)
	if want := []float32{1, 1, 1, 2, 2, 2}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

func TestBadPictures(t *testing.T) {
	dir := t.TempDir()
	good := pngOf(t, shape(0))
	a, z := put(t, good, dir, "a.png"), put(t, good, dir, "z.png")
	text := put(t, []byte("hello"), dir, "text.png")
	half := put(t, good[:len(good)/2], dir, "half.png")
	huge := put(t, bomb(t), dir, "huge.png")
	empty := put(t, nil, dir, "empty.png")
	folder := filepath.Join(dir, "folder")
	os.Mkdir(folder, 0o755)
	out := clitest.Expect(t, clitest.Command(t, model(t), a, text, half, "nowhere.png", huge, empty, folder, z, "--json"), 1,
		[]string{text, "not an image"}, []string{half, "does not decode"}, []string{"nowhere.png", "no such file"},
		[]string{huge, "50000x50000", "too large"}, []string{empty, "not an image"}, []string{folder, "no pictures"},
		[]string{"6 of 8"})
	files := decode(t, out)
	if len(files) != 8 || files[0].Scores == nil || files[7].Scores == nil {
		t.Fatalf("want 8 pictures, the first and the last with classes:\n%s", out)
	}
	for _, f := range files[1:7] {
		if f.Error == "" || f.Scores != nil {
			t.Errorf("%s: error %q, classes %v", f.Name, f.Error, f.Scores)
		}
	}
	if out := clitest.Expect(t, clitest.Command(t, model(t), a, text), 1, []string{text}, []string{"1 of 2"}); strings.Count(out, "\n") != 1 {
		t.Errorf("want a row for the good picture alone:\n%s", out)
	}
	clitest.Expect(t, clitest.Command(t, model(t), half), 1, []string{half, "does not decode"}) // one sentence is enough
}

func TestBadCommands(t *testing.T) {
	dir := t.TempDir()
	picture := put(t, pngOf(t, shape(0)), dir, "a.png")
	labels := put(t, []byte("cat\ndog\n"), dir, "labels.txt")
	checkpoint, err := os.ReadFile(filepath.Join(model(t), run.CheckpointName))
	if err != nil {
		t.Fatal(err)
	}
	half := put(t, checkpoint[:len(checkpoint)/2], dir, "half.lamina")
	checkpoint[len(checkpoint)/2] ^= 1
	damaged := put(t, checkpoint, dir, "damaged.lamina")
	s := small(32, 32)
	s.Input = tensor.Shape{32, 32, 1}
	grey := untrained(t, s)
	for _, test := range []struct {
		code  int
		words []string
		args  []string
	}{
		{2, []string{"no model", "--help"}, nil},
		{2, []string{"nothing to do", "--serve"}, []string{model(t)}},
		{2, []string{"--evaluate and --serve"}, []string{model(t), "--serve", "80", "--evaluate", "shapes"}},
		{2, []string{"pictures and --evaluate"}, []string{model(t), picture, "--evaluate", "shapes"}},
		{2, []string{"--serve", "port"}, []string{model(t), "--serve", "99999"}},
		{2, []string{"--serve", "port"}, []string{model(t), "--serve", "http://localhost"}},
		{2, []string{"--serve", "port"}, []string{model(t), "--serve", ""}},
		{2, []string{"--top 0"}, []string{model(t), picture, "--top", "0"}},
		{2, []string{"standard input is named twice"}, []string{model(t), "-", picture, "-"}},
		{2, []string{"--limit -1"}, []string{model(t), "--evaluate", "shapes", "--limit", "-1"}},
		{2, []string{"--mean", "one number, or 3"}, []string{model(t), picture, "--mean", "1,2"}},
		{2, []string{"--mean", `"nan" must be a finite number`}, []string{model(t), picture, "--mean", "nan"}},
		{2, []string{"--mean", `"a" must be a finite number`}, []string{model(t), picture, "--mean", "1,a,2"}},
		{2, []string{"--std", `"" must be a finite number`}, []string{model(t), picture, "--std", ""}},
		{2, []string{"--std 0"}, []string{model(t), picture, "--std", "1,0,1"}},
		{2, []string{"--backend"}, []string{model(t), picture, "--backend", "abacus"}},
		{2, []string{"--colour", "--help"}, []string{model(t), picture, "--colour"}},
		{1, []string{"nowhere", "checkpoint"}, []string{"nowhere", picture}},
		{1, []string{dir, run.CheckpointName}, []string{dir, picture}},
		{1, []string{half, "cut off"}, []string{half, picture}},
		{1, []string{damaged, "checksum"}, []string{damaged, picture}},
		{1, []string{picture, "HDF5"}, []string{picture, picture}},
		{1, []string{"model", "1 channels"}, []string{grey, picture}},
		{1, []string{"--labels", labels, "2 lines", "10 classes"}, []string{model(t), picture, "--labels", labels}},
		{2, []string{"--limit: it is for --evaluate, not for pictures"}, []string{model(t), picture, "--limit", "1"}},
		{2, []string{"--confusion: it is for --evaluate, not for --serve"}, []string{model(t), "--serve", "0", "--confusion", "c.png"}},
		{2, []string{"--json", "not for --serve"}, []string{model(t), "--serve", "0", "--json"}},
		{2, []string{"--top", "not for --evaluate"}, []string{model(t), "--evaluate", "shapes", "--top", "1"}},
		{2, []string{"--confusion", half, ".png"}, []string{model(t), "--evaluate", "shapes", "--confusion", half}},
		{1, []string{"not finite", "--std"}, []string{model(t), picture, "--std", "1e-38"}},
		{1, []string{"--labels", os.DevNull, "not a file"}, []string{model(t), picture, "--labels", os.DevNull}},
		{1, []string{"--labels", "nowhere.txt"}, []string{model(t), picture, "--labels", "nowhere.txt"}},
	} {
		t.Run(strings.Join(test.words, " "), func(t *testing.T) {
			clitest.Expect(t, clitest.Command(t, test.args...), test.code, test.words)
		})
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080", "0.0.0.0:80": "0.0.0.0:80",
		"localhost:0": "localhost:0", "[::1]:8080": "[::1]:8080", "[::]:1": "[::]:1",
	} {
		if got, err := address(text); got != want || err != nil {
			t.Errorf("%s is %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestHelp(t *testing.T) {
	text := clitest.Expect(t, clitest.Command(t, "--help"), 0)
	for _, word := range []string{"MODEL", "--serve", "--evaluate", "--json", "--threads"} {
		if !strings.Contains(text, word) {
			t.Errorf("no %s in the help", word)
		}
	}
}
