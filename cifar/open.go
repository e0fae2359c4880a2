package cifar

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/lamina-go/lamina/internal/infile"
)

// BuiltIn is the path that selects generated images: see [Shapes].
const BuiltIn = "shapes"

// What Open generates for BuiltIn.
const (
	builtInSeed  = 1
	builtInTrain = 5_000
	builtInTest  = 1_000
)

// Options are how a dataset is read.
type Options struct {
	Progress func(done, total int64) // if not nil, called with the bytes downloaded so far and their total
	Decoded  func(done, total int)   // if not nil, called with how many image files are read, one call at a time
	SkipBad  bool                    // leave out image files that cannot be read, with a note
	// Limit and TestLimit are how many images Train and Test have at most; 0 is all.
	Limit, TestLimit int
	// Val is the share of the training images of a folder that are for validation instead. Those of
	// each class are chosen by their contents and Seed, so that equal files stay together. With 0,
	// a folder for validation or test has them, and without either the share is DefaultVal.
	Val  float64
	Seed uint64
	// Height and Width are the size to which image files are resized, 0 for Size. Resize says how: by
	// "crop", "pad" or, if it is empty, without regard to their proportions. See nn.Resize.
	Height, Width int
	Resize        string
	// Final leaves Train empty, and prefers a folder for test to one for validation.
	Final bool
	// Whole takes all images for Test where neither folder nor Val sets some aside.
	Whole bool
}

// Open reads the dataset at path, which is one of
//
//   - a folder of the binary files or Python pickles of CIFAR-10 or CIFAR-100 (its fine labels), or
//     its parent folder;
//   - the .tar.gz archive of either;
//   - a folder of image files, CLASS/*.png or .jpg, .webp, .gif, .bmp, .tif; or train/CLASS/*.png (or
//     Training), with validation/CLASS (or val, valid), test/CLASS (or Testing), both or neither.
//     Images for validation are used instead of those for test unless the options say otherwise;
//   - a .csv file with a line FILE,LABEL for each image, relative to its folder, and a header or not;
//   - [BuiltIn], which is generated;
//   - "", the official archive, downloaded to the user's cache folder if it is not there yet.
//
// Image files are decoded once. If the images take more than half of the free memory, as control
// groups, ulimit -v and GOMEMLIMIT leave it, they are decoded into a file in the user's cache folder,
// which a note names and the next Open of the same files uses.
func Open(ctx context.Context, path string, o Options) (*Dataset, error) {
	d, err := open(ctx, path, o)
	if err != nil {
		return nil, err
	}
	d.Train = d.Train.First(first(d.Train.Len(), o.Limit))
	d.Test = d.Test.First(first(d.Test.Len(), o.TestLimit))
	// Half of what was read is garbage, and training needs the memory.
	debug.FreeOSMemory()
	return d, nil
}

func open(ctx context.Context, path string, o Options) (*Dataset, error) {
	switch path {
	case BuiltIn:
		if err := o.forImages(BuiltIn); err != nil {
			return nil, err
		}
		return Shapes(builtInSeed, builtInTrain, builtInTest), nil
	case "":
		if err := o.forImages("CIFAR-10"); err != nil {
			return nil, err
		}
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("cifar: no folder to download CIFAR-10 to: %w: use the built-in data with --data %s",
				err, BuiltIn)
		}
		if path, err = download(ctx, official(), cache, o.Progress); err != nil {
			return nil, err
		}
	}
	return openPath(ctx, path, o)
}

// forImages reports options that are for image files alone.
func (o *Options) forImages(name string) error {
	if o.Val != 0 && !o.Final {
		return fmt.Errorf("cifar: %s has images for validation: omit --val, which is for a folder of image files", name)
	}
	if h, w := (Images{Height: o.Height, Width: o.Width}).size(); h != Size || w != Size {
		return fmt.Errorf("cifar: %s has images of %dx%d pixels, not %dx%d: only a folder or a .csv of image files has any size",
			name, Size, Size, h, w)
	}
	return nil
}

func openPath(ctx context.Context, path string, o Options) (*Dataset, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cifar: %s does not exist", path)
	}
	if err != nil {
		return nil, fmt.Errorf("cifar: %w", err)
	}
	if info.IsDir() {
		return openDir(ctx, path, o)
	}
	if strings.EqualFold(filepath.Ext(path), ".csv") {
		return openCSV(ctx, path, o)
	}
	f, size, err := infile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cifar: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<18)
	if magic, err := r.Peek(2); err != nil || [2]byte(magic) != [2]byte{0x1f, 0x8b} {
		return nil, fmt.Errorf("cifar: %s is neither a folder nor a .tar.gz archive nor a .csv file", path)
	}
	if err := o.forImages(path); err != nil {
		return nil, err
	}
	return readArchive(ctx, path, r, size)
}

// openDir reads a folder of a distribution or of image files.
func openDir(ctx context.Context, dir string, o Options) (*Dataset, error) {
	if folder, d := distributionIn(dir); d != nil {
		if err := o.forImages(folder); err != nil {
			return nil, err
		}
		return openFolder(ctx, folder, d)
	}
	if len(subfolders(dir)) > 0 {
		d, err := openImages(ctx, dir, o)
		if err != nil {
			return nil, err
		}
		return d, nil
	}
	if _, err := os.ReadDir(dir); err != nil { // it may exist but not be readable
		return nil, fmt.Errorf("cifar: %w", err)
	}
	return nil, fmt.Errorf("cifar: %s has neither the files of CIFAR-10 (data_batch_1.bin …, or data_batch_1 …) nor folders of images, one for each class, in it or in its folder train", dir)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
