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

// validationFolders returns the names for the images by which a model is chosen, the preferred first.
func validationFolders() []string { return []string{"validation", "valid", "val"} }

// openImages reads the image files dir/train/CLASS/* and those of validation or test, upright by
// their EXIF orientation and resized to 32x32. The classes are the subfolders of train, sorted by
// name. Images of the classes alternate, so that the first N have all classes.
func openImages(ctx context.Context, dir string, o Options) (*Dataset, error) {
	d := &Dataset{Name: dir}
	train, test := filepath.Join(dir, trainFolder), filepath.Join(dir, d.chooseSplit(dir, o))
	f := imageFolders{skipBad: o.SkipBad}
	var err error
	if d.Classes, err = f.classes(train); err != nil {
		return nil, err
	}
	if len(d.Classes) == 1 {
		return nil, fmt.Errorf("cifar: %s has one class, %s: a classifier needs two or more", train, d.Classes[0])
	}
	tested, err := f.classes(test)
	if err != nil {
		return nil, err
	}
	for _, class := range tested {
		if !slices.Contains(d.Classes, class) {
			return nil, fmt.Errorf("cifar: %s: no such class in %s", filepath.Join(test, class), train)
		}
	}
	if d.Train, err = f.readSplit(ctx, train, d.Classes, d.Classes); err != nil {
		return nil, err
	}
	if d.Test, err = f.readSplit(ctx, test, tested, d.Classes); err != nil {
		return nil, err
	}
	if len(f.bad) > 0 {
		if !o.SkipBad {
			return nil, fmt.Errorf("cifar: %s: repair or remove %s, or leave %s out with --skip-bad", f.listBad(),
				them(len(f.bad)), them(len(f.bad)))
		}
		d.Notes = append(d.Notes, "left out "+f.listBad())
	}
	if len(tested) < len(d.Classes) {
		missing := slices.DeleteFunc(slices.Clone(d.Classes),
			func(class string) bool { return slices.Contains(tested, class) })
		d.Notes = append(d.Notes, fmt.Sprintf("%s has no images of %s: validation omits them", test,
			strings.Join(missing, ", ")))
	}
	if len(f.ignored) > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("ignored %d files, the first %s: only images (%s) in a class folder are used",
			len(f.ignored), f.ignored[0], strings.Join(picture.Extensions(), ", ")))
	}
	return d, nil
}

// chooseSplit returns the name of the folder of images to validate or test with. It notes which other
// folders are ignored.
func (d *Dataset) chooseSplit(dir string, o Options) string {
	splits := append(validationFolders(), testFolder)
	if o.Final {
		splits = append([]string{testFolder}, validationFolders()...)
	}
	isFolder := func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.IsDir()
	}
	chosen := testFolder
	if i := slices.IndexFunc(splits, isFolder); i >= 0 {
		chosen = splits[i]
	}
	entries, _ := os.ReadDir(dir) // what cannot be read is an error later
	var ignored []string
	for _, e := range entries {
		if name := e.Name(); name != trainFolder && name != chosen && !picture.IsHidden(name) && isFolder(name) {
			ignored = append(ignored, name)
		}
	}
	if ignored != nil {
		d.Notes = append(d.Notes, fmt.Sprintf("%s has folders that are ignored: %s (images of %s are used)", dir,
			strings.Join(ignored, ", "), strings.Join([]string{trainFolder, chosen}, " and ")))
	}
	return chosen
}

// imageFolders collects what is wrong in folders of images.
type imageFolders struct {
	skipBad bool
	ignored []string // files that are no images by their names
	bad     []error  // of images that cannot be read
}

// listBad says how many images cannot be read, and which.
func (f *imageFolders) listBad() string {
	if len(f.bad) == 1 {
		return "an image that cannot be read: " + f.bad[0].Error()
	}
	const most = 20
	var names []string
	for _, err := range f.bad[:min(len(f.bad), most)] {
		names = append(names, err.Error())
	}
	if n := len(f.bad) - most; n > 0 {
		names = append(names, fmt.Sprintf("and %d more", n))
	}
	return fmt.Sprintf("%d images that cannot be read: %s", len(f.bad), strings.Join(names, "; "))
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// classes returns the names of the subfolders of dir, of which there must be one. It ignores other
// entries.
func (f *imageFolders) classes(dir string) ([]string, error) {
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
			f.ignored = append(f.ignored, path)
		}
	}
	if names == nil {
		return nil, fmt.Errorf("cifar: %s has no folders of images, one for each class", dir)
	}
	return names, nil
}

// readSplit reads the images in the given subfolders of dir. A label is the folder's index in
// classes. It leaves out images that cannot be read, and ignores other files.
func (f *imageFolders) readSplit(ctx context.Context, dir string, folders, classes []string) (Images, error) {
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
				f.ignored = append(f.ignored, path)
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
	images, errs := Images{make([]byte, len(files)*imageBytes), labels}, make([]error, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, file := range files {
		group.Go(func() error {
			if ctx.Err() == nil {
				errs[i] = readImage(ctx, images.image(i), file)
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return Images{}, err
	}
	good := Images{images.Pixels[:0], images.Labels[:0]}
	left := make([]bool, len(classes))
	for i, err := range errs {
		if err != nil {
			f.bad = append(f.bad, err)
			continue
		}
		good.Pixels = append(good.Pixels, images.image(i)...)
		good.Labels = append(good.Labels, labels[i])
		left[labels[i]] = true
	}
	for _, class := range folders {
		if f.skipBad && !left[slices.Index(classes, class)] {
			return Images{}, fmt.Errorf("cifar: %s has no images that can be read", filepath.Join(dir, class))
		}
	}
	return good, nil
}

// readImage sets dst to the pixels of an image file, resized.
func readImage(ctx context.Context, dst []byte, file string) error {
	f, _, err := infile.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := picture.Open(f)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	m, err := p.Decode(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	picture.Resize(dst, m, Size, Size)
	return nil
}
