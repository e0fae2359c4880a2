// Package sample keeps a few validation images of a run in its folder, for people who try the model
// and have no image at hand.
package sample

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/report"
)

// Folder is the name of the folder of the samples, in that of the run.
const Folder = "samples"

// most is the number of samples, and perClass that of a class.
const most, perClass = 10, 2

// extensions are those of files by their content type.
func extensions() map[string]string {
	return map[string]string{"image/png": ".png", "image/jpeg": ".jpg"}
}

// Write writes validation images to a folder, up to ten, of as many classes as possible. It leaves
// files that are there as they are.
func Write(dir string, d *cifar.Dataset) error {
	path := filepath.Join(dir, Folder)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	for _, i := range choose(d.Test.Labels, len(d.Classes)) {
		m, err := d.Test.Image(i)
		if err != nil {
			return err
		}
		data, kind, err := report.Encode(m)
		if err != nil {
			return err
		}
		// The number of the class is the name, since that of the class may not be one of a file.
		name := filepath.Join(path, fmt.Sprintf("%04d-%d%s", d.Test.Labels[i], i, extensions()[kind]))
		if _, err := os.Stat(name); err == nil {
			continue
		}
		err = atomicfile.Write(name, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// choose returns the first images of some classes, by class.
func choose(labels []int32, classes int) (images []int) {
	each := min(perClass, max(1, most/max(classes, 1)))
	some := min(classes, most)
	left := map[int32]int{}
	for i := range some {
		left[int32(i*classes/some)] = each
	}
	for i, label := range labels {
		if left[label] > 0 {
			left[label]--
			images = append(images, i)
		}
	}
	slices.SortStableFunc(images, func(a, b int) int { return int(labels[a] - labels[b]) })
	return images
}

// Sample is an image with its class.
type Sample struct {
	Class int
	Type  string // the content type
	Data  []byte
}

var named = regexp.MustCompile(`^(\d{4,6})-\d+(\.png|\.jpg)$`)

// Read returns the samples of the run of a model with so many classes, none if there are none. The
// path is that of the run or of a file in it. Read ignores files that [Write] does not write.
func Read(model string, classes int) (all []Sample, err error) {
	dir := filepath.Join(model, Folder)
	if info, err := os.Stat(model); err == nil && !info.IsDir() {
		dir = filepath.Join(filepath.Dir(model), Folder)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries { // sorted by name
		parts := named.FindStringSubmatch(e.Name())
		if parts == nil || len(all) == most {
			continue
		}
		class, err := strconv.Atoi(parts[1])
		if err != nil || class >= classes {
			continue
		}
		data, err := infile.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		for kind, extension := range extensions() {
			if extension == parts[2] {
				all = append(all, Sample{class, kind, data})
			}
		}
	}
	return all, nil
}
