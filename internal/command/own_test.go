package command

import (
	"bytes"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
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
	for _, f := range files[1:] {
		if f.Classes[0] != files[0].Classes[0] {
			t.Errorf("%s: %+v, want %+v", f.Name, f.Classes[0], files[0].Classes[0])
		}
	}
}
