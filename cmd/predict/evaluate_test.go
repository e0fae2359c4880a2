package main

import (
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/nn"
)

// TestEvaluate measures the small model on its validation images, given as a folder of pictures.
func TestEvaluate(t *testing.T) {
	r, err := trained()
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	d := shapes()
	for i := range d.Test.Len() {
		// The names of folders keep the order of classes.
		put(t, pngOf(t, shape(i)), data, "test", string(rune('a'+d.Test.Labels[i])), string(rune('a'+i/26))+string(rune('a'+i%26))+".png")
	}
	for i, name := range d.Classes {
		put(t, pngOf(t, shape(i)), data, "train", string(rune('a'+i)), name+".png")
	}
	labels := put(t, []byte("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n"), t.TempDir(), "labels.txt")
	c := clitest.Command(t, r.folder, "--evaluate", data, "--json", "--labels", labels)
	text := clitest.Expect(t, c, 0)
	var e evaluation
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if e.Accuracy != r.validation.Accuracy || e.Images != 300 {
		t.Errorf("accuracy %v on %d images, want the %v on 300 that training saw", e.Accuracy, e.Images, r.validation.Accuracy)
	}
	if d := e.Loss - r.validation.Loss; !(d <= 1e-5 && d >= -1e-5) {
		t.Errorf("loss %v, want the %v that training saw", e.Loss, r.validation.Loss)
	}
	found := 0
	for i, row := range e.Confusion {
		if n := sum(row); n != 30 {
			t.Errorf("%d images of class %d, want 30", n, i)
		}
		found += row[i]
	}
	if want := int(e.Accuracy*300 + 0.5); found != want {
		t.Errorf("%d on the diagonal, want %d", found, want)
	}
	checkPNG(t, filepath.Join(c.Dir, "confusion.png"))
}

// checkPNG reads the picture of a matrix of the ten classes.
func checkPNG(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if s := m.Bounds().Size(); s.X < 400 || s.Y < 400 {
		t.Errorf("a picture of %v", s)
	}
}

func TestEvaluateTable(t *testing.T) {
	text := clitest.Expect(t, clitest.Command(t, model(t), "--evaluate", cifar.BuiltIn, "--limit", "50", "--confusion", "matrix.png"), 0)
	for _, words := range []string{"images    50", "loss ", "accuracy ", "class ", "checkerboard       5 ", "matrix.png"} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not in\n%s", words, text)
		}
	}
	c := clitest.Command(t, model(t), "--evaluate", cifar.BuiltIn, "--limit", "50", "--confusion", "")
	clitest.Expect(t, c, 0)
	if left, _ := os.ReadDir(c.Dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestBadEvaluation(t *testing.T) {
	s := small(32, 32)
	s.Classes = 3
	s.Layers = append(s.Layers[:len(s.Layers)-2], nn.Dense{Units: 3})
	three := untrained(t, s)
	large := small(40, 40)
	large.Labels, large.Mean, large.Std = shapes().Classes, []float32{0, 0, 0}, []float32{1, 1, 1}
	labels := put(t, []byte("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n"), t.TempDir(), "labels.txt")
	for _, test := range []struct {
		words []string
		args  []string
	}{
		{[]string{"nowhere"}, []string{model(t), "--evaluate", "nowhere"}},
		{[]string{"3 classes", "10"}, []string{three, "--evaluate", "shapes", "--mean", "0"}},
		{[]string{"class 0", `"a"`, `"circle"`, "--labels"}, []string{model(t), "--evaluate", "shapes", "--labels", labels}},
		{[]string{"(32, 32, 3)", "(40, 40, 3)"}, []string{untrained(t, large), "--evaluate", "shapes"}},
		{[]string{"--confusion", "nowhere/c.png", "name a file", `"" for none`}, []string{model(t), "--evaluate", "shapes", "--confusion", "nowhere/c.png"}},
	} {
		t.Run(strings.Join(test.words, " "), func(t *testing.T) {
			if text := clitest.Expect(t, clitest.Command(t, test.args...), 1, test.words); text != "" {
				t.Errorf("it was found out only after the evaluation:\n%s", text)
			}
		})
	}
}

// TestDrawConfusion draws matrices from the smallest to one too large for names, and finds the colour of
// a cell where it should be.
func TestDrawConfusion(t *testing.T) {
	for _, n := range []int{1, 2, 10, 100, 1000} {
		e := &evaluation{Images: n}
		for i := range n {
			e.Classes = append(e.Classes, "class")
			row := make([]int, n)
			row[n-1-i] = 7 // the other diagonal
			e.Confusion = append(e.Confusion, row)
		}
		m, err := drawConfusion(e)
		if err != nil {
			t.Fatal(err)
		}
		dark := image.Point{}
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				if m.At(x, y) == color.Color(all) {
					dark = image.Pt(x, y)
					break
				}
			}
			if dark != (image.Point{}) {
				break
			}
		}
		if right := dark.X > m.Bounds().Dx()/2; n >= 10 && !right {
			t.Errorf("%d classes: the first row is dark from %v on, want its last cell", n, dark)
		}
	}
}
