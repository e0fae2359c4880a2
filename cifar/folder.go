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
	"github.com/lamina-go/lamina/internal/picture"
)

const (
	trainFolder = "train"
	testFolder  = "test"
)

// openImages reads the image files dir/train/CLASS/* and dir/test/CLASS/*, upright by their
// EXIF orientation and resized to 32x32. The classes are the subfolders of train, sorted by name.
// Images of the classes alternate, so that the first N have all classes.
func openImages(ctx context.Context, dir string) (*Dataset, error) {
	train, test := filepath.Join(dir, trainFolder), filepath.Join(dir, testFolder)
	var ignored []string
	classes, err := folders(train, &ignored)
	if err != nil {
		return nil, err
	}
	if len(classes) == 1 {
		return nil, fmt.Errorf("cifar: %s has one class, %s: a classifier needs two or more", train, classes[0])
	}
	d := &Dataset{Name: dir, Classes: classes}
	if d.Train, err = readSplit(ctx, train, classes, classes, &ignored); err != nil {
		return nil, err
	}
	tested, err := folders(test, &ignored)
	if err != nil {
		return nil, err
	}
	for _, class := range tested {
		if !slices.Contains(classes, class) {
			return nil, fmt.Errorf("cifar: %s: no such class in %s", filepath.Join(test, class), train)
		}
	}
	if d.Test, err = readSplit(ctx, test, tested, classes, &ignored); err != nil {
		return nil, err
	}
	if len(tested) < len(classes) {
		missing := slices.DeleteFunc(slices.Clone(classes),
			func(class string) bool { return slices.Contains(tested, class) })
		d.Notes = append(d.Notes, fmt.Sprintf("%s has no images of %s: validation omits them", test,
			strings.Join(missing, ", ")))
	}
	if len(ignored) > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("ignored %d files, the first %s: only images (%s) in a class folder are used",
			len(ignored), ignored[0], strings.Join(picture.Extensions(), ", ")))
	}
	return d, nil
}

// folders returns the names of the subfolders of dir, of which there must be one. It appends the
// paths of other entries to ignored.
func folders(dir string, ignored *[]string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cifar: %s does not exist: it must have a folder of images for each class", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("cifar: %w", err)
	}
	var names []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // follows links
		switch {
		case picture.IsHidden(path):
		case err == nil && info.IsDir():
			names = append(names, e.Name())
		default:
			*ignored = append(*ignored, path)
		}
	}
	if names == nil {
		return nil, fmt.Errorf("cifar: %s has no folders of images, one for each class", dir)
	}
	return names, nil
}

// readSplit reads the images in the given subfolders of dir. A label is the folder's index in
// classes. It appends the paths of other files to ignored.
func readSplit(ctx context.Context, dir string, folders, classes []string, ignored *[]string) (Images, error) {
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
			case picture.IsName(path):
				byClass[i] = append(byClass[i], path)
			case !picture.IsHidden(path):
				*ignored = append(*ignored, path)
			}
		}
		if byClass[i] == nil {
			return Images{}, fmt.Errorf("cifar: %s has no images (%s)", folder,
				strings.Join(picture.Extensions(), ", "))
		}
		most = max(most, len(byClass[i]))
	}
	var files []string
	var labels []int32
	for round := range most {
		for i, class := range folders {
			if round < len(byClass[i]) {
				files = append(files, byClass[i][round])
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
			return readImage(ctx, images.image(i), file)
		})
	}
	return images, group.Wait()
}

// readImage sets dst to the pixels of an image file, resized.
func readImage(ctx context.Context, dst []byte, file string) error {
	f, _, err := infile.Open(file)
	if err != nil {
		return fmt.Errorf("cifar: %w", err)
	}
	defer f.Close()
	p, err := picture.Open(f)
	if err != nil {
		return fmt.Errorf("cifar: %s: %w", file, err)
	}
	m, err := p.Decode(ctx)
	if err != nil {
		return fmt.Errorf("cifar: %s: %w", file, err)
	}
	picture.Resize(dst, m, Size, Size)
	return nil
}
