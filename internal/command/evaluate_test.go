package command

import (
	"encoding/json"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/nn"
)

// TestEvaluate measures the small model on its validation images, given as a folder of images.
func TestEvaluate(t *testing.T) {
	data, d := t.TempDir(), classifytest.Shapes()
	for i := range d.Test.Len() {
		// The names of folders keep the order of classes.
		clitest.Put(t, classifytest.PNG(t, i), data, "test", string(rune('a'+d.Test.Labels[i])),
			string(rune('a'+i/26))+string(rune('a'+i%26))+".png")
	}
	for i, name := range d.Classes {
		clitest.Put(t, classifytest.PNG(t, i), data, "train", string(rune('a'+i)), name+".png")
	}
	labels := clitest.Put(t, []byte("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n"), t.TempDir(), "labels.txt")
	c := clitest.Command(t, "evaluate", classifytest.Run(t), "--data", data, "--json", "--labels", labels)
	text := clitest.Expect(t, c, 0)
	var e classify.Evaluation
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	want := classifytest.Validation(t)
	if e.Accuracy != want.Accuracy || e.Images != 300 || !(math.Abs(e.Loss-want.Loss) <= 1e-5) || len(e.Confusion) != 10 {
		t.Errorf("%+v, want the %+v of training on 300 images", e, want)
	}
	checkPNG(t, filepath.Join(c.Dir, "confusion.png"))
	var views classify.Evaluation
	c = clitest.Command(t, "evaluate", classifytest.Run(t), "--data", data, "--json", "--labels", labels,
		"--tta", "--confusion", "")
	if err := json.Unmarshal([]byte(clitest.Expect(t, c, 0)), &views); err != nil || views.Images != 300 || views.Loss == e.Loss ||
		!(math.Abs(views.Accuracy-e.Accuracy) <= 0.3) {
		t.Errorf("with six views %+v, %v", views, err)
	}
}

// checkPNG decodes the image of a matrix of ten classes.
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
		t.Errorf("an image of %v", s)
	}
}

func TestEvaluateTable(t *testing.T) {
	text := clitest.Expect(t,
		clitest.Command(t, "evaluate", classifytest.Run(t), "--data", cifar.BuiltIn, "--limit", "50",
			"--confusion", "matrix.png"),
		0)
	for _, words := range []string{"images    50", "loss ", "accuracy ", "class ", "checkerboard       5 ",
		"matrix.png"} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not in\n%s", words, text)
		}
	}
	c := clitest.Command(t, "evaluate", classifytest.Run(t), "--data", cifar.BuiltIn, "--limit", "50",
		"--confusion", "")
	clitest.Expect(t, c, 0)
	if left, _ := os.ReadDir(c.Dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestEvaluateUnprepared compares preparations for a file that does not record one.
func TestEvaluateUnprepared(t *testing.T) {
	file := classifytest.Untrained(t, classifytest.Small(32, 32))
	args := []string{"evaluate", file, "--data", cifar.BuiltIn, "--limit", "50", "--confusion", ""}
	text := clitest.Expect(t, clitest.Command(t, args...), 0, []string{file, "--mean 0 --std 255"})
	for _, words := range []string{"On the first 50 images", "\n--mean 0 --std 255 ", "assumed above"} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not in\n%s", words, text)
		}
	}
	var e classify.Evaluation
	text = clitest.Expect(t, clitest.Command(t, append(args, "--json")...), 0, []string{file})
	if err := json.Unmarshal([]byte(text), &e); err != nil || len(e.Preparations) != 6 {
		t.Errorf("%v, %d preparations in %s", err, len(e.Preparations), text)
	}
	for _, p := range e.Preparations {
		if p.Assumed && p.Accuracy != e.Accuracy {
			t.Errorf("%+v, but the accuracy is %v", p, e.Accuracy)
		}
	}
	text = clitest.Expect(t, clitest.Command(t, append(args, "--std", "255")...), 0)
	if strings.Contains(text, "On the first") {
		t.Errorf("compared in spite of --std:\n%s", text)
	}
}

func TestBadEvaluation(t *testing.T) {
	s := classifytest.Small(32, 32)
	s.Classes = 3
	s.Layers = append(s.Layers[:len(s.Layers)-2], nn.Dense{Units: 3})
	three := classifytest.Untrained(t, s)
	large := classifytest.Small(40, 40)
	large.Labels, large.Mean, large.Std = classifytest.Shapes().Classes, []float32{0, 0, 0}, []float32{1, 1, 1}
	labels := clitest.Put(t, []byte("a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n"), t.TempDir(), "labels.txt")
	for _, test := range []struct {
		words []string
		args  []string
	}{
		{[]string{"nowhere"}, []string{classifytest.Run(t), "--data", "nowhere"}},
		{[]string{"without --data", `"circle"`, `"airplane"`}, []string{classifytest.Run(t)}},
		{[]string{"3 classes", "10"}, []string{three, "--data", "shapes", "--mean", "0"}},
		{
			[]string{"class 0", `"a"`, `"circle"`, "--labels"},
			[]string{classifytest.Run(t), "--data", "shapes", "--labels", labels},
		},
		{[]string{"32x32", "40x40"}, []string{classifytest.Untrained(t, large), "--data", "shapes"}},
		{
			[]string{"--confusion", "nowhere/c.png", "name a file", `"" for none`},
			[]string{classifytest.Run(t), "--data", "shapes", "--confusion", "nowhere/c.png"},
		},
	} {
		t.Run(strings.Join(test.words, " "), func(t *testing.T) {
			if text := clitest.Expect(t, clitest.Command(t, append([]string{"evaluate"}, test.args...)...), 1,
				test.words); text != "" {
				t.Errorf("reported only after the evaluation:\n%s", text)
			}
		})
	}
}
