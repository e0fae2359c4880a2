package cifar

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lamina-go/lamina/internal/infile"
)

const (
	trainFolder = "train"
	testFolder  = "test"
)

// openPictures reads dir/train/CLASS/* and dir/test/CLASS/*: pictures,
// resized to 32x32. The classes are the folders of train in the order of their names. Pictures are taken
// from the classes in turns, so that the first so many are of all of them.
func openPictures(ctx context.Context, dir string) (*Dataset, error) {
	train, test := filepath.Join(dir, trainFolder), filepath.Join(dir, testFolder)
	var others []string // what is passed over
	classes, err := folders(train, &others)
	if err != nil {
		return nil, err
	}
	if len(classes) == 1 {
		return nil, fmt.Errorf("cifar: %s has one class, %s: there must be two or more to tell apart", train, classes[0])
	}
	d := &Dataset{Name: dir, Classes: classes}
	if d.Train, err = readSplit(ctx, train, classes, classes, &others); err != nil {
		return nil, err
	}
	tested, err := folders(test, &others)
	if err != nil {
		return nil, err
	}
	for _, class := range tested {
		if !slices.Contains(classes, class) {
			return nil, fmt.Errorf("cifar: %s: there is no such class in %s", filepath.Join(test, class), train)
		}
	}
	if d.Test, err = readSplit(ctx, test, tested, classes, &others); err != nil {
		return nil, err
	}
	if len(tested) < len(classes) {
		missing := slices.DeleteFunc(slices.Clone(classes), func(class string) bool { return slices.Contains(tested, class) })
		d.Notes = append(d.Notes, fmt.Sprintf("%s has no pictures of %s: validation is without", test, strings.Join(missing, ", ")))
	}
	if len(others) > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%d passed over, the first %s: what counts are pictures (%s) in the folder of a class",
			len(others), others[0], strings.Join(pictureExtensions(), ", ")))
	}
	return d, nil
}

// folders returns the names of the folders in dir, of which there must be one. It adds the paths of what else is there to
// others.
func folders(dir string, others *[]string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cifar: there is no %s: it must have a folder of pictures for each class", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("cifar: %w", err)
	}
	var names []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // through links
		switch {
		case hidden(path):
		case err == nil && info.IsDir():
			names = append(names, e.Name())
		default:
			*others = append(*others, path)
		}
	}
	if names == nil {
		return nil, fmt.Errorf("cifar: %s has no folders of pictures, one for each class", dir)
	}
	return names, nil
}

// readSplit reads the pictures of the given folders of dir, whose labels are their
// places in classes. It adds the paths of what else is there to others.
func readSplit(ctx context.Context, dir string, folders, classes []string, others *[]string) (Images, error) {
	byClass := make([][]string, len(folders))
	most := 0
	for i, class := range folders {
		folder := filepath.Join(dir, class)
		entries, err := os.ReadDir(folder)
		if err != nil {
			return Images{}, fmt.Errorf("cifar: %w", err)
		}
		for _, e := range entries {
			switch path := filepath.Join(folder, e.Name()); {
			case IsPicture(path):
				byClass[i] = append(byClass[i], path)
			case !hidden(path):
				*others = append(*others, path)
			}
		}
		if byClass[i] == nil {
			return Images{}, fmt.Errorf("cifar: %s has no pictures (%s)", folder, strings.Join(pictureExtensions(), ", "))
		}
		most = max(most, len(byClass[i]))
	}
	var files []string
	var labels []int32
	for turn := range most {
		for i, class := range folders {
			if turn < len(byClass[i]) {
				files = append(files, byClass[i][turn])
				labels = append(labels, int32(slices.Index(classes, class)))
			}
		}
	}
	images := Images{make([]byte, len(files)*imageBytes), labels}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, file := range files {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return readPicture(images.image(i), file)
		})
	}
	return images, group.Wait()
}

// readPicture sets dst to the pixels of a file, resized.
func readPicture(dst []byte, file string) error {
	f, _, err := infile.Open(file)
	if err != nil {
		return fmt.Errorf("cifar: %w", err)
	}
	defer f.Close()
	p, err := OpenPicture(f)
	if err == nil {
		err = p.Read(dst, Size, Size)
	}
	if err != nil {
		return fmt.Errorf("cifar: %s: %w", file, err)
	}
	return nil
}
