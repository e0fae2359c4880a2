package cifar

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

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
	SkipBad  bool                    // leave out image files that cannot be read, with a note
	Final    bool                    // of a folder with validation and test images, take those of test
}

// Open reads the dataset at path, which is one of
//
//   - a folder of the binary files or Python pickles of CIFAR-10 or CIFAR-100 (its fine labels), or
//     its parent folder;
//   - the .tar.gz archive of either;
//   - a folder of image files: train/CLASS/*.png and test/CLASS/*.png, or .jpg, .jpeg, .webp, .gif.
//     Images in validation/CLASS (or val, valid) are used instead of test unless the options say
//     otherwise;
//   - [BuiltIn], which is generated;
//   - "", the official archive, downloaded to the user's cache folder if it is not there yet.
func Open(ctx context.Context, path string, o Options) (*Dataset, error) {
	switch path {
	case BuiltIn:
		return Shapes(builtInSeed, builtInTrain, builtInTest), nil
	case "":
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("cifar: no folder to download CIFAR-10 to: %w: use the built-in data with --data %s", err, BuiltIn)
		}
		if path, err = download(ctx, official(), cache, o.Progress); err != nil {
			return nil, err
		}
	}
	d, err := openPath(ctx, path, o)
	// Half of what was read is garbage, and training needs the memory.
	debug.FreeOSMemory()
	return d, err
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
	f, size, err := infile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cifar: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<18)
	if magic, err := r.Peek(2); err != nil || [2]byte(magic) != [2]byte{0x1f, 0x8b} {
		return nil, fmt.Errorf("cifar: %s is neither a folder nor a .tar.gz archive", path)
	}
	return readArchive(ctx, path, r, size)
}

// openDir reads a folder of a distribution or of image files.
func openDir(ctx context.Context, dir string, o Options) (*Dataset, error) {
	for _, d := range distributions() {
		for _, folder := range []string{dir, filepath.Join(dir, d.folder)} {
			for _, name := range d.images {
				if isFile(filepath.Join(folder, name)) {
					return openFolder(ctx, folder, d)
				}
			}
		}
	}
	if exists(filepath.Join(dir, trainFolder)) || exists(filepath.Join(dir, testFolder)) {
		return openImages(ctx, dir, o)
	}
	if _, err := os.ReadDir(dir); err != nil { // it may exist but not be readable
		return nil, fmt.Errorf("cifar: %w", err)
	}
	return nil, fmt.Errorf("cifar: %s has neither the files of CIFAR-10 (data_batch_1.bin …, or data_batch_1 …) nor folders %s and %s with a folder of images for each class",
		dir, trainFolder, testFolder)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
