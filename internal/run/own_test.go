package run_test

import (
	"bytes"
	"fmt"
	"image/color"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/nn"
)

// putOwn writes n different images of each of two classes below a folder.
func putOwn(t *testing.T, n int, folder ...string) {
	t.Helper()
	for class, name := range []string{"cat", "dog"} {
		for i := range n {
			image := picturetest.PNG(t, picturetest.Plain(9, 7,
				color.NRGBA{uint8(200 * class), uint8(i), uint8(len(folder)), 255}))
			clitest.Put(t, image, filepath.Join(folder...), name, fmt.Sprintf("%d.png", i))
		}
	}
}

// putCSV writes a CSV of the images of putOwn.
func putCSV(t *testing.T, folder string) {
	t.Helper()
	text := "file,label\n"
	for _, name := range []string{"cat", "dog"} {
		for i := range 10 {
			text += fmt.Sprintf("%s/%d.png,%s\n", name, i, name)
		}
	}
	clitest.Put(t, []byte(text), folder, "labels.csv")
}

// csvIn returns the path of the CSV in a folder, or else that of the folder.
func csvIn(folder string) string {
	path := filepath.Join(folder, "labels.csv")
	if _, err := os.Stat(path); err != nil {
		return folder
	}
	return path
}

// The usual layouts of own images, each with what is used for what.
func TestOwnImages(t *testing.T) {
	clitest.Once(t)
	for _, test := range []struct {
		name  string
		put   func(dir string)
		flags []string
		data  string // the counts
		note  string
	}{
		{"one folder", func(dir string) { putOwn(t, 10, dir) }, nil,
			"16 images for training, 4 for validation, 2 classes", "no folder for validation: 16 images are for training, and 4, 20 % of each class"},
		{"one folder, --val", func(dir string) { putOwn(t, 10, dir) }, []string{"--val", "0.3"},
			"14 images for training, 6 for validation, 2 classes", "--val: 14 images are for training, and 6, 30 % of each class"},
		{"train and val", func(dir string) { putOwn(t, 3, dir, "train"); putOwn(t, 2, dir, "Val") }, nil,
			"6 images for training, 4 for validation, 2 classes", "train is for training, Val for validation"},
		{"train, valid and test", func(dir string) {
			putOwn(t, 3, dir, "train")
			putOwn(t, 2, dir, "valid")
			putOwn(t,
				1, dir, "test")
		}, nil,
			"6 images for training, 4 for validation, 2 classes", "train is for training, valid for validation, test for lamina evaluate"},
		{"Training and Testing", func(dir string) { putOwn(t, 3, dir, "Training"); putOwn(t, 2, dir, "Testing") }, nil,
			"6 images for training, 4 for validation, 2 classes", "Training is for training, Testing for validation"},
		{"a class with one image", func(dir string) {
			putOwn(t, 10, dir)
			clitest.Put(t, pngOf(t), dir,
				"lone", "1.png")
		}, nil,
			"17 images for training, 4 for validation, 3 classes", "lone: a single image is for training, and validation omits the class"},
		{"equal images", func(dir string) {
			putOwn(t, 10, dir)
			for i := range 9 {
				clitest.Put(t, pngOf(t), dir, "cat", fmt.Sprintf("copy %d.png", i))
			}
		}, nil, "2 classes", "% of each class, for validation"},
		{"CSV with classes that differ by case", func(dir string) {
			putOwn(t, 10, dir)
			putCSV(t, dir)
			text, err := os.ReadFile(filepath.Join(dir, "labels.csv"))
			if err != nil {
				t.Fatal(err)
			}
			clitest.Put(t, bytes.ReplaceAll(text, []byte("4.png,dog"), []byte("4.png,Dog")), dir, "labels.csv")
		}, nil, "3 classes", "the classes Dog and dog differ by case only"},
		{"folders that differ by case", func(dir string) {
			putOwn(t, 10, dir)
			other := filepath.Join(dir, "Cat")
			if _, err := os.Stat(other); err == nil {
				t.Skip("this disk ignores case")
			}
			clitest.Put(t, pngOf(t), other, "1.png")
		}, nil, "3 classes", "the classes Cat and cat differ by case only"},
		{"CSV with an unknown file, left out", func(dir string) {
			putOwn(t, 10, dir)
			putCSV(t, dir)
			os.Remove(filepath.Join(dir, "cat", "3.png"))
		}, []string{"--skip-bad"}, "2 classes", "left out an image that cannot be read: "},
		{"CSV", func(dir string) { putOwn(t, 10, dir); putCSV(t, dir) }, nil,
			"16 images for training, 4 for validation, 2 classes", "no --val: 16 images are for training, and 4, 20 % of each class"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.put(dir)
			dir = csvIn(dir)
			text := succeed(t, append([]string{"--data", dir, "--model", "resnet20", "--epochs", "0"}, test.flags...)...)
			for _, want := range []string{test.data, test.note} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in:\n%s", want, text)
				}
			}
		})
	}
}

// What is wrong with own images is said in a sentence before training.
func TestBadOwnImages(t *testing.T) {
	clitest.Once(t)
	for _, test := range []struct {
		name  string
		put   func(dir string)
		flags []string
		words []string
	}{
		{"no class", func(string) {}, nil, []string{"folders of images, one for each class"}},
		{
			"images beside each other",
			func(dir string) { clitest.Put(t, pngOf(t), dir, "1.png") },
			nil,
			[]string{"folders of images, one for each class"},
		},
		{
			"one class",
			func(dir string) { putOwn(t, 2, dir); os.RemoveAll(filepath.Join(dir, "dog")) },
			nil,
			[]string{"one class, cat"},
		},
		{
			"one image in each class",
			func(dir string) { putOwn(t, 1, dir) },
			nil,
			[]string{"no class has two different images"},
		},
		{"all bad", func(dir string) {
			for _, class := range []string{"cat", "dog"} {
				clitest.Put(t, []byte("text of "+class), dir, class, "1.png")
				clitest.Put(t, []byte("other text of "+class), dir, class, "2.png")
			}
		}, nil, []string{"4 images that cannot be read", "--skip-bad"}},
		{"all bad, left out", func(dir string) {
			for _, class := range []string{"cat", "dog"} {
				clitest.Put(t, []byte("text of "+class), dir, class, "1.png")
				clitest.Put(t, []byte("other text of "+class), dir, class, "2.png")
			}
		}, []string{"--skip-bad"}, []string{"the class cat has no images that can be read"}},
		{
			"a file in train alone",
			func(dir string) { clitest.Put(t, pngOf(t), dir, "train", "1.png") },
			nil,
			[]string{"train has no folders of images, one for each class"},
		},
		{"--val beside val", func(dir string) { putOwn(t, 2, dir, "train"); putOwn(t, 2, dir, "val") }, []string{"--val",
			"0.5"},
			[]string{"has a folder for validation, val: omit --val"}},
		{"a class of val in another case", func(dir string) {
			putOwn(t, 2, dir, "train")
			clitest.Put(t, pngOf(t), dir, "val", "Cat", "1.png")
		}, nil, []string{filepath.Join("val", "Cat"), "the class is cat in ", "spell both alike"}},
		{"CSV with an unknown file", func(dir string) {
			putOwn(t, 10, dir)
			putCSV(t, dir)
			os.Remove(filepath.Join(dir,
				"cat", "3.png"))
		}, nil,
			[]string{"labels.csv: line 5: ", filepath.Join("cat", "3.png"), "correct the path"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.put(dir)
			dir = csvIn(dir)
			fail(t, 1, test.words, append([]string{"--data", dir, "--model", "resnet20", "--epochs", "0"}, test.flags...)...)
		})
	}
	fail(t, 1, []string{"shapes has images for validation: omit --val"}, "--data", "shapes", "--val", "0.2")
}

// Images that exceed the memory, as GOMEMLIMIT leaves it, train to the same bits from a file.
func TestCacheFile(t *testing.T) {
	clitest.Once(t)
	data, cache, out := t.TempDir(), t.TempDir(), t.TempDir()
	putOwn(t, 10, data)
	train := func(name string, env ...string) (rows []nn.Row, text string) {
		t.Helper()
		folder := filepath.Join(out, name)
		c := clitest.Command(t, "--data", data, "--size", "32", "--model", "resnet20", "--epochs", "2", "--batch", "4",
			"--lr", "0.01", "--out", folder)
		c.Env = append(append(c.Env, cacheIn(cache)...), env...)
		text = clitest.Expect(t, c, 0)
		_, rows, err := run.Read(folder)
		if err != nil || len(rows) != 2 {
			t.Fatalf("%d epochs, error %v", len(rows), err)
		}
		for i := range rows {
			rows[i].ImagesPerSecond = 0
		}
		return rows, text
	}
	want, text := train("memory")
	if strings.Contains(text, "above the limit") {
		t.Errorf("a cache file:\n%s", text)
	}
	for _, name := range []string{"made", "found"} {
		rows, text := train(name, "GOMEMLIMIT=1")
		for _, words := range []string{
			"20 images of 32x32 pixels take 0 MB of memory, above the limit of 0 MB", "they are read from " + cache} {
			if !strings.Contains(text, words) {
				t.Errorf("%q is not in:\n%s", words, text)
			}
		}
		if !slices.Equal(rows, want) {
			t.Errorf("%s: %+v, want %+v", name, rows, want)
		}
	}
}

// cacheIn returns the variables that put the user's cache folder below a folder.
func cacheIn(folder string) []string {
	return []string{"HOME=" + folder, "XDG_CACHE_HOME=" + folder, "LocalAppData=" + folder}
}

// A disk that is full while the cache file is written is an error that leaves nothing behind.
func TestCacheDiskFull(t *testing.T) {
	if !clitest.Alone(t) {
		return
	}
	data, cache := t.TempDir(), t.TempDir()
	out := filepath.Join(t.TempDir(), "run")
	putOwn(t, 10, data)
	c := clitest.Command(t, "--data", data, "--size", "64", "--model", "resnet20", "--out", out)
	c.Env = append(append(c.Env, cacheIn(cache)...), "GOMEMLIMIT=1")
	clitest.LimitFiles(t, 100_000)
	clitest.Expect(t, c, 1, []string{cache, ".images: file too large: ",
		"the images, which exceed the memory, take 0 MB there: free some, set "})
	if _, err := os.Stat(out); err == nil {
		t.Error("a failed start left its folder")
	}
	err := filepath.WalkDir(cache, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			t.Errorf("%s is left behind", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
