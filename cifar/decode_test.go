package cifar

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
)

// The memory of images has a limit, which is said.
func TestCheckMemory(t *testing.T) {
	for _, test := range []struct {
		images, size, limit int
		note                string
		fits                bool
	}{
		{1000, 0, 4 * mega, "", true},
		{1000, 0, 3 * mega, "1000 images of 32x32 pixels take 3 MB of memory, above the limit of 3 MB, half of what is free", false},
		{50_000, 224, 4000 * mega,
			"50000 images of 224x224 pixels take 7526 MB of memory, above the limit of 4000 MB, half of what is free", false},
		{10_000, 224, 4000 * mega, "10000 images of 224x224 pixels take 1505 MB of memory, of at most 4000 MB", true},
	} {
		r := reader{Options: Options{Height: test.size, Width: test.size}, total: test.images}
		if note, fits := r.checkMemory(test.limit); note != test.note || fits != test.fits {
			t.Errorf("%d images of size %d: note %q, fits: %v", test.images, test.size, note, fits)
		}
	}
}

// A limit reads no more images than it needs, and counts those that can be read.
func TestOpenLimits(t *testing.T) {
	files := shades(t, "train", 2, 10, func(i int) string { return fmt.Sprintf("%02d", i) })
	for name, data := range shades(t, "val", 2, 5, func(i int) string { return fmt.Sprint(i) }) {
		files[name] = data
	}
	dir := writeFolder(t, files)
	all, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var calls []int
	o := Options{Limit: 7, TestLimit: 3, Decoded: func(done, total int) {
		if total != 10 {
			t.Errorf("%d images in all, want 10", total)
		}
		calls = append(calls, done)
	}}
	d, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(calls, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
		t.Errorf("progress %v", calls)
	}
	if !bytes.Equal(d.Train.Pixels, all.Train.First(7).Pixels) || !bytes.Equal(d.Test.Pixels, all.Test.First(3).Pixels) {
		t.Error("not the first images")
	}
	bad := with(files, "train/class0/00 bad.png", []byte("hello"))
	bad = with(bad, "train/class1/00 bad.png", nil)
	for _, limit := range []int{1, 2, 7, 20, 30} {
		d, err := Open(context.Background(), writeFolder(t, bad), Options{Limit: limit, SkipBad: true})
		if err != nil {
			t.Fatalf("limit %d: %v", limit, err)
		}
		if want := all.Train.First(limit); d.Train.Len() != want.Len() {
			t.Errorf("limit %d: %d images, want %d", limit, d.Train.Len(), want.Len())
		}
	}
}
