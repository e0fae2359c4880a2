package command

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/nn"
)

// A BMP and a TIFF have the classes of a PNG of the same pixels.
func TestPredictBitmaps(t *testing.T) {
	clitest.Once(t)
	dir := t.TempDir()
	var bitmap, tagged bytes.Buffer
	if err := bmp.Encode(&bitmap, classifytest.Image(3)); err != nil {
		t.Fatal(err)
	}
	if err := tiff.Encode(&tagged, classifytest.Image(3), nil); err != nil {
		t.Fatal(err)
	}
	clitest.Put(t, classifytest.PNG(t, 3), dir, "a.png")
	clitest.Put(t, bitmap.Bytes(), dir, "b.bmp")
	clitest.Put(t, tagged.Bytes(), dir, "c.TIF")
	files := decode(t, clitest.Expect(t, clitest.Command(t, "predict", classifytest.Run(t), dir, "--json"), 0))
	if len(files) != 3 {
		t.Fatalf("%d files, want 3", len(files))
	}
	want := classifytest.Probabilities(t, 3, 4)[0]
	for _, f := range files { // whose rounding depends on how many are classified together
		classifytest.Check(t, f.Classes, len(f.Classes), want)
	}
}

// A run on own images of another size: how they are resized is kept, and used by evaluate, predict
// and a saved model.
func TestOwnSize(t *testing.T) {
	clitest.Once(t)
	data, out := t.TempDir(), filepath.Join(t.TempDir(), "run")
	for class, name := range []string{"dark", "light"} {
		for i := range 10 {
			shade := uint8(30 + 160*class + 2*i)
			clitest.Put(t, picturetest.PNG(t, picturetest.Plain(90+i, 40,
				color.NRGBA{shade, shade, uint8(9 * i), 255})),
				data, name, fmt.Sprintf("%d.png", i))
		}
	}
	model := filepath.Join(out, "model.keras")
	flags := []string{"train", "--data", data, "--out", out, "--size", "40x48", "--resize", "pad", "--model",
		"resnet20",
		"--epochs", "1", "--batch", "4", "--lr", "0.01", "--save", model}
	text := succeed(t, flags...)
	if !strings.Contains(text, "16 images for training, 4 for validation, 2 classes") {
		t.Errorf("the output:\n%s", text)
	}
	_, rows, err := run.Read(out)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d epochs, error %v", len(rows), err)
	}
	evaluated := clitest.Expect(t, clitest.Command(t, "evaluate", out, "--confusion", ""), 0,
		[]string{"the 4 images of the run's validation are measured"})
	if want := fmt.Sprintf("accuracy  %.2f %%", 100*rows[0].Validation.Accuracy); !strings.Contains(evaluated, want) || !strings.Contains(evaluated, "images    4\n") {
		t.Errorf("%q is not in:\n%s", want, evaluated)
	}
	all := clitest.Expect(t, clitest.Command(t, "evaluate", model, "--data", data, "--confusion", ""), 0,
		[]string{"sets no images aside: all 20 are measured"})
	if !strings.Contains(all, "images    20\n") {
		t.Errorf("not all images:\n%s", all)
	}
	image := filepath.Join(data, "light", "3.png")
	a := decode(t, succeed(t, "predict", out, image, "--json"))
	b := decode(t, succeed(t, "predict", model, image, "--json"))
	if math.Abs(a[0].Classes[0].Probability-b[0].Classes[0].Probability) > 1e-5 || a[0].Classes[0].Label != b[0].Classes[0].Label {
		t.Errorf("the run says %+v, the saved model %+v", a, b)
	}
	m, err := classify.Open(model, classify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if in := m.Input(); m.Resize() != nn.Pad || in[0] != 40 || in[1] != 48 {
		t.Errorf("resize %q to %v", m.Resize(), in)
	}
	fail(t, 2, []string{"--size 64", "has 40x48"}, "train", "--resume", out, "--size", "64")
	fail(t, 2, []string{"--resize crop", "has pad"}, "train", "--resume", out, "--resize", "crop")
	succeed(t, "train", "--resume", out, "--epochs", "2")
	straight := filepath.Join(t.TempDir(), "straight")
	flags = append(flags, "--epochs", "2", "--out", straight)
	succeed(t, flags...)
	_, resumed, _ := run.Read(out)
	_, want, _ := run.Read(straight)
	if len(resumed) != 2 || len(want) != 2 || resumed[1].Result != want[1].Result || resumed[1].Validation != want[1].Validation {
		t.Errorf("resumed %+v, straight %+v", resumed, want)
	}
	fail(t, 1, []string{"shapes has images of 32x32 pixels, not 64x64"}, "train", "--data", "shapes", "--size", "64")
}
