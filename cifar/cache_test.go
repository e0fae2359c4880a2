package cifar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

// useCache makes the images of [Open] exceed the memory until the test ends, and returns the folder
// of their cache files.
func useCache(t *testing.T) string {
	t.Helper()
	old := debug.SetMemoryLimit(1)
	t.Cleanup(func() { debug.SetMemoryLimit(old) })
	root := t.TempDir()
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
		t.Setenv(name, root)
	}
	root, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "lamina", "images")
}

// openCounted opens images and returns the path of their cache file and how many were decoded.
func openCounted(data string, o Options) (d *Dataset, path string, decoded int, err error) {
	o.Decoded = func(done, total int) { decoded = done }
	d, err = Open(context.Background(), data, o)
	if err == nil {
		path = d.Train.file.Name()
	}
	return d, path, decoded, err
}

// noises returns n different images of each of two classes in a folder.
func noises(t *testing.T, n int, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for i := range n {
		files[fmt.Sprintf("%s/a/%d.png", folder, i)] = picturetest.PNG(t, picturetest.Noise(10+i, 8))
		files[fmt.Sprintf("%s/b/%d.png", folder, i)] = picturetest.PNG(t, picturetest.Noise(9, 40+i))
	}
	return files
}

// replace gives a file other contents, and the time that it had.
func replace(t *testing.T, name string, data []byte) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// names returns the names of the files in a folder.
func names(t *testing.T, folder string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// Batches have the same bits from memory and from a cache file, whether it was made or found.
func TestCacheBatches(t *testing.T) {
	data := writeFolder(t, noises(t, 20, "."))
	for name, o := range map[string]Options{"default": {}, "split": {Seed: 3, Val: 0.5},
		"size": {Height: 17, Width: 24, Resize: "pad"}, "limits": {Limit: 7, TestLimit: 3}} {
		t.Run(name, func(t *testing.T) {
			want, err := Open(context.Background(), data, o)
			if err != nil {
				t.Fatal(err)
			}
			useCache(t)
			for range 2 {
				got, _, _, err := openCounted(data, o)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range []Augmentation{None, SubPixel} {
					for epoch := -1; epoch < 2; epoch++ {
						loader := got.Training(MeanOnly(), a, 5)
						images, labels, _ := collect(loader, epoch, 0, 3)
						wantImages, wantLabels, _ := collect(want.Training(MeanOnly(), a, 5), epoch, 0, 3)
						if !slices.Equal(images, wantImages) || !slices.Equal(labels, wantLabels) || loader.Err() != nil {
							t.Fatalf("epoch %d differs, error %v", epoch, loader.Err())
						}
					}
				}
				images, labels, _ := collect(got.Validation(MeanOnly()), inOrder, 0, 2)
				wantImages, wantLabels, _ := collect(want.Validation(MeanOnly()), inOrder, 0, 2)
				if !slices.Equal(images, wantImages) || !slices.Equal(labels, wantLabels) {
					t.Fatal("the validation differs")
				}
			}
		})
	}
}

// A cache file is used again by all that has the same images, and by nothing else.
func TestCacheReuse(t *testing.T) {
	files := noises(t, 10, ".")
	data, folder := writeFolder(t, files), useCache(t)
	open := func(o Options) (string, int) {
		t.Helper()
		_, path, decoded, err := openCounted(data, o)
		if err != nil {
			t.Fatal(err)
		}
		return path, decoded
	}
	first, decoded := open(Options{})
	if decoded != 20 || filepath.Dir(first) != folder {
		t.Errorf("%d images decoded into %s", decoded, first)
	}
	for _, o := range []Options{{}, {Seed: 9}, {Val: 0.5}, {SkipBad: true}} {
		if path, decoded := open(o); path != first || decoded != 0 {
			t.Errorf("%+v: %d images decoded into %s", o, decoded, path)
		}
	}
	for _, o := range []Options{{Height: 33}, {Width: 33}, {Resize: "crop"}, {Limit: 4}, {TestLimit: 1}} {
		if path, decoded := open(o); path == first || decoded == 0 {
			t.Errorf("%+v: %d images decoded into %s", o, decoded, path)
		}
	}
	// With a limit, another seed has other images, which replace those of the first.
	path, _ := open(Options{Limit: 4})
	if again, decoded := open(Options{Limit: 4, Seed: 9}); again != path || decoded == 0 {
		t.Errorf("%d images decoded into %s", decoded, again)
	}
	before := len(names(t, folder))
	name := filepath.Join(data, "a", "1.png")
	for _, change := range []func() error{
		func() error { return os.Chtimes(name, time.Time{}, time.Now().Add(-time.Hour)) },
		func() error { return os.WriteFile(name, picturetest.PNG(t, picturetest.Noise(50, 60)), 0o644) },
		func() error { return os.Remove(name) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if path, decoded := open(Options{}); path == first || decoded < 19 {
			t.Errorf("after a change %d images decoded into %s", decoded, path)
		}
	}
	d, _, _, err := openCounted(data, Options{})
	note := fmt.Sprintf("beside it are %d of other data", before+2)
	if err != nil || !strings.Contains(strings.Join(d.Notes, "\n"), note) {
		t.Errorf("%q is not in the notes %q, error %v", note, d.Notes, err)
	}
}

// Files whose images are in a cache file are not read again, not even for their contents, on which
// the split depends. Evaluation uses the file too.
func TestCacheContents(t *testing.T) {
	data := writeFolder(t, noises(t, 10, "."))
	want, err := Open(context.Background(), data, Options{Seed: 9})
	if err != nil {
		t.Fatal(err)
	}
	useCache(t)
	_, path, _, err := openCounted(data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		name := filepath.Join(data, "a", fmt.Sprintf("%d.png", i))
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		replace(t, name, make([]byte, info.Size()))
	}
	for _, o := range []Options{{Seed: 9}, {Seed: 9, Final: true}} {
		got, again, decoded, err := openCounted(data, o)
		if err != nil || again != path || decoded != 0 {
			t.Fatalf("%d images decoded into %s, error %v", decoded, again, err)
		}
		images, labels, _ := collect(got.Validation(MeanOnly()), inOrder, 0, 4)
		wantImages, wantLabels, _ := collect(want.Validation(MeanOnly()), inOrder, 0, 4)
		if !slices.Equal(images, wantImages) || !slices.Equal(labels, wantLabels) {
			t.Errorf("%+v: another split", o)
		}
	}
}

// A cache file that is not whole is rebuilt.
func TestCacheDamaged(t *testing.T) {
	useCache(t)
	data := writeFolder(t, noises(t, 4, "."))
	_, path, _, err := openCounted(data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(good) != 8*(imageBytes+cacheRowBytes)+cacheEndBytes {
		t.Errorf("%d bytes", len(good))
	}
	changed := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 4
		return b
	}
	damages := map[string][]byte{
		"empty":               nil,
		"half":                good[:len(good)/2],
		"one byte short":      good[:len(good)-1],
		"one byte long":       append(bytes.Clone(good), 0),
		"the end alone":       good[len(good)-cacheEndBytes:],
		"a part of the end":   good[len(good)-20:],
		"zeros":               make([]byte, len(good)),
		"a record is missing": good[imageBytes:],
	}
	for at := 8 * imageBytes; at < len(good); at += 5 {
		damages[fmt.Sprintf("byte %d", at)] = changed(at)
	}
	for name, damage := range damages {
		if err := os.WriteFile(path, damage, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, decoded, err := openCounted(data, Options{}); err != nil || decoded != 8 {
			t.Errorf("%s: %d images decoded, error %v", name, decoded, err)
		}
		if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, good) {
			t.Errorf("%s: the file differs, error %v", name, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, decoded, err := openCounted(data, Options{}); err != nil || decoded != 8 {
		t.Errorf("a folder in its place: %d images decoded, error %v", decoded, err)
	}
}

// A record that changes after the file is opened is an error, which ends the batches.
func TestCacheChanged(t *testing.T) {
	useCache(t)
	for name, change := range map[string]func(path string) error{
		"cut off": func(path string) error { return os.Truncate(path, 5*imageBytes) },
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"a bit": func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			b := make([]byte, 1)
			f.ReadAt(b, 5*imageBytes)
			b[0] ^= 1
			_, err = f.WriteAt(b, 5*imageBytes)
			return err
		},
	} {
		d, path, _, err := openCounted(writeFolder(t, noises(t, 4, ".")), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		loader := d.Training(MeanOnly(), None, 1)
		_, labels, _ := collect(loader, inOrder, 0, 1)
		checkError(t, nil, loader.Err(), path, "delete it")
		if len(labels) > 5 {
			t.Errorf("%s: %d images", name, len(labels))
		}
	}
}

// Images that cannot be read are left out of a cache file, and reported each time. One that is
// repaired, with its size and time, is used.
func TestCacheBad(t *testing.T) {
	files := noises(t, 5, "train")
	maps.Copy(files, noises(t, 2, "val"))
	good := files["train/a/3.png"]
	files["train/a/3.png"] = bytes.Repeat([]byte("x"), len(good))
	data := writeFolder(t, files)
	want, err := Open(context.Background(), data, Options{SkipBad: true})
	if err != nil {
		t.Fatal(err)
	}
	folder := useCache(t)
	_, _, _, err = openCounted(data, Options{})
	checkError(t, nil, err, "3.png", "--skip-bad")
	if left := names(t, folder); left != nil {
		t.Errorf("left behind: %q", left)
	}
	for _, fresh := range []bool{true, false} {
		d, _, decoded, err := openCounted(data, Options{SkipBad: true})
		if err != nil || d.Train.Len() != 9 || fresh && decoded != 14 || !fresh && decoded != 1 {
			t.Fatalf("%d images, %d decoded, error %v", d.Train.Len(), decoded, err)
		}
		if diff := cmp.Diff(want.Train.Labels, d.Train.Labels); diff != "" {
			t.Error(diff)
		}
		if notes := strings.Join(d.Notes, "\n"); !strings.Contains(notes, "left out an image that cannot be read") {
			t.Errorf("notes %q", d.Notes)
		}
	}
	d, _, _, err := openCounted(data, Options{})
	checkError(t, d, err, "3.png", "--skip-bad")
	name := filepath.Join(data, "train", "a", "3.png")
	replace(t, name, good)
	if d, _, decoded, err := openCounted(data, Options{}); err != nil || d.Train.Len() != 10 || decoded != 14 {
		t.Errorf("after the repair %d images, %d decoded, error %v", d.Train.Len(), decoded, err)
	}
}

// What goes wrong while the file is written leaves nothing behind.
func TestCacheFails(t *testing.T) {
	if !clitest.Alone(t) {
		return
	}
	data, folder := writeFolder(t, noises(t, 20, ".")), useCache(t)
	t.Run("disk full", func(t *testing.T) {
		clitest.LimitFiles(t, 50_000)
		d, _, _, err := openCounted(data, Options{})
		checkError(t, d, err, folder, "take 0 MB there: free some, set "+cacheVariable())
		if !errors.Is(err, syscall.EFBIG) {
			t.Errorf("error %v, want %v", err, syscall.EFBIG)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err := Open(ctx, data, Options{Decoded: func(done, total int) {
		if done == 10 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if left := names(t, folder); left != nil {
		t.Errorf("left behind: %q", left)
	}
	if err := errors.Join(os.Remove(folder), os.WriteFile(folder, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	d, _, _, err := openCounted(data, Options{})
	checkError(t, d, err, "need this folder, or another "+cacheVariable())
}

// A disk that is too small is an error before any image is decoded.
func TestCacheSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if _, known := atomicfile.Space(filepath.Dir(path)); !known {
		t.Skip("the free space of a disk is unknown here")
	}
	r := reader{total: 1e12}
	err := r.writeCache(context.Background(), &Dataset{}, splits{}, path, [16]byte{})
	checkError(t, nil, err, path+": the disk has ",
		"MB left, but the images, which exceed the memory, take 3124000000: free some")
	if left := names(t, filepath.Dir(path)); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// Two that make the same file at a time both get it.
func TestCacheConcurrent(t *testing.T) {
	data, folder := writeFolder(t, noises(t, 10, ".")), useCache(t)
	var sets [4]*Dataset
	errs := make(chan error)
	for i := range sets {
		go func() {
			var err error
			sets[i], err = Open(context.Background(), data, Options{})
			errs <- err
		}()
	}
	for range sets {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	want, _, _ := collect(sets[0].Training(MeanOnly(), None, 1), 0, 0, 4)
	for _, d := range sets[1:] {
		if got, _, _ := collect(d.Training(MeanOnly(), None, 1), 0, 0, 4); !slices.Equal(got, want) {
			t.Error("the images differ")
		}
	}
	if left := names(t, folder); len(left) != 1 {
		t.Errorf("files %q, want one", left)
	}
}
