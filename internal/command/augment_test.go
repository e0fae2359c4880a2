package command

import (
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

// A sheet has a row for each of up to five images, and replaces the one that was there.
func TestAugment(t *testing.T) {
	dir := t.TempDir()
	for i := range 4 {
		for width, class := range map[int]string{300: "a", 310: "b"} {
			image := picturetest.PNG(t, picturetest.Noise(width, 200+i))
			clitest.Put(t, image, dir, class, fmt.Sprint(i, ".png"))
		}
	}
	sheet := filepath.Join(t.TempDir(), "sheet.png")
	for _, c := range []struct {
		args          []string
		list          string // as it is printed
		width, height int
	}{
		{[]string{"--data", "shapes"}, "sub-pixel", 808, 504},
		{[]string{"--data", "shapes", "--augment", "rand", "--mean", "0", "--std", "255", "--seed", "7"},
			"rand:2:9", 808, 504},
		{[]string{"--data", dir, "--size", "48x96", "--augment", "shift,flip"},
			"flip,shift:0.1", 808, 264},
		{[]string{"--data", dir, "--size", "512", "--resize", "crop", "--val", "0.5",
			"--augment", "flip,cutout:99"}, "flip,cutout:99", 808, 404},
	} {
		text := succeed(t, append([]string{"augment", "--out", sheet}, c.args...)...)
		if want := sheet + ": a row for each image: as it is, then " + c.list + "\n"; text != want {
			t.Errorf("%q, want %q", text, want)
		}
		f, err := os.Open(sheet)
		if err != nil {
			t.Fatal(err)
		}
		config, err := png.DecodeConfig(f)
		f.Close()
		if err != nil || config.Width != c.width || config.Height != c.height {
			t.Errorf("%v: an image of %dx%d, %v, want %dx%d", c.args,
				config.Width, config.Height, err, c.width, c.height)
		}
	}
	c := clitest.Command(t, "augment", "--data", "shapes")
	clitest.Expect(t, c, 0)
	if _, err := os.Stat(filepath.Join(c.Dir, "augment.png")); err != nil {
		t.Error(err)
	}
}

func TestAugmentRejects(t *testing.T) {
	for _, c := range []struct {
		line  string
		code  int
		words []string
	}{
		{"--augment mirror", 2,
			[]string{"--augment", `"mirror"`, "none, whole-pixel", "flip, shift:0.1", "rand:2:9"}},
		{"--augment flip,rotate:999", 2,
			[]string{"--augment", `"rotate:999" must be above 0 and at most 180`}},
		{"--out sheet.jpg", 2, []string{"--out", "sheet.jpg", "must end in .png"}},
		{"--out nowhere/sheet.png --data shapes", 1, []string{"--out", "nowhere", "writable folder"}},
		{"--data nowhere", 1, []string{"--data", "nowhere", "does not exist"}},
		{"--data shapes --size 64", 1, []string{"shapes", "32x32", "not 64x64"}},
		{"--size 5000", 2, []string{"--size", "from 8 to 512"}},
		{"photos", 2, []string{`"photos"`}},
		{"--epochs 3", 2, []string{"--epochs"}},
	} {
		fail(t, c.code, c.words, append([]string{"augment"}, strings.Fields(c.line)...)...)
	}
}
